import FoundationEssentials
import Postgres

/// Whose data a privacy request is about, and all of it.
extension PrivacyStore {
    /// Where, and who.
    struct Scope: Sendable {
        let tenant: TenantID
        let store: StoreID
        /// Nil for everybody of the store.
        let person: Person?
    }

    struct Person: Sendable {
        /// Ids of orders at the source.
        let orders: [String]
        /// Their rows in `customers`.
        let ids: [UUID]
    }

    /// The person's rows: the account, whoever was merged into it, and the guest with that address. Also the account with
    /// that address, or with that id and no other address, that orders told over the API have made beside it: nobody else
    /// knows the two for one.
    static func people(_ subject: PrivacySubject, tenant: TenantID, store: StoreID, source: String) -> SQL {
        """
        SELECT id
          FROM customers
         WHERE tenant_id = \(tenant.uuid) AND store_id = \(store.uuid) AND source = \(source)
           AND external_id = \(subject.customer)
        UNION
        SELECT id
          FROM customers
         WHERE tenant_id = \(tenant.uuid) AND store_id = \(store.uuid) AND email_normalized = \(subject.email)
           AND (external_id IS NULL OR source = \(CustomerStore.Place.api))
        UNION
        SELECT id
          FROM customers
         WHERE tenant_id = \(tenant.uuid) AND store_id = \(store.uuid) AND source = \(CustomerStore.Place.api)
           AND external_id = \(subject.customer) AND (email_normalized IS NULL OR \(subject.email) IS NULL)
        UNION
        SELECT merged.id
          FROM customers AS account
          JOIN customers AS merged
            ON merged.tenant_id = \(tenant.uuid) AND merged.merged_into = account.id
         WHERE account.tenant_id = \(tenant.uuid) AND account.store_id = \(store.uuid)
           AND account.source = \(source) AND account.external_id = \(subject.customer)
        """
    }

    /// The next orders, by their ids.
    static func orders(_ scope: Scope, after: UUID?, limit: Int) -> SQL {
        guard let person = scope.person else {
            return """
                SELECT id
                  FROM orders
                 WHERE tenant_id = \(scope.tenant.uuid) AND store_id = \(scope.store.uuid)
                   AND (\(after) IS NULL OR id > \(after))
                 ORDER BY id
                 LIMIT \(limit)
                """
        }
        return """
            SELECT id
              FROM orders
             WHERE tenant_id = \(scope.tenant.uuid) AND store_id = \(scope.store.uuid)
               AND (external_id = ANY (\(person.orders)) OR customer_id = ANY (\(person.ids)))
               AND (\(after) IS NULL OR id > \(after))
             ORDER BY id
             LIMIT \(limit)
            """
    }

    /// The next customers, by their ids.
    static func customers(_ scope: Scope, after: UUID?, limit: Int) -> SQL {
        guard let person = scope.person else {
            return """
                SELECT id
                  FROM customers
                 WHERE tenant_id = \(scope.tenant.uuid) AND store_id = \(scope.store.uuid)
                   AND (\(after) IS NULL OR id > \(after))
                 ORDER BY id
                 LIMIT \(limit)
                """
        }
        return """
            SELECT id
              FROM customers
             WHERE tenant_id = \(scope.tenant.uuid) AND id = ANY (\(person.ids))
               AND (\(after) IS NULL OR id > \(after))
             ORDER BY id
             LIMIT \(limit)
            """
    }

    /// The next webhooks of the store, whatever they told of.
    static func events(_ scope: Scope, after: UUID?, limit: Int) -> SQL {
        """
        SELECT id
          FROM inbound_events
         WHERE tenant_id = \(scope.tenant.uuid) AND store_id = \(scope.store.uuid) AND redacted_at IS NULL
           AND (\(after) IS NULL OR id > \(after))
         ORDER BY id
         LIMIT \(limit)
        """
    }

    /// The next tickets of the store that are about no order.
    static func tickets(_ scope: Scope, after: UUID?, limit: Int) -> SQL {
        """
        SELECT id
          FROM tickets
         WHERE tenant_id = \(scope.tenant.uuid) AND store_id = \(scope.store.uuid) AND order_id IS NULL
           AND (\(after) IS NULL OR id > \(after))
         ORDER BY id
         LIMIT \(limit)
        """
    }

    // MARK: The export

