import Time

/// What a customer agreed to be sent besides what concerns their orders.
enum MarketingState: String, CaseIterable, Sendable {
    case subscribed
    case notSubscribed = "not_subscribed"
    /// They have still to confirm.
    case pending
    case unsubscribed, invalid, redacted, unknown
}

/// What a source tells of a customer; each part comes from its newest statement.
enum CustomerField: String, CaseIterable, Sendable {
    case email, name, locale, marketing, deleted, vip
}

struct CustomerValues: Hashable, Sendable {
    var email: String?
    var name: String?
    var locale: String?
    var marketing: MarketingState?
    var marketingRaw: String?
    var marketingAt: Instant?
    var isDeleted = false
    /// Nil for somebody who is none.
    var vipSince: Instant?
    var vipReason: String?

    var isVIP: Bool { vipSince != nil }

    mutating func copy(_ field: CustomerField, from other: CustomerValues) {
        switch field {
        case .email: email = other.email
        case .name: name = other.name
        case .locale: locale = other.locale
        case .marketing:
            (marketing, marketingRaw, marketingAt) = (other.marketing, other.marketingRaw, other.marketingAt)
        case .deleted: isDeleted = other.isDeleted
        case .vip: (vipSince, vipReason) = (other.vipSince, other.vipReason)
        }
    }
}

/// What was said of one customer at one time.
struct CustomerStatement: Hashable, Sendable {
    let stamp: Stamp
    /// What it speaks of; of the rest it says nothing.
    var told: Set<CustomerField> = []
    var values = CustomerValues()
}

/// What a source said of its customers.
enum CustomerChange: Hashable, Sendable {
    case statement(CustomerStatement, of: String)
    /// The source has made one of two.
    case merger(of: String, into: String)
}

/// A customer: each part by its source's time, so that it is the same whatever order the statements came in.
struct Customer: Hashable, Sendable {
    var values = CustomerValues()
    var provenance = Provenance<CustomerField>()
    /// They had their data erased: nothing of it comes back, whoever tells it.
    var isRedacted = false

    mutating func apply(_ statement: CustomerStatement) {
        for field in provenance.admit(statement.told, by: statement.stamp) {
            values.copy(field, from: statement.values)
        }
        guard isRedacted else { return }
        let isDeleted = values.isDeleted
        values = CustomerValues()
        values.isDeleted = isDeleted
    }
}

/// A customer as the API shows it.
struct MirroredCustomer: Sendable {
    let id: CustomerID
    let store: StoreID
    let source: String
    /// Nil for a guest.
    let externalID: String?
    var customer: Customer
    /// Whom they were merged into: the one to go on with.
    let mergedInto: CustomerID?
    /// The source's own time of the newest thing it told.
    let asOf: Instant?
    let version: Int64
    let createdAt: Instant
    let updatedAt: Instant
}
