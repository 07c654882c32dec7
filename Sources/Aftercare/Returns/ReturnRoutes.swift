import FoundationEssentials
import HTTPTypes
import JSON
import Postgres
import Time

/// `/v1/returns`.
struct ReturnRoutes {
    let environment: Environment

    private static let filters: Set<String> = ["store_id", "order_id", "state"]

    var routes: [Route] {
        [
            Route(.get, "/v1/returns", .holder(of: .ordersRead), query: Page.parameters.union(Self.filters), list),
            Route(.get, "/v1/returns/{return_id}", .holder(of: .ordersRead), get),
        ]
    }

    @Sendable private func list(_ call: Call) async throws -> Reply {
        let page = try Page(call, filters: Self.filters, key: environment.masterKey.cursors)
        let states = ReturnState.allCases.map(\.rawValue).joined(separator: ", ")
        let filter = ReturnStore.Filter(
            store: try call.query.id("store_id"),
            order: try call.query.id("order_id"),
            state: try call.query.value("state", "one of \(states)") { ReturnState(rawValue: $0) }
        )
        let (_, rows) = try await environment.access.read(call) {
            [ReturnStore.returns(page, filter, tenant: $0.tenant)]
        }
        let returns = try rows[0].map(ReturnStore.decode)
        return page.reply(returns, position: { ($0.createdAt, $0.id.uuid) }, write)
    }

    @Sendable private func get(_ call: Call) async throws -> Reply {
        let id = try call.id("return_id", ReturnKind.self)
        let (_, rows) = try await environment.access.find(call) {
            [ReturnStore.return(id, tenant: $0.tenant), ReturnStore.lines(id, tenant: $0.tenant)]
        }
        guard let mirrored = try rows[0].first.map(ReturnStore.decode) else { throw Problem.notFound }
        let lines = try rows[1].map(ReturnStore.decodeLine)
        let reply = Reply.json(version: mirrored.version) { write(mirrored, lines, to: &$0) }
        return call.unlessMatching(version: mirrored.version, reply)
    }

    // MARK: Writing

    func write(_ mirrored: MirroredReturn, _ lines: [MirroredReturn.Line], to object: inout JSONObjectWriter) {
        write(mirrored, to: &object)
        object.array("lines", lines) { writer, line in
            writer.object { object in
                object.member("external_id", line.externalID)
                object.member("order_line_external_id", line.announced?.orderLine)
                object.member("quantity", line.announced?.quantity)
                object.member("received_quantity", line.receipt?.quantity)
                object.member("reason", line.announced?.reason)
                object.member("note", line.announced?.note)
            }
        }
    }

    private func write(_ mirrored: MirroredReturn, to object: inout JSONObjectWriter) {
        let (values, moments) = (mirrored.return.values, mirrored.return.moments)
        object.member("id", mirrored.id)
        object.member("store_id", mirrored.store)
        object.member("external_id", mirrored.externalID)
        object.member("order_id", mirrored.order)
        object.member("name", values.name)
        object.member("state", mirrored.return.state.rawValue)
        object.member("reported_state", values.reported?.rawValue)
        object.member("state_raw", values.reportedRaw)
        object.member("outcome", values.outcome?.rawValue)
        object.member("decline_reason", values.declineReason)
        object.member("carrier", values.carrier)
        object.member("tracking_number", values.trackingNumber)
        object.member("tracking_url", values.trackingURL)
        object.member("label_url", values.labelURL)
        object.member("announced_quantity", mirrored.announcedQuantity)
        object.member("received_quantity", mirrored.receivedQuantity)
        for moment in Return.Moment.allCases { object.member("\(moment.rawValue)_at", moments[moment]) }
        object.member("as_of", mirrored.asOf)
        object.member("version", mirrored.version)
        object.member("created_at", mirrored.createdAt)
        object.member("updated_at", mirrored.updatedAt)
    }
}
