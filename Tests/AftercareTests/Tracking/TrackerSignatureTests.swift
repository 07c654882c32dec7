import Foundation
import HTTPTypes
import JSON
import Observability
import Support
import Testing

@testable import Aftercare

@Suite struct `Tracking providers' signatures` {
    private static func secret(_ text: String) -> Secret<[UInt8]> { Secret(Array(text.utf8)) }

    @Test(.enabled(if: SharedData.isThere, "\(SharedData.absent)"))
    func `EasyPost's published vector holds`() throws {
        let vectors = try JSON(parsing: SharedData.bytes("signatures/vectors.json")).arrayValue ?? []
        var count = 0
        for vector in vectors where vector["scheme"]?.stringValue == "easypost" {
            let body = Array(try #require(vector["body"]?.stringValue).utf8)
            let secret = try #require(vector["secret"]?.stringValue)
            let header = vector["expected"]?.stringValue
            let isValid = vector["valid"]?.boolValue
            // In either form of the é.
            for form in [secret.precomposedStringWithCanonicalMapping, secret.decomposedStringWithCanonicalMapping] {
                #expect(EasyPostSignature.isValid(header, of: body, secrets: [Self.secret(form)]) == isValid)
            }
            // domain.md 5, Ingest 6: the file it was published in ends with a line break that is not signed.
            #expect(!EasyPostSignature.isValid(header, of: body + [0x0A], secrets: [Self.secret(secret)]))
            count += 1
        }
        #expect(count == 1)
    }

    // domain.md 5, Ingest 6: their own library mends a body that lost the difference.
    @Test func `EasyPost signs bytes, not their meaning`() {
        let body = Array(#"{"weight":12.0}"#.utf8)
        let header = "hmac-sha256-hex=\(TrackerConnection.hex(TrackerConnection.mac(body, "hush-hush")))"
        #expect(EasyPostSignature.isValid(header, of: body, secrets: [Self.secret("other"), Self.secret("hush-hush")]))
        #expect(EasyPostSignature.isValid(header.uppercased(), of: body, secrets: [Self.secret("hush-hush")]))
        #expect(
            !EasyPostSignature.isValid(header, of: Array(#"{"weight":12}"#.utf8), secrets: [Self.secret("hush-hush")])
        )
        for broken in [nil, "", "hmac-sha256-hex=", String(header.dropFirst(16)), header + "0", header + "zz"] {
            #expect(
                !EasyPostSignature.isValid(broken, of: body, secrets: [Self.secret("hush-hush")]),
                "\(broken ?? "")"
            )
        }
    }

    @Test func `Shippo proves itself by a token in the address, or by a signature where it was asked to`() {
        let body = Array("{}".utf8)
        let secrets = [Self.secret("a+b&c=d%e")]
        let mac = TrackerConnection.hex(TrackerConnection.mac(Array("1728930042.{}".utf8), "a+b&c=d%e"))
        for header in ["t=1728930042,v1=\(mac)", "t=1728930042, v1=\(mac)", "v1=\(mac),t=1728930042"] {
            #expect(ShippoSignature.isValid(header, of: body, secrets: secrets), "\(header)")
            #expect(!ShippoSignature.isValid(header, of: body + [0x20], secrets: secrets))
        }
        for header in ["t=1728930043,v1=\(mac)", "v1=\(mac)", "t=1728930042", "", "t,v1", "t=1728930042,v1=zz"] {
            #expect(!ShippoSignature.isValid(header, of: body, secrets: secrets), "\(header)")
        }
        let hook = "/v1/hooks/tnt_1/con_1"
        func isToken(_ target: String) -> Bool {
            ShippoSignature.isValid([:], target: target, of: body, secrets: secrets)
        }
        #expect(isToken("\(hook)?token=a%2Bb%26c%3Dd%25e") && isToken("\(hook)?x=1&token=a+b%26c=d%25e"))
        for query in [
            "", "?", "?token=", "?token=a%2Bb", "?token=a%2Bb%26c%3Dd%25e0", "?tokens=a%2Bb%26c%3Dd%25e", "?token=%",
        ] {
            #expect(!isToken(hook + query), "\(query)")
        }
    }

    @Test(arguments: ["", "0", "0g", "é0", " 00"]) func `what is no hexadecimal number is none`(_ text: String) {
        #expect(Hexadecimal.decode(text) == (text.isEmpty ? [] : nil))
        #expect(Hexadecimal.decode("00fFa9") == [0, 0xFF, 0xA9])
    }
}
