import HTTPTypes
import JSON
import Postgres
import Time

/// A time that a body tells and that what is told later is compared with, and where it stands.
struct ToldTime: Hashable, Sendable {
    let path: [String]
    let instant: Instant

    static func asOf(_ instant: Instant) -> ToldTime { ToldTime(path: ["as_of"], instant: instant) }

    static let tooFarAhead = "must not lie more than a day ahead of the store's time"

    var error: FieldError {
        FieldError(pointer: "#/\(path.joined(separator: "/"))", code: .outOfRange, detail: Self.tooFarAhead)
    }
}

/// What every operation checks that takes the word of a shop we have no connector for.
enum PutChecks {
    /// The store, or the same 404 as for somebody else's. Looked for first: a foreign key would look past row level
    /// security.
    static func store(_ id: StoreID, of tenant: TenantID, in transaction: Transaction) async throws -> Store {
        let rows = try await transaction.query(TenantStore.store(id, tenant: tenant))
        guard let store = try rows[0].first.map(TenantStore.decode) else { throw Problem.notFound }
        return store
    }

    /// The source's times of what it tells: a little ahead of ours is another clock, more is a mistake that would shut out
    /// all that is told later.
    static func times(_ told: [ToldTime], in store: Store, now: Instant) throws(Problem) {
        let errors = told.filter { $0.instant > store.now(now) + PutOrder.reach }.map(\.error)
        if !errors.isEmpty { throw Problem(FieldErrors(errors)) }
    }

    /// An `If-Match` is never fulfilled by what is not there, not even `*`.
    static func match(_ call: Call, version: Int64, isThere: Bool, _ name: String) throws(Problem) {
        if !isThere, call.headers[.ifMatch] != nil {
            throw Problem(.versionMismatch, "There is no such \(name) yet.")
        }
        try call.checkMatch(version: version)
    }
}
