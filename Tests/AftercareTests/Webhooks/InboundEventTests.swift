import Testing

@testable import Aftercare

@Suite struct `Delivery fingerprints` {
    private static let headers = InboundEvent.Headers(topic: "orders/create", deliveryID: "d-1")
    private static let body = Array("{}".utf8)

    // domain.md 5, Ingest 2 and 3.
    @Test func `a retry has the fingerprint of the first delivery`() {
        var retry = Self.headers
        retry.apiVersion = "2026-07"
        #expect(retry.fingerprint(of: Self.body) == Self.headers.fingerprint(of: Self.body))
    }

    @Test func `one id with another body, topic or with another id is another delivery`() {
        var otherTopic = Self.headers
        otherTopic.topic = "orders/updated"
        var otherID = Self.headers
        otherID.deliveryID = nil
        let fingerprints = [
            Self.headers.fingerprint(of: Self.body), Self.headers.fingerprint(of: Self.body + [0x0A]),
            otherTopic.fingerprint(of: Self.body), otherID.fingerprint(of: Self.body),
        ]
        #expect(Set(fingerprints).count == 4)
    }

    @Test func `where one part ends and the next begins makes a difference`() {
        let a = InboundEvent.Headers(topic: "ab", deliveryID: "c")
        let b = InboundEvent.Headers(topic: "a", deliveryID: "bc")
        #expect(a.fingerprint(of: []) != b.fingerprint(of: []))
    }
}
