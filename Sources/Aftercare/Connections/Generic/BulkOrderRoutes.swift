import FoundationEssentials
import HTTPTypes
import JSON
import Postgres
import Time

/// `/v1/stores/{store_id}/orders/bulk`: up to a hundred orders, each as in a PUT of its own.
struct BulkOrderRoutes {
    let environment: Environment

    static let maximum = 100

    var routes: [Route] {
        [Route(.post, "/v1/stores/{store_id}/orders/bulk", .holder(of: .ordersWrite), body: .json, bulk)]
    }

    private typealias Verdict = Result<PutOrders.Applied, PutOrderEntry.Rejection>

    @Sendable private func bulk(_ call: Call) async throws -> Reply {
        let store = try call.id("store_id", StoreKind.self)
        let told = try call.decode { (body) throws(FieldErrors) in
            try body.finish(body.required("orders", .array(count: 1...Self.maximum, of: .anything)))
        }
        for _ in 1..<PutOrders.tries {
            do {
                return try await put(told, store, call)
            } catch {
                guard PutOrders.wasOvertaken(error) else { throw error }
            }
        }
        throw Problem(.overloaded, "Others are writing the same orders. Nothing was changed; try again.")
            .retry(afterSeconds: 1)
    }

    private func put(_ told: [JSON], _ store: StoreID, _ call: Call) async throws -> Reply {
        let reply = try await environment.access.write(call) { transaction, principal in
            let now = environment.clock.now()
            let shop = try await PutChecks.store(store, of: principal.tenant, in: transaction)
            let read = Self.read(told, noLaterThan: shop.now(now) + PutOrder.reach)
            var applied = try await PutOrders.apply(
                read.compactMap { try? $0.get() },
                tenant: principal.tenant,
                store: store,
                now: now,
                in: transaction
            )[...]
            let verdicts: [Verdict] = try read.map { entry in
                switch entry {
                case .failure(let rejection): return .failure(rejection)
                case .success:
                    guard let verdict = applied.popFirst() else { throw UnreadableRow(table: "orders") }
                    return verdict
                }
            }
            return Self.reply(told, verdicts)
        }
        environment.wakeWorker()
        return reply
    }

    /// Each by itself; of two about one order the first counts, for nobody could say which of them came last.
    private static func read(
        _ told: [JSON],
        noLaterThan end: Instant
    ) -> [Result<PutOrderEntry, PutOrderEntry.Rejection>] {
        var seen: Set<[UInt8]> = []
        return told.map { json in
            do throws(PutOrderEntry.Rejection) {
                let entry = try PutOrderEntry(json, noLaterThan: end)
                guard seen.insert(Array(entry.externalID.utf8)).inserted else { throw twice(entry.externalID) }
                return .success(entry)
            } catch {
                return .failure(error)
            }
        }
    }

    private static func twice(_ externalID: String) -> PutOrderEntry.Rejection {
        let fault = FieldError(
            pointer: "#/external_id",
            code: .invalidFormat,
            detail: "is there twice: the first one of this order was taken"
        )
        return .init(externalID: externalID, code: .validationFailed, detail: "1 field is invalid.", errors: [fault])
    }

    private static func reply(_ told: [JSON], _ verdicts: [Verdict]) -> Reply {
        .json(HTTPResponse.Status(code: 207, reasonPhrase: "Multi-Status")) { object in
            object.array("results", verdicts.enumerated()) { writer, verdict in
                writer.object { write(verdict.element, of: told[verdict.offset], at: verdict.offset, to: &$0) }
            }
        }
    }

    private static func write(_ verdict: Verdict, of told: JSON, at index: Int, to object: inout JSONObjectWriter) {
        object.member("index", index)
        switch verdict {
        case .success(let applied):
            object.member("external_id", told["external_id"]?.stringValue)
            object.member("status", applied.outcome == .created ? 201 : 200)
            object.member("outcome", applied.outcome.rawValue)
            object.member("order_id", applied.id)
            object.member("version", applied.version)
            object.member("problem", String?.none)
        case .failure(let rejection):
            object.member("external_id", rejection.externalID)
            object.member("status", rejection.code.status.code)
            object.member("outcome", "rejected")
            object.member("order_id", String?.none)
            object.member("version", Int64?.none)
            object.object("problem") { rejection.writeProblem(to: &$0) }
        }
    }
}

extension PutOrderEntry.Rejection {
    func writeProblem(to problem: inout JSONObjectWriter) {
        problem.member("code", code.rawValue)
        problem.member("detail", detail)
        problem.array("errors", errors) { writer, error in writer.value(error) }
    }
}

extension FieldRule<JSON> {
    /// To be looked at later, by itself.
    static var anything: Self { FieldRule { json, _, _ in json } }
}
