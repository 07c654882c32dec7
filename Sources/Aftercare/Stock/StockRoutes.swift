import FoundationEssentials
import HTTPTypes
import JSON
import Postgres
import Time

/// `/v1/stores/{store_id}/stock`: what a shop, or its warehouse, has of each variant.
struct StockRoutes {
    let environment: Environment

    /// How many one request may tell of.
    static let maximum = 1000

    private static let path = "/v1/stores/{store_id}/stock"
    private static let filters: Set<String> = ["sku"]

    var routes: [Route] {
        [
            Route(.get, Self.path, .holder(of: .ordersRead), query: Page.parameters.union(Self.filters), list),
            Route(.put, Self.path, .holder(of: .ordersWrite), body: .json, putMany),
            Route(.put, "\(Self.path)/{sku}", .holder(of: .ordersWrite), body: .json, put),
        ]
    }

    @Sendable private func list(_ call: Call) async throws -> Reply {
        let store = try call.id("store_id", StoreKind.self)
        let page = try Page(call, filters: Self.filters, key: environment.masterKey.cursors)
        let (_, rows) = try await environment.access.read(call) {
            [
                TenantStore.store(store, tenant: $0.tenant),
                StockStore.levels(page, sku: call.query["sku"], tenant: $0.tenant, store: store),
            ]
        }
        guard !rows[0].isEmpty else { throw Problem.notFound }
        let levels = try rows[1].map { try StockStore.decode($0).level }
        return page.reply(levels, position: { ($0.createdAt, $0.id) }, write)
    }

    // MARK: One

    @Sendable private func put(_ call: Call) async throws -> Reply {
        let store = try call.id("store_id", StoreKind.self)
        let sku = try call.externalID("sku")
        let told = try call.decode { (body) throws(FieldErrors) in try PutStock(&body, sku) }
        return try await environment.access.write(call) { transaction, principal in
            let now = environment.clock.now()
            let shop = try await PutChecks.store(store, of: principal.tenant, in: transaction)
            try PutChecks.times([.asOf(told.asOf)], in: shop, now: now)
            if call.headers[.ifMatch] != nil {
                let rows = try await transaction.query(
                    StockStore.lock(told.key, tenant: principal.tenant, store: store)
                )
                let version = try rows[0].first?.decode(Int64.self)
                try PutChecks.match(call, version: version ?? 0, isThere: version != nil, "stock level")
            }
            let verdicts = try await apply([told], principal.tenant, store, now: now, in: transaction)
            guard let (outcome, level) = verdicts.first else { throw UnreadableRow(table: "stock_levels") }
            let place = "/v1/stores/\(store)/stock?sku=\(level.sku.percentEncoded)"
            return .put(outcome, at: place, version: level.version) { object in
                object.object("stock") { write(level, to: &$0) }
            }
        }
    }

    /// What became of each, in their order; no two of them are of the same variant and place.
    private func apply(
        _ told: [PutStock],
        _ tenant: TenantID,
        _ store: StoreID,
        now: Instant,
        in transaction: Transaction
    ) async throws -> [(PutOrder.Outcome, StockLevel)] {
        guard !told.isEmpty else { return [] }
        let rows = try await transaction.query(
            StockStore.put(told, tenant: tenant, store: store, now: now),
            StockStore.levels(told.map(\.key), tenant: tenant, store: store)
        )
        let taken = Set(try rows[0].map(StockStore.decodeKey))
        var known: [PutStock.Key: (level: StockLevel, stamp: Stamp)] = [:]
        for found in try rows[1].map(StockStore.decode) {
            known[PutStock.Key(sku: found.level.sku, location: found.level.location)] = found
        }
        return try told.map { one in
            guard let found = known[one.key] else { throw UnreadableRow(table: "stock_levels") }
            return (one.outcome(found.level, isTaken: taken.contains(one.key), stamp: found.stamp), found.level)
        }
    }

    // MARK: Many

    private typealias Verdict = Result<(PutOrder.Outcome, StockLevel), PutOrderEntry.Rejection>

    /// Each by itself, in one statement.
    @Sendable private func putMany(_ call: Call) async throws -> Reply {
        let store = try call.id("store_id", StoreKind.self)
        let told = try call.decode { (body) throws(FieldErrors) in
            try body.finish(body.required("levels", .array(count: 1...Self.maximum, of: .anything)))
        }
        return try await environment.access.write(call) { transaction, principal in
            let now = environment.clock.now()
            let shop = try await PutChecks.store(store, of: principal.tenant, in: transaction)
            let read = Self.read(told, noLaterThan: shop.now(now) + PutOrder.reach)
            var applied = try await apply(
                read.compactMap { try? $0.get() },
                principal.tenant,
                store,
                now: now,
                in: transaction
            )[...]
            let verdicts: [Verdict] = try read.map { entry in
                switch entry {
                case .failure(let rejection): return .failure(rejection)
                case .success:
                    guard let one = applied.popFirst() else { throw UnreadableRow(table: "stock_levels") }
                    return .success(one)
                }
            }
            return reply(told, verdicts)
        }
    }

    /// Of two about one variant and place the first counts, for nobody could say which of them came last.
    private static func read(
        _ told: [JSON],
        noLaterThan end: Instant
    ) -> [Result<PutStock, PutOrderEntry.Rejection>] {
        var seen: Set<PutStock.Key> = []
        return told.map { json in
            do throws(PutOrderEntry.Rejection) {
                let one = try PutStockEntry(json, noLaterThan: end).told
                guard seen.insert(one.key).inserted else { throw twice(one.key.sku) }
                return .success(one)
            } catch {
                return .failure(error)
            }
        }
    }

    private static func twice(_ sku: String) -> PutOrderEntry.Rejection {
        let fault = FieldError(
            pointer: "#/sku",
            code: .invalidFormat,
            detail: "is there twice for one location: the first one was taken"
        )
        return .init(externalID: sku, code: .validationFailed, detail: "1 field is invalid.", errors: [fault])
    }

    // MARK: Writing

    private func reply(_ told: [JSON], _ verdicts: [Verdict]) -> Reply {
        .json(HTTPResponse.Status(code: 207, reasonPhrase: "Multi-Status")) { object in
            object.array("results", verdicts.enumerated()) { writer, verdict in
                writer.object { write(verdict.element, at: verdict.offset, to: &$0) }
            }
        }
    }

    private func write(_ verdict: Verdict, at index: Int, to object: inout JSONObjectWriter) {
        object.member("index", index)
        switch verdict {
        case .success((let outcome, let level)):
            object.member("sku", level.sku)
            object.member("status", outcome == .created ? 201 : 200)
            object.member("outcome", outcome.rawValue)
            object.object("stock") { write(level, to: &$0) }
            object.member("problem", String?.none)
        case .failure(let rejection):
            object.member("sku", rejection.externalID)
            object.member("status", rejection.code.status.code)
            object.member("outcome", "rejected")
            object.member("stock", String?.none)
            object.object("problem") { rejection.writeProblem(to: &$0) }
        }
    }

    private func write(_ level: StockLevel, to object: inout JSONObjectWriter) {
        object.member("sku", level.sku)
        object.member("location", level.location)
        object.member("available", level.available)
        object.member("as_of", level.asOf)
        object.member("version", level.version)
        object.member("created_at", level.createdAt)
        object.member("updated_at", level.updatedAt)
    }
}
