import Crypto
import FoundationEssentials
import Time

/// A webhook as it came, byte for byte, or what a shop told of an order when it was asked; and what became of it.
struct InboundEvent: Sendable {
    enum State: String, CaseIterable, Sendable { case received, applied, ignored, quarantined }

    /// How it came: the shop told, or was asked.
    enum Via: String, CaseIterable, Sendable { case webhook, pull }

    /// What the provider's headers say. Only the body is signed, so nothing is decided by these but how it is read.
    struct Headers: Hashable, Sendable {
        var topic: String
        var deliveryID: String?
        var apiVersion: String?
        var triggeredAt: Instant?
    }

    let id: InboundEventID
    let tenant: TenantID
    let store: StoreID
    let connection: ConnectionID
    var via = Via.webhook
    let headers: Headers
    var state: State
    /// Why it was ignored or quarantined.
    var reason: String?
    var order: OrderID?
    /// Whom it told of, where that was a customer. Only ever written.
    var customer: CustomerID?
    /// Of what was pulled, when it was asked for.
    let receivedAt: Instant
    var settledAt: Instant?
    /// What the body was sent as.
    var contentType: String?
    /// Nil while the body is there.
    var removal: BodyRemoval?

    /// Why the body of an event is there no longer, and since when. What it told of, and what became of it, stays.
    struct BodyRemoval: Hashable, Sendable {
        enum Reason: String, CaseIterable, Sendable {
            /// It was kept for as long as anybody may need it (`Retention`).
            case expired
            /// Somebody it told of asked for it (`Privacy`).
            case redacted
        }

        let reason: Reason
        let at: Instant
    }

    /// When the provider said it, as far as is known. The header is not signed, so it can only make it older.
    var saidAt: Instant { min(headers.triggeredAt ?? receivedAt, receivedAt) }
}

extension InboundEvent.Headers {
    /// SHA-256 of topic, delivery id and body: a provider's retry has the same. Delivery ids alone are not unique at
    /// every provider, and one id with another body is another event.
    func fingerprint(of body: [UInt8]) -> [UInt8] {
        var hasher = SHA256()
        // Each part comes with its length, so that no two deliveries give the same bytes.
        for part in [Array(topic.utf8), Array((deliveryID ?? "").utf8), body] {
            withUnsafeBytes(of: UInt64(part.count).bigEndian) { hasher.update(bufferPointer: $0) }
            hasher.update(data: part)
        }
        return Array(hasher.finalize())
    }
    /// A header cut to what anybody would send; the rest is not worth keeping.
    static func worthKeeping(_ text: String) -> String {
        String(text.unicodeScalars.filter { $0.value >= 0x20 }.prefix(255))
    }
}
