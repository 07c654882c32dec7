import Crypto
import Foundation
import HTTPTypes
import JSON
import Observability
import Support
import Testing
import Time

@testable import Aftercare

@Suite struct `Shopify signatures` {
    private static func secret(_ text: String) -> Secret<[UInt8]> { Secret(Array(text.utf8)) }

    private static func sign(_ body: [UInt8], _ secret: String) -> String {
        let key = SymmetricKey(data: Array(secret.utf8))
        return Data(HMAC<SHA256>.authenticationCode(for: body, using: key)).base64EncodedString()
    }

    @Test(.enabled(if: SharedData.isThere, "\(SharedData.absent)"))
    func `published and derived vectors hold`() throws {
        let vectors = try JSON(parsing: SharedData.bytes("signatures/vectors.json")).arrayValue ?? []
        var count = 0
        for vector in vectors where vector["scheme"]?.stringValue == "shopify" {
            let body =
                if let file = vector["body_file"]?.stringValue {
                    try SharedData.bytes(String(file.trimmingPrefix("shared/")))
                } else {
                    Array(try #require(vector["body"]?.stringValue).utf8)
                }
            let secret = Self.secret(try #require(vector["secret"]?.stringValue))
            let header = vector["expected"]?.stringValue
            let isValid = BodySignature.isValid(base64: header, of: body, secrets: [secret])
            #expect(isValid == vector["valid"]?.boolValue, "\(vector)")
            count += 1
        }
        #expect(count == 14)
    }

    // domain.md 5, Ingest 5.
    @Test(arguments: [nil, "", "=", "AAAA", "not base64!", String(repeating: "A", count: 100_000)])
    func `a missing or malformed signature is none`(_ header: String?) {
        #expect(!BodySignature.isValid(base64: header, of: [1], secrets: [Self.secret("hush-hush")]))
    }

    @Test func `the secret before counts as long as it is given`() {
        let body = Array("{}".utf8)
        let header = Self.sign(body, "the-old-one")
        let (old, new) = (Self.secret("the-old-one"), Self.secret("the-new-one"))
        #expect(BodySignature.isValid(base64: header, of: body, secrets: [new, old]))
        #expect(!BodySignature.isValid(base64: header, of: body, secrets: [new]))
        #expect(!BodySignature.isValid(base64: header, of: body, secrets: []))
    }

    // domain.md 5, Ingest 5 and 6.
    @Test func `a secret with special characters, and an empty, a binary and a long body can be signed`() {
        for body in [[], [0, 0xFF, 0xFE], [UInt8](repeating: 0x20, count: 5 << 20)] {
            let header = Self.sign(body, "a&b\"c'd<e>")
            #expect(BodySignature.isValid(base64: header, of: body, secrets: [Self.secret("a&b\"c'd<e>")]))
            #expect(!BodySignature.isValid(base64: header, of: body + [0x0A], secrets: [Self.secret("a&b\"c'd<e>")]))
        }
    }

    @Test func `bytes are signed, not their meaning`() {
        let header = Self.sign(Array(#"{"weight":12}"#.utf8), "hush-hush")
        for other in [#"{"weight":12.0}"#, #"{"weight": 12}"#, #"{"\u0077eight":12}"#] {
            #expect(!BodySignature.isValid(base64: header, of: Array(other.utf8), secrets: [Self.secret("hush-hush")]))
        }
    }

    @Test func `headers are found by their old and their new names`() throws {
        for prefix in ["X-Shopify-", "shopify-", "Shopify-"] {
            var fields = HTTPFields()
            for (name, value) in [("Topic", "orders/paid"), ("Webhook-Id", "w-1"), ("API-Version", "2026-07")] {
                fields[try #require(HTTPField.Name(prefix + name))] = value
            }
            fields[try #require(HTTPField.Name(prefix + "Triggered-At"))] = "2026-05-04T10:00:00.123456789Z"
            let headers = InboundEvent.Headers.shopify(fields)
            #expect(headers.topic == "orders/paid" && headers.deliveryID == "w-1" && headers.apiVersion == "2026-07")
            #expect(headers.triggeredAt?.rfc3339Exact == "2026-05-04T10:00:00.123456Z")
        }
        #expect(InboundEvent.Headers.shopify([:]) == InboundEvent.Headers(topic: ""))
    }
}

@Suite struct `Shop domains` {
    @Test(
        arguments: [
            ("demo.myshopify.com", "demo.myshopify.com"), ("Demo-2.MyShopify.com", "demo-2.myshopify.com"),
            ("demo.example.com", nil), (".myshopify.com", nil), ("-a.myshopify.com", nil), ("a-.myshopify.com", nil),
            ("a.b.myshopify.com", nil), ("https://demo.myshopify.com", nil), ("demo.myshopify.com/", nil), ("", nil),
            ("d\u{E9}mo.myshopify.com", nil),
        ] as [(String, String?)]
    )
    func `only Shopify's own are accounts`(_ text: String, _ domain: String?) {
        #expect(Shopify.shopDomain(text) == domain)
    }
}
