import FoundationEssentials
import Postgres
import Time

/// Refreshes in the database.
enum RefreshStore {
    private static let columns = """
        order_id, store_id, connection_id, state, failure, failure_detail, attempts, event_id, requested_at, finished_at
        """

    static func refresh(_ order: OrderID, tenant: TenantID) -> SQL {
        """
        SELECT \(unsafe: columns)
          FROM order_refreshes
         WHERE tenant_id = \(tenant.uuid) AND order_id = \(order.uuid)
        """
    }

    /// With what it takes to carry it out: the order's id in the shop, and what became of the event that has the answer.
    static func work(_ order: UUID, tenant: UUID) -> SQL {
        """
        SELECT \(unsafe: columns),
               (SELECT external_id FROM orders
                 WHERE tenant_id = \(tenant) AND id = order_refreshes.order_id) AS external_id,
               (SELECT state FROM inbound_events
                 WHERE tenant_id = \(tenant) AND id = order_refreshes.event_id) AS event_state
          FROM order_refreshes
         WHERE tenant_id = \(tenant) AND order_id = \(order)
        """
    }

    /// Asked for once more it begins anew, whatever came of the last.
    static func begin(_ refresh: Refresh, tenant: TenantID) -> SQL {
        """
        INSERT INTO order_refreshes (tenant_id, order_id, store_id, connection_id, state, requested_at)
             VALUES (\(tenant.uuid), \(refresh.order.uuid), \(refresh.store.uuid), \(refresh.connection.uuid),
                     \(refresh.state.rawValue), \(refresh.requestedAt))
        ON CONFLICT (tenant_id, order_id)
          DO UPDATE SET connection_id = excluded.connection_id, state = excluded.state, failure = NULL,
                        failure_detail = NULL, attempts = 0, event_id = NULL, requested_at = excluded.requested_at,
                        finished_at = NULL
        """
    }

    /// Unless it was asked for once more meanwhile: that one is still to be carried out.
    static func save(_ refresh: Refresh, tenant: TenantID) -> SQL {
        """
        UPDATE order_refreshes
           SET state = \(refresh.state.rawValue), failure = \(refresh.failure?.rawValue),
               failure_detail = \(refresh.failureDetail), attempts = \(refresh.attempts),
               event_id = \(refresh.event?.uuid), finished_at = \(refresh.finishedAt)
         WHERE tenant_id = \(tenant.uuid) AND order_id = \(refresh.order.uuid)
           AND requested_at = \(refresh.requestedAt)
        """
    }

    static func decode(_ row: Row) throws -> Refresh {
        let (state, failure): (String, String?) = try (row("state"), row("failure"))
        let (connection, event): (UUID, UUID?) = try (row("connection_id"), row("event_id"))
        guard let state = Refresh.State(rawValue: state) else { throw UnreadableRow(table: "order_refreshes") }
        let known = try failure.map { (word) throws(UnreadableRow) in
            guard let failure = Refresh.Failure(rawValue: word) else { throw UnreadableRow(table: "order_refreshes") }
            return failure
        }
        return try Refresh(
            order: ID(row("order_id")),
            store: ID(row("store_id")),
            connection: ID(connection),
            state: state,
            failure: known,
            failureDetail: row("failure_detail"),
            attempts: row("attempts"),
            event: event.map { ID($0) },
            requestedAt: row("requested_at"),
            finishedAt: row("finished_at")
        )
    }
}
