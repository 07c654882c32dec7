import FoundationEssentials
import HTTPTypes
import JSON
import Postgres

/// `/v1/orders/{order_id}/timeline`: everything that happened about an order, in one list.
struct TimelineRoutes {
    let environment: Environment

    var routes: [Route] {
        [
            Route(
                .get,
                "/v1/orders/{order_id}/timeline",
                .holder(of: .ordersRead),
                query: Page.parameters,
                list
            )
        ]
    }

    @Sendable private func list(_ call: Call) async throws -> Reply {
        let order = try call.id("order_id", OrderKind.self)
        let page = try Page(call, key: environment.masterKey.cursors)
        let (_, rows) = try await environment.access.read(call) {
            [
                TimelineStore.order(order, tenant: $0.tenant),
                TimelineStore.entries(page, of: order, tenant: $0.tenant),
            ]
        }
        guard !rows[0].isEmpty else { throw Problem.notFound }
        let entries = try rows[1].map(TimelineStore.decode)
        return page.reply(entries, position: { ($0.at, $0.place) }, write)
    }

    private func write(_ entry: TimelineEntry, to object: inout JSONObjectWriter) {
        object.member("type", entry.source.rawValue)
        object.member("id", entry.publicID)
        object.member("at", entry.at)
        object.member("recorded_at", entry.recordedAt)
        object.member("kind", entry.kind)
        object.member("state", entry.state)
        object.member("reason", entry.reason)
        object.member("about", entry.about)
        object.member("summary", entry.summary)
    }
}
