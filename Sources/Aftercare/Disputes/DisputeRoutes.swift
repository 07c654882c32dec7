import FoundationEssentials
import HTTPTypes
import JSON
import Postgres
import Time

/// `/v1/disputes`, and `/v1/stores/{store_id}/disputes/by-external-id/{external_id}` for shops we have no connector for.
struct DisputeRoutes {
    let environment: Environment

    private static let filters: Set<String> = ["store_id", "order_id", "status"]

    var routes: [Route] {
        [
            Route(.get, "/v1/disputes", .holder(of: .ordersRead), query: Page.parameters.union(Self.filters), list),
            Route(.get, "/v1/disputes/{dispute_id}", .holder(of: .ordersRead), get),
            Route(
                .put,
                "/v1/stores/{store_id}/disputes/by-external-id/{external_id}",
                .holder(of: .ordersWrite),
                body: .json,
                put
            ),
        ]
    }

    @Sendable private func list(_ call: Call) async throws -> Reply {
        let page = try Page(call, filters: Self.filters, key: environment.masterKey.cursors)
        let statuses = DisputeStatus.allCases.map(\.rawValue).joined(separator: ", ")
        let filter = DisputeStore.Filter(
            store: try call.query.id("store_id"),
            order: try call.query.id("order_id"),
            status: try call.query.value("status", "one of \(statuses)") { DisputeStatus(rawValue: $0) }
        )
        let (_, rows) = try await environment.access.read(call) {
            [DisputeStore.disputes(page, filter, tenant: $0.tenant)]
        }
        let disputes = try rows[0].map(DisputeStore.decode)
        return page.reply(disputes, position: { ($0.createdAt, $0.id.uuid) }, write)
    }

    @Sendable private func get(_ call: Call) async throws -> Reply {
        let id = try call.id("dispute_id", DisputeKind.self)
        let (_, rows) = try await environment.access.find(call) { [DisputeStore.dispute(id, tenant: $0.tenant)] }
        guard let mirrored = try rows[0].first.map(DisputeStore.decode) else { throw Problem.notFound }
        let reply = Reply.json(version: mirrored.version) { write(mirrored, to: &$0) }
        return call.unlessMatching(version: mirrored.version, reply)
    }

    // MARK: Putting

    @Sendable private func put(_ call: Call) async throws -> Reply {
        let store = try call.id("store_id", StoreKind.self)
        let externalID = try call.externalID()
        let body = try call.decode(PutDispute.init)
        let reply = try await environment.access.write(call) { transaction, principal in
            let now = environment.clock.now()
            let shop = try await PutChecks.store(store, of: principal.tenant, in: transaction)
            try PutChecks.times([.asOf(body.asOf)], in: shop, now: now)
            let held = try await DisputeStore.hold(
                externalID,
                tenant: principal.tenant,
                store: store,
                now: now,
                in: transaction
            )
            try check(call, body, against: held)
            let apply = ApplyDispute(
                tenant: principal.tenant,
                store: shop,
                receivedAt: now,
                isHistorical: body.isHistorical,
                now: now
            )
            let change = DisputeChange(externalID: externalID, order: body.order, statement: body.statement)
            let applied = try await apply.apply(change, to: held, in: transaction)
            let rows = try await transaction.query(DisputeStore.dispute(held.id, tenant: principal.tenant))
            guard let mirrored = try rows[0].first.map(DisputeStore.decode) else {
                throw UnreadableRow(table: "disputes")
            }
            // They enqueue, and so come last.
            for statement in applied.last { transaction.add(statement) }
            return answer(body.outcome(held.dispute), mirrored)
        }
        environment.wakeWorker()
        return reply
    }

    private func check(_ call: Call, _ body: PutDispute, against held: DisputeStore.Held) throws(Problem) {
        try PutChecks.match(call, version: held.version, isThere: held.dispute != nil, "dispute")
        if let order = held.order, let named = body.order, order != named {
            throw Problem.field("#/order_external_id", .unknownValue, "is not the order that the dispute is of")
        }
    }

    private func answer(_ outcome: PutOrder.Outcome, _ mirrored: MirroredDispute) -> Reply {
        .put(outcome, at: "/v1/disputes/\(mirrored.id)", version: mirrored.version) { object in
            object.object("dispute") { self.write(mirrored, to: &$0) }
        }
    }

    // MARK: Writing

    private func write(_ mirrored: MirroredDispute, to object: inout JSONObjectWriter) {
        let (dispute, word) = (mirrored.dispute, mirrored.dispute.word)
        object.member("id", mirrored.id)
        object.member("store_id", mirrored.store)
        object.member("external_id", mirrored.externalID)
        object.member("order_id", mirrored.order)
        object.member("type", word.type.rawValue)
        object.member("type_raw", word.typeRaw)
        object.member("status", word.status.rawValue)
        object.member("status_raw", word.statusRaw)
        object.member("is_open", dispute.isOpen)
        object.member("amount", word.amount)
        object.member("reason", word.reason)
        object.member("network_reason_code", word.networkReasonCode)
        object.member("initiated_at", word.initiatedAt)
        object.member("evidence_due_by", word.evidenceDueBy)
        object.member("evidence_sent_at", word.evidenceSentAt)
        object.member("finalized_at", word.finalizedAt)
        object.member("opened_at", dispute.openedAt)
        object.member("closed_at", dispute.closedAt)
        object.member("as_of", word.stamp.at)
        object.member("version", mirrored.version)
        object.member("created_at", mirrored.createdAt)
        object.member("updated_at", mirrored.updatedAt)
    }
}
