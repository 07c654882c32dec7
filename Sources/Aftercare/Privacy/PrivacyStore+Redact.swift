import FoundationEssentials
import Postgres
import Time

/// Erasing, in the database. What is erased keeps its row, its times and its ids, and names nobody any more.
extension PrivacyStore {
    static let redacted = "redacted"

    /// Everything of these orders that names or reaches a person. Orders first: whoever applies something to one holds it
    /// before anything else. Each statement's count is that of the rows it touched.
    static func redact(orders: [UUID], tenant: TenantID, now: Instant) -> [(counted: String?, statement: SQL)] {
        [
            (nil, hold(orders, tenant)),
            (
                "orders",
                """
                UPDATE orders
                   SET email = NULL, email_normalized = NULL, customer_name = NULL, customer_locale = NULL,
                       customer_external_id = NULL, risk_level = NULL, risks = '{}', redacted_at = \(now),
                       version = version + 1, updated_at = \(now)
                 WHERE tenant_id = \(tenant.uuid) AND id = ANY (\(orders)) AND redacted_at IS NULL
                """
            ),
            (
                "messages",
                """
                DELETE FROM message_requests
                 WHERE tenant_id = \(tenant.uuid)
                   AND message_id = ANY (ARRAY(SELECT id FROM messages
                                                WHERE tenant_id = \(tenant.uuid) AND order_id = ANY (\(orders))))
                """
            ),
            (nil, settleMessages(orders, tenant, now)),
            (nil, redactAttempts(orders, tenant)), (nil, redactCommandAttempts(orders, tenant)),
            (
                "tickets",
                """
                UPDATE tickets
                   SET subject = \(redacted), customer_email = NULL, customer_name = NULL, version = version + 1,
                       updated_at = \(now)
                 WHERE tenant_id = \(tenant.uuid) AND order_id = ANY (\(orders)) AND subject <> \(redacted)
                """
            ),
            (
                nil,
                """
                UPDATE ticket_comments
                   SET body = \(redacted)
                 WHERE tenant_id = \(tenant.uuid)
                   AND ticket_id = ANY (ARRAY(SELECT id FROM tickets
                                               WHERE tenant_id = \(tenant.uuid) AND order_id = ANY (\(orders))))
                """
            ),
            (nil, redactReturns(orders, tenant)), (nil, redactReturnLines(orders, tenant)),
            (nil, redactRefunds(orders, tenant)), (nil, redactCommands(orders, tenant, now)),
            (nil, redactShipments(orders, tenant)),
            (nil, redactTracking(orders, tenant)),
            (nil, deleteTrackers(orders, tenant)),
            (
                "inbound_events",
                """
                UPDATE inbound_events
                   SET body = '', redacted_at = \(now)
                 WHERE tenant_id = \(tenant.uuid) AND order_id = ANY (\(orders)) AND redacted_at IS NULL
                """
            ),
        ]
    }

    /// Who took a parcel in.
    private static func redactShipments(_ orders: [UUID], _ tenant: TenantID) -> SQL {
        """
        UPDATE shipments
           SET signed_by = NULL
         WHERE tenant_id = \(tenant.uuid) AND order_id = ANY (\(orders)) AND signed_by IS NOT NULL
        """
    }

    /// What carriers wrote beside a status, and where: it may name somebody, and where they live.
    private static func redactTracking(_ orders: [UUID], _ tenant: TenantID) -> SQL {
        """
        UPDATE tracking_events
           SET message = NULL, place = NULL
         WHERE tenant_id = \(tenant.uuid)
           AND shipment_id = ANY (ARRAY(SELECT id FROM shipments
                                         WHERE tenant_id = \(tenant.uuid) AND order_id = ANY (\(orders))))
           AND (message IS NOT NULL OR place IS NOT NULL)
        """
    }

    /// The same, as kept by the numbers that the parcels have, and had.
    private static func deleteTrackers(_ orders: [UUID], _ tenant: TenantID) -> SQL {
        """
        DELETE FROM trackers
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
        """
    }

    /// Whoever applies something to them waits. Whoever sends a message, and may open a ticket about its order, does not.
    private static func hold(_ orders: [UUID], _ tenant: TenantID) -> SQL {
        """
        SELECT id
          FROM orders
         WHERE tenant_id = \(tenant.uuid) AND id = ANY (\(orders))
         ORDER BY id
           FOR NO KEY UPDATE
        """
    }

    /// What waits to be sent never leaves; what a mail server said may name the address.
    private static func settleMessages(_ orders: [UUID], _ tenant: TenantID, _ now: Instant) -> SQL {
        """
        UPDATE messages
           SET state = CASE state WHEN 'queued' THEN 'expired' ELSE state END, reason = \(redacted), updated_at = \(now)
         WHERE tenant_id = \(tenant.uuid) AND order_id = ANY (\(orders)) AND state <> 'sending'
        """
    }