    /// All that is kept of a person, table by table, each row as it is. By the ids of their orders and of theirs.
    static func export(orders: [UUID], customers: [UUID], tenant: TenantID) -> [(name: String, statement: SQL)] {
        [
            (
                "customers",
                """
                SELECT to_jsonb(customers) - 'tenant_id' - 'source_hash' - 'source_stamps' AS row
                  FROM customers
                 WHERE tenant_id = \(tenant.uuid) AND id = ANY (\(customers))
                 ORDER BY id
                """
            ),
            (
                "orders",
                """
                SELECT to_jsonb(orders) - 'tenant_id' - 'source_hash' - 'source_stamps' AS row
                  FROM orders
                 WHERE tenant_id = \(tenant.uuid) AND id = ANY (\(orders))
                 ORDER BY id
                """
            ),
            ("order_lines", rows("order_lines", "order_id", orders, tenant)),
            ("shipments", rows("shipments", "order_id", orders, tenant)),
            ("tracking_events", parts("tracking_events", "shipment_id", of: "shipments", orders, tenant)),
            ("trackers", trackers(orders, tenant)),
            ("refunds", rows("refunds", "order_id", orders, tenant)),
            ("refund_transactions", rows("refund_transactions", "order_id", orders, tenant)),
            ("returns", rows("returns", "order_id", orders, tenant)),
            ("disputes", rows("disputes", "order_id", orders, tenant)),
            ("tickets", rows("tickets", "order_id", orders, tenant)),
            ("messages", rows("messages", "order_id", orders, tenant)),
            ("message_attempts", parts("message_attempts", "message_id", of: "messages", orders, tenant)),
            ("commands", rows("commands", "order_id", orders, tenant)),
            ("command_attempts", parts("command_attempts", "command_id", of: "commands", orders, tenant)),
            ("return_lines", parts("return_lines", "return_id", of: "returns", orders, tenant)),
            ("ticket_comments", parts("ticket_comments", "ticket_id", of: "tickets", orders, tenant)),
            ("facts", rows("facts", "order_id", orders, tenant)),
            ("runs", rows("runs", "order_id", orders, tenant)),
            (
                "message_requests",
                """
                SELECT to_jsonb(request) - 'tenant_id' AS row
                  FROM messages
                  JOIN message_requests AS request
                    ON request.tenant_id = \(tenant.uuid) AND request.message_id = messages.id
                 WHERE messages.tenant_id = \(tenant.uuid) AND messages.order_id = ANY (\(orders))
                   AND messages.class <> 'internal'
                 ORDER BY request.message_id
                """
            ),
            (
                "inbound_events",
                """
                SELECT jsonb_build_object('id', id, 'topic', topic, 'received_at', received_at, 'order_id', order_id,
                                          'customer_id', customer_id) AS row
                  FROM inbound_events
                 WHERE tenant_id = \(tenant.uuid)
                   AND (order_id = ANY (\(orders)) OR customer_id = ANY (\(customers)))
                 ORDER BY id
                """
            ),
        ]
    }

    private static func rows(_ table: String, _ key: String, _ ids: [UUID], _ tenant: TenantID) -> SQL {
        """
        SELECT to_jsonb(kept) - 'tenant_id' - 'source_hash' - 'source_stamps' - 'told_statuses' - 'facts_hash' AS row
          FROM \(unsafe: table) AS kept
         WHERE kept.tenant_id = \(tenant.uuid) AND kept.\(unsafe: key) = ANY (\(ids))
         ORDER BY kept.\(unsafe: key)
        """
    }

    /// Rows of what belongs to an order by way of another table.
    private static func parts(
        _ table: String,
        _ key: String,
        of whole: String,
        _ orders: [UUID],
        _ tenant: TenantID
    ) -> SQL {
        """
        SELECT to_jsonb(kept) - 'tenant_id' - 'receipt_hash' AS row
          FROM \(unsafe: whole) AS whole
          JOIN \(unsafe: table) AS kept
            ON kept.tenant_id = \(tenant.uuid) AND kept.\(unsafe: key) = whole.id
         WHERE whole.tenant_id = \(tenant.uuid) AND whole.order_id = ANY (\(orders))
         ORDER BY kept
        """
    }

    /// By the numbers that the orders' parcels have, and had.
    private static func trackers(_ orders: [UUID], _ tenant: TenantID) -> SQL {
        """
        SELECT to_jsonb(trackers) - 'tenant_id' AS row
          FROM trackers
         WHERE tenant_id = \(tenant.uuid)
           AND (store_id, number) IN (SELECT store_id, tracking_key
                                        FROM shipments
                                       WHERE tenant_id = \(tenant.uuid) AND order_id = ANY (\(orders))
                                       UNION
                                      SELECT shipments.store_id, event.tracking_key
                                        FROM shipments
                                        JOIN tracking_events AS event
                                          ON event.tenant_id = \(tenant.uuid) AND event.shipment_id = shipments.id
                                       WHERE shipments.tenant_id = \(tenant.uuid)
                                         AND shipments.order_id = ANY (\(orders)))
         ORDER BY number, carrier
        """
    }
}
