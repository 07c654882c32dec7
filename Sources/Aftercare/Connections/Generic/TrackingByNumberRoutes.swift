import FoundationEssentials
import HTTPTypes
import JSON
import Postgres
import Time

/// `POST /v1/stores/{store_id}/tracking-events`: what carriers reported, by the numbers of parcels, passed on by a shop that
/// asks them itself. Kept like a tracking provider's word, whether or not a shipment has that number yet, and applied by the
/// same rules (`TrackingMatch`).
struct TrackingByNumberRoutes {
    let environment: Environment

    static let maximum = 100

    var routes: [Route] {
        [
            Route(
                .post,
                "/v1/stores/{store_id}/tracking-events",
                .holder(of: .ordersWrite),
                body: .json,
                add
            )
        ]
    }

    private typealias Told = Result<PutTrackingByNumber, PutOrderEntry.Rejection>

    /// Two transactions, as of a webhook: the first keeps the reports, the second looks for shipments. Of a shop and its
    /// carriers who come at the same moment, whichever looks last sees both.
    @Sendable private func add(_ call: Call) async throws -> Reply {
        let store = try call.id("store_id", StoreKind.self)
        let told = try call.decode { (body) throws(FieldErrors) in
            try body.finish(body.required("events", .array(count: 1...Self.maximum, of: .anything)))
        }
        let read = told.map(PutTrackingByNumber.read)
        let reply = try await environment.access.write(call) { transaction, principal in
            let shop = try await PutChecks.store(store, of: principal.tenant, in: transaction)
            let end = shop.now(environment.clock.now()) + PutOrder.reach
            let read = read.map { $0.flatMap { $0.noLater(than: end) } }
            var isNews: [Int: Bool] = [:]
            // In one order everywhere, so that of two who tell of some of the same parcels one waits for the other.
            for one in Self.sorted(read) {
                isNews[one.place] = try await keep(one.told, of: principal.tenant, store, in: transaction)
            }
            return Self.reply(told, read, isNews)
        }
        try await match(Set(Self.sorted(read).map(\.told.number)).sorted(), call, store)
        return reply
    }

    /// Whether it says anything new.
    private func keep(
        _ told: PutTrackingByNumber,
        of tenant: TenantID,
        _ store: StoreID,
        in transaction: Transaction
    ) async throws -> Bool {
        let now = environment.clock.now()
        return try await TrackerStore.note(
            told.update,
            tenant: tenant,
            store: store,
            receivedAt: now,
            now: now,
            in: transaction
        )
    }

    /// Also where the answer is a repeated one: the first try may have got no further than that.
    private func match(_ numbers: [TrackingNumber], _ call: Call, _ store: StoreID) async throws {
        guard !numbers.isEmpty, let credential = call.credential else { return }
        let rows = try await environment.pool.transaction(
            credential.settings,
            TrackerStore.enqueueMatch(numbers, tenant: credential.tenant, store: store, now: environment.clock.now())
        )
        if rows[0].affected > 0 { environment.wakeWorker() }
    }

    private static func sorted(_ read: [Told]) -> [(place: Int, told: PutTrackingByNumber)] {
        var sorted: [(place: Int, told: PutTrackingByNumber)] = []
        for (place, one) in read.enumerated() {
            if case .success(let told) = one { sorted.append((place, told)) }
        }
        return sorted.sorted { one, other in
            let (a, b) = (one.told.update.key, other.told.update.key)
            return (a.number.key, a.carrier, one.place) < (b.number.key, b.carrier, other.place)
        }
    }

    // MARK: Writing

    private static func reply(_ told: [JSON], _ read: [Told], _ isNews: [Int: Bool]) -> Reply {
        .json(HTTPResponse.Status(code: 207, reasonPhrase: "Multi-Status")) { object in
            object.array("results", read.enumerated()) { writer, one in
                writer.object { write(one.element, isNews[one.offset] ?? false, at: one.offset, to: &$0) }
            }
        }
    }

    private static func write(_ one: Told, _ isNews: Bool, at index: Int, to object: inout JSONObjectWriter) {
        object.member("index", index)
        switch one {
        case .success(let told):
            object.member("external_id", told.event.externalID)
            object.member("status", 200)
            object.member("outcome", isNews ? "kept" : "unchanged")
            object.member("problem", String?.none)
        case .failure(let rejection):
            object.member("external_id", rejection.externalID)
            object.member("status", rejection.code.status.code)
            object.member("outcome", "rejected")
            object.object("problem") { rejection.writeProblem(to: &$0) }
        }
    }
}
