import HTTPTypes
import JSON
import Postgres
import Time

/// What every operation checks that takes the word of a shop we have no connector for.
enum PutChecks {
    /// The store, or the same 404 as for somebody else's. Looked for first: a foreign key would look past row level
    /// security.
    static func store(_ id: StoreID, of tenant: TenantID, in transaction: Transaction) async throws -> Store {
        let rows = try await transaction.query(TenantStore.store(id, tenant: tenant))
        guard let store = try rows[0].first.map(TenantStore.decode) else { throw Problem.notFound }
        return store
    }

    /// The source's time of what it tells: a little ahead of ours is another clock, more is a mistake that would shut out
    /// all that is told later.
    static func time(_ asOf: Instant, in store: Store, now: Instant) throws(Problem) {
        guard asOf <= store.now(now) + PutOrder.reach else {
            throw Problem.field("#/as_of", .outOfRange, "must not lie more than a day ahead of the store's time")
        }
    }

    /// An `If-Match` is never fulfilled by what is not there, not even `*`.
    static func match(_ call: Call, version: Int64, isThere: Bool, _ name: String) throws(Problem) {
        if !isThere, call.headers[.ifMatch] != nil {
            throw Problem(.versionMismatch, "There is no such \(name) yet.")
        }
        try call.checkMatch(version: version)
    }
}
