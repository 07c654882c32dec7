import FoundationEssentials
import JSON
import Postgres
import Support
import Time

@testable import Aftercare

extension TestTenant {
    var realNow: Instant { server.environment.clock.now() }

    /// Kinds and episodes of an order's facts, in their order.
    func factKeys(_ order: Int = 727) async throws -> [String] {
        let rows = try await rows(
            """
            SELECT kind || ' ' || episode
              FROM facts
             WHERE tenant_id = \(id.uuid)
               AND order_id = (SELECT id FROM orders
                                WHERE tenant_id = \(id.uuid) AND external_id = \("\(order)"))
             ORDER BY 1
            """
        )
        return try rows.decode(String.self)
    }

    /// Topics and states of what was pulled, in the order of asking.
    func pulledEvents() async throws -> [String] {
        let rows = try await rows(
            """
            SELECT topic || ' ' || state
              FROM inbound_events
             WHERE tenant_id = \(id.uuid) AND via = 'pull'
             ORDER BY received_at, id
            """
        )
        return try rows.decode(String.self)
    }
}

extension WooShop {
    /// With a connection that was made an hour ago.
    static func connectEarlier(
        _ tenant: TestTenant,
        to shop: WooCommerceShop,
        asks: Bool = true
    ) async throws -> WooShop {
        let connected = try await connect(tenant, to: shop, asks: false)
        _ = try await tenant.server.database.superuser.execute(
            """
            UPDATE connections SET created_at = \(tenant.realNow - .seconds(3600))
             WHERE tenant_id = \(tenant.id.uuid) AND provider = 'woocommerce'
            """
        )
        if asks { try await connected.giveCredentials() }
        return connected
    }
}

extension WooOrder {
    /// Made and modified at that time: others were made two hours before.
    static func young(_ id: Int, at instant: Instant, _ changes: [(String, JSON)] = []) -> JSON {
        body(id, at: instant, [("date_created_gmt", gmt(instant))] + changes)
    }
}
