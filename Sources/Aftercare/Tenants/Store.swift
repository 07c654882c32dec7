import FoundationEssentials
import Time

/// A shop of a tenant.
struct Store: Sendable {
    enum Platform: String, CaseIterable, Sendable { case shopify, woocommerce, other }

    /// A sandbox store can have a clock of its own, and is for trying things.
    enum Mode: String, CaseIterable, Sendable { case live, sandbox }

    let id: StoreID
    let tenant: TenantID
    var name: String
    let platform: Platform
    var zone: Zone
    let currency: String
    var locale: String
    let mode: Mode
    /// A sandbox store's own time, once it has been advanced.
    var testClock: Instant?
    var mailFrom: String?
    /// Who is told by mail when a person is needed; nobody where absent.
    var escalationEmail: String?
    var version: Int64
    let createdAt: Instant
    var updatedAt: Instant

    /// The store's time: what decisions are made by, and due times are reckoned from.
    func now(_ databaseNow: Instant) -> Instant { testClock ?? databaseNow }
}