    private static func redactAttempts(_ orders: [UUID], _ tenant: TenantID) -> SQL {
        """
        UPDATE message_attempts
           SET detail = CASE WHEN detail IS NULL THEN NULL ELSE \(redacted) END, note = NULL
         WHERE tenant_id = \(tenant.uuid)
           AND message_id = ANY (ARRAY(SELECT id FROM messages
                                        WHERE tenant_id = \(tenant.uuid) AND order_id = ANY (\(orders))))
        """
    }

    /// A label has a name and an address on it, and whoever declined may have written to somebody.
    private static func redactReturns(_ orders: [UUID], _ tenant: TenantID) -> SQL {
        """
        UPDATE returns
           SET label_url = NULL, tracking_url = NULL, decline_reason = NULL
         WHERE tenant_id = \(tenant.uuid) AND order_id = ANY (\(orders))
           AND num_nonnulls(label_url, tracking_url, decline_reason) > 0
        """
    }

    /// Why, in somebody's own words.
    private static func redactRefunds(_ orders: [UUID], _ tenant: TenantID) -> SQL {
        """
        UPDATE refunds
           SET reason = NULL
         WHERE tenant_id = \(tenant.uuid) AND order_id = ANY (\(orders)) AND reason IS NOT NULL
        """
    }

    private static func redactReturnLines(_ orders: [UUID], _ tenant: TenantID) -> SQL {
        """
        UPDATE return_lines
           SET note = NULL
         WHERE tenant_id = \(tenant.uuid) AND note IS NOT NULL
           AND return_id = ANY (ARRAY(SELECT id FROM returns
                                       WHERE tenant_id = \(tenant.uuid) AND order_id = ANY (\(orders))))
        """
    }

    /// An address, and what people wrote. What waits to be sent never leaves; whether the shop has it from an earlier try,
    /// nobody may know.
    private static func redactCommands(_ orders: [UUID], _ tenant: TenantID, _ now: Instant) -> SQL {
        """
        UPDATE commands
           SET parameters = NULL, detail = NULL, note = NULL, version = version + 1, updated_at = \(now),
               state    = CASE WHEN state = 'requested' AND attempts = 0 THEN 'failed'
                               WHEN state = 'requested' THEN 'unknown' ELSE state END,
               reason   = CASE state WHEN 'requested' THEN \(CommandReason.redacted.rawValue) ELSE reason END,
               ended_at = CASE WHEN state = 'requested' AND attempts = 0 THEN \(now) ELSE ended_at END
         WHERE tenant_id = \(tenant.uuid) AND order_id = ANY (\(orders)) AND parameters IS NOT NULL
        """
    }

    /// What the shop said.
    private static func redactCommandAttempts(_ orders: [UUID], _ tenant: TenantID) -> SQL {
        """
        UPDATE command_attempts
           SET detail = NULL
         WHERE tenant_id = \(tenant.uuid) AND detail IS NOT NULL
           AND command_id = ANY (ARRAY(SELECT id FROM commands
                                        WHERE tenant_id = \(tenant.uuid) AND order_id = ANY (\(orders))))
        """
    }

    static func redact(customers: [UUID], tenant: TenantID, now: Instant) -> [(counted: String?, statement: SQL)] {
        [
            (
                "customers",
                """
                UPDATE customers
                   SET email = NULL, email_normalized = NULL, name = NULL, locale = NULL, marketing_state = NULL,
                       marketing_raw = NULL, marketing_at = NULL, is_vip = false, vip_since = NULL,
                       vip_reason = NULL, redacted_at = \(now), version = version + 1, updated_at = \(now)
                 WHERE tenant_id = \(tenant.uuid) AND id = ANY (\(customers)) AND redacted_at IS NULL
                """
            ),
            (
                "inbound_events",
                """
                UPDATE inbound_events
                   SET body = '', redacted_at = \(now)
                 WHERE tenant_id = \(tenant.uuid) AND customer_id = ANY (\(customers)) AND redacted_at IS NULL
                """
            ),
        ]
    }

    /// Those that are about no order.
    static func redact(tickets: [UUID], tenant: TenantID, now: Instant) -> [(counted: String?, statement: SQL)] {
        [
            (
                "tickets",
                """
                UPDATE tickets
                   SET subject = \(redacted), customer_email = NULL, customer_name = NULL, version = version + 1,
                       updated_at = \(now)
                 WHERE tenant_id = \(tenant.uuid) AND id = ANY (\(tickets))
                """
            ),
            (
                nil,
                """
                UPDATE ticket_comments
                   SET body = \(redacted)
                 WHERE tenant_id = \(tenant.uuid) AND ticket_id = ANY (\(tickets))
                """
            ),
        ]
    }

    static func redact(events: [UUID], tenant: TenantID, now: Instant) -> SQL {
        """
        UPDATE inbound_events
           SET body = '', redacted_at = \(now)
         WHERE tenant_id = \(tenant.uuid) AND id = ANY (\(events)) AND redacted_at IS NULL
        """
    }
}
