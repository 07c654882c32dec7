import FoundationEssentials
import JSON
import Time

/// Whom a privacy request is about, as its source names them.
struct PrivacySubject: Hashable, Sendable {
    /// The account's id at the source. Somebody who only ever ordered as a guest has none.
    var customer: String?
    /// Normalized.
    var email: String?
    /// Ids of orders at the source.
    var orders: [String] = []

    var json: JSON {
        [
            "customer": customer.map { .string($0) } ?? nil, "email": email.map { .string($0) } ?? nil,
            "orders": .array(orders.map { .string($0) }),
        ]
    }

    init(customer: String? = nil, email: String? = nil, orders: [String] = []) {
        (self.customer, self.email, self.orders) = (customer, email, orders)
    }

    /// As it is stored.
    init(_ json: JSON) {
        customer = json["customer"]?.stringValue
        email = json["email"]?.stringValue
        orders = json["orders"]?.arrayValue?.compactMap(\.stringValue) ?? []
    }
}

/// What a source asks for.
struct PrivacyChange: Hashable, Sendable {
    let kind: PrivacyRequest.Kind
    let subject: PrivacySubject
}

/// What somebody has a right to: to be told what is kept of them, or to have it erased.
struct PrivacyRequest: Sendable {
    enum Kind: String, CaseIterable, Sendable {
        case customerData = "customer_data"
        case customerRedaction = "customer_redaction"
        /// Of everybody who ordered at a store whose shop has left.
        case storeRedaction = "store_redaction"
    }

    enum State: String, CaseIterable, Sendable {
        case open, done
        case notCarriedOut = "not_carried_out"
    }

    /// Why it was not carried out.
    enum Reason: String, CaseIterable, Sendable {
        /// The shop has put the app in again, or never took it out.
        case connectionInUse = "connection_in_use"
    }

    /// What a redaction goes through, some at a time.
    enum Step: String, CaseIterable, Sendable { case orders, customers, events, tickets }

    static let period = Duration.seconds(30 * 86_400)

    let id: PrivacyRequestID
    let store: StoreID
    let connection: ConnectionID
    let event: InboundEventID
    let kind: Kind
    var state: State
    var reason: Reason?
    /// Nil once it is no longer open.
    var subject: PrivacySubject?
    var step: Step?
    var after: UUID?
    /// What was erased, in numbers.
    var counts: [String: Int64]
    let dueAt: Instant
    var completedAt: Instant?
    var version: Int64
    let createdAt: Instant
    var updatedAt: Instant

    mutating func end(as state: State, because reason: Reason? = nil, at now: Instant) {
        (self.state, self.reason, completedAt, subject, step, after) = (state, reason, now, nil, nil, nil)
    }

    mutating func count(_ name: String, _ number: Int) { counts[name, default: 0] += Int64(number) }
}

extension PrivacyRequest {
    func write(to object: inout JSONObjectWriter) {
        object.member("id", id)
        object.member("store_id", store)
        object.member("connection_id", connection)
        object.member("event_id", event)
        object.member("kind", kind.rawValue)
        object.member("state", state.rawValue)
        object.member("reason", reason?.rawValue)
        object.object("counts") { object in
            for name in Self.counted { object.member(name, counts[name] ?? 0) }
        }
        object.member("due_at", dueAt)
        object.member("completed_at", completedAt)
        object.member("version", version)
        object.member("created_at", createdAt)
        object.member("updated_at", updatedAt)
    }

    static let counted = ["orders", "customers", "messages", "tickets", "inbound_events"]
}

enum PrivacyRequestKind: IDKind { static let prefix = "prq" }
typealias PrivacyRequestID = ID<PrivacyRequestKind>
