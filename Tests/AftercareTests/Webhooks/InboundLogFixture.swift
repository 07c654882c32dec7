import FoundationEssentials
import JSON
import Postgres
import Time

@testable import Aftercare

/// Webhooks as they stand in the log, without having come.
struct LoggedEvents {
    var topic = "orders/create"
    var state = InboundEvent.State.applied
    var reason: String?
    var order: OrderID?
    var body = Array("{}".utf8)
    /// Of the first one; each is a second later than the one before.
    var receivedAt: Instant
    var count = 1

    /// Their ids, the first one first.
    @discardableResult
    func add(to tenant: TestTenant, _ connection: ConnectionID? = nil, store: StoreID? = nil) async throws -> [String] {
        let ids = (0..<count).map { _ in InboundEventID.new() }
        _ = try await tenant.rows(
            """
            INSERT INTO inbound_events (tenant_id, id, store_id, connection_id, topic, body, state, reason, order_id,
                                        received_at, settled_at)
                 SELECT \(tenant.id.uuid), id, \((store ?? tenant.store).uuid),
                        \((connection ?? tenant.demo.connection).uuid), \(topic), \(Bytea(body)), \(state.rawValue),
                        \(reason), \(order?.uuid), \(receivedAt) + n * interval '1 second',
                        CASE \(state.rawValue) WHEN 'received' THEN NULL ELSE \(receivedAt) + n * interval '1 second' END
                   FROM unnest(\(ids.map(\.uuid))) WITH ORDINALITY AS event (id, n)
            """
        )
        return ids.map(\.description)
    }
}

extension TestTenant {
    /// The ids of the log with these filters, the newest first, read in pages of two.
    func log(_ query: String) async throws -> [String] {
        var (ids, cursor): ([String], String?) = ([], nil)
        repeat {
            let page = try await get("/v1/inbound-events?limit=2&\(query)" + (cursor.map { "&cursor=\($0)" } ?? ""))
            guard page.status == 200, let data = page["data"]?.arrayValue else { throw Unexpected(page) }
            ids += data.compactMap { $0["id"]?.stringValue }
            cursor = page["next_cursor"]?.stringValue
        } while cursor != nil
        return ids
    }
}
