import Foundation
import HTTPTypes
import JSON
import Observability
import Support
import Testing

@testable import Aftercare

@Suite struct `WooCommerce deliveries` {
    @Test(.enabled(if: SharedData.isThere, "\(SharedData.absent)"))
    func `derived vectors hold`() throws {
        let vectors = try JSON(parsing: SharedData.bytes("signatures/vectors.json")).arrayValue ?? []
        var count = 0
        for vector in vectors where vector["scheme"]?.stringValue == "woocommerce" {
            let body =
                if let file = vector["body_file"]?.stringValue {
                    try SharedData.bytes(String(file.trimmingPrefix("shared/")))
                } else {
                    Array(try #require(vector["body"]?.stringValue).utf8)
                }
            let secret = Secret(Array(try #require(vector["secret"]?.stringValue).utf8))
            let fields = try Self.fields(["Signature": try #require(vector["expected"]?.stringValue)])
            let isSigned = Connection.Provider.wooCommerce.isSigned(fields, target: "/", body: body, secrets: [secret])
            #expect(isSigned == vector["valid"]?.boolValue, "\(vector["origin"] ?? "")")
            count += 1
        }
        #expect(count == 6)
    }

    private static func fields(_ values: [String: String]) throws -> HTTPFields {
        var fields = HTTPFields()
        for (name, value) in values { fields[try #require(HTTPField.Name("X-WC-Webhook-\(name)"))] = value }
        return fields
    }

    @Test func `headers say the topic and the delivery, cut to what anybody would send`() throws {
        let long = String(repeating: "a", count: 300)
        let fields = try Self.fields(["Topic": "order.updated", "Delivery-ID": long, "Event": "updated"])
        let headers = Connection.Provider.wooCommerce.headers(fields)
        #expect(headers == .init(topic: "order.updated", deliveryID: String(long.prefix(255))))
        #expect(Connection.Provider.wooCommerce.headers([:]) == .init(topic: ""))
    }

    // domain.md 5, Ingest 3.
    @Test func `a delivery is told from another by its bytes, whatever its id`() {
        func fingerprint(_ topic: String, _ id: String, _ body: String) -> [UInt8] {
            Connection.Provider.wooCommerce.fingerprint(of: .init(topic: topic, deliveryID: id), body: Array(body.utf8))
        }
        let first = fingerprint("order.updated", "1", #"{"id":1}"#)
        #expect(first != fingerprint("order.updated", "1", #"{"id":2}"#))
        #expect(first != fingerprint("order.created", "1", #"{"id":1}"#))
        #expect(first == fingerprint("order.updated", "2", #"{"id":1}"#))
        // Nothing in these bytes says which of two deletions it is.
        #expect(fingerprint("order.deleted", "1", #"{"id":1}"#) != fingerprint("order.deleted", "2", #"{"id":1}"#))
    }

    // domain.md 5, Ingest 5.
    @Test func `a ping is a form with the webhook's number, and nothing else is one`() throws {
        let woo = Connection.Provider.wooCommerce
        for text in ["webhook_id=7", "webhook_id=12345678901234567890"] {
            #expect(woo.isPing([:], body: Array(text.utf8)))
            #expect(!Connection.Provider.shopify.isPing([:], body: Array(text.utf8)))
            #expect(try !woo.isPing(Self.fields(["Signature": "AAAA"]), body: Array(text.utf8)))
        }
        for text in ["", "webhook_id=", "webhook_id=7&a=b", "webhook_id=x", "{\"webhook_id\":7}", "Webhook_id=7"] {
            #expect(!woo.isPing([:], body: Array(text.utf8)))
        }
    }

    @Test func `secrets of ours are of letters and digits, and no two are the same`() {
        let secrets = (0..<100).map { _ in String(decoding: Connection.newSecret().reveal(), as: UTF8.self) }
        #expect(Set(secrets).count == 100)
        #expect(secrets.allSatisfy { $0.wholeMatch(of: /[0-9A-Za-z]{40}/) != nil })
    }

    @Test(
        arguments: [
            ("https://shop.example", "https://shop.example"), ("HTTPS://Shop.Example/", "https://shop.example"),
            ("https://example.com/My-Shop//", "https://example.com/My-Shop"),
            ("https://shop.example:443/", "https://shop.example"),
            ("https://shop.example:8443", "https://shop.example:8443"),
            ("https://localhost", "https://localhost"), ("http://shop.example", nil), ("shop.example", nil),
            ("https://", nil),
            ("https:///shop", nil), ("https://shop..example", nil), ("https://-a.example", nil),
            ("https://a@shop.example", nil), ("https://shop.example:0", nil), ("https://shop.example:x", nil),
            ("https://shop.example/?a=b", nil), ("https://shop.example/#a", nil), ("https://shop.example/a b", nil),
            ("https://shop.example/\u{11}", nil), ("https://sh\u{F6}p.example", nil), ("", nil),
            ("https://\(String(repeating: "a", count: 64)).example", nil),
            ("https://shop.example/" + String(repeating: "a", count: 255), nil),
        ] as [(String, String?)]
    )
    func `an account is the shop's address in one spelling`(_ text: String, _ account: String?) {
        #expect(Connection.Provider.wooCommerce.account(text) == account)
    }
}
