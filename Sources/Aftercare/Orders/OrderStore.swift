import FoundationEssentials
import JSON
import Postgres
import Time

/// The mirror of orders in the database: reading.
enum OrderStore {
    static let columns = """
        id, store_id, external_id, number, email, customer_name, customer_locale, currency, total,
        presentment_currency, presentment_total, financial_status, financial_status_raw, fulfillment_status,
        fulfillment_status_raw, lifecycle_status, lifecycle_status_raw, cancel_reason, return_status,
        return_status_raw, placed_at, is_complete, historical, source_updated_at, version, created_at, updated_at,
        customer_external_id, customer_id, risks
        """

    static let shipmentColumns = """
        shipments.id, shipments.external_id, carrier, tracking_number, tracking_url, shipments.status,
        shipments.status_raw, status_at, is_delayed, shipped_at, delivered_at, estimated_delivery, signed_by,
        tracker_said_at, tracking_events.external_id, tracking_events.status, tracking_events.status_raw, message,
        happened_at, received_at, precision, local_time, place, tracking_events.tracking_key
        """

    // MARK: One order

    private static func order(_ id: OrderID, tenant: TenantID) -> SQL {
        "SELECT \(unsafe: columns) FROM orders WHERE tenant_id = \(tenant.uuid) AND id = \(id.uuid)"
    }

    private static func lines(_ id: OrderID, tenant: TenantID) -> SQL {
        """
        SELECT external_id, title, sku, quantity, unit_price
          FROM order_lines
         WHERE tenant_id = \(tenant.uuid) AND order_id = \(id.uuid)
         ORDER BY position
        """
    }

    /// Every shipment with its events, a row for each event and one for a shipment without.
    private static func shipments(_ id: OrderID, tenant: TenantID) -> SQL {
        """
        SELECT \(unsafe: shipmentColumns)
          FROM shipments
          LEFT JOIN tracking_events
            ON tracking_events.tenant_id = \(tenant.uuid) AND tracking_events.shipment_id = shipments.id
         WHERE shipments.tenant_id = \(tenant.uuid) AND order_id = \(id.uuid)
         ORDER BY shipments.id, happened_at, tracking_events.external_id
        """
    }

    /// The order with all that belongs to it, in the four statements that `decodeWhole` takes the answers of.
    static func whole(_ id: OrderID, tenant: TenantID) -> [SQL] {
        [
            order(id, tenant: tenant), lines(id, tenant: tenant), shipments(id, tenant: tenant),
            RefundStore.refunds(id, tenant: tenant),
        ]
    }

    /// Nil if there is none.
    static func decodeWhole(_ rows: [Rows]) throws -> Order? {
        guard let row = rows[0].first else { return nil }
        var order = try decode(row)
        order.state.values.lines = try rows[1].map(decodeLine)
        order.shipments = try decodeShipments(rows[2])
        order.refunds = try RefundStore.decode(rows[3])
        return order
    }

    static func decodeLine(_ row: Row) throws -> OrderLine {
        let (id, title, sku, quantity, price) = try row.decode((String, String, String?, Int, Int64?).self)
        return OrderLine(externalID: id, title: title, sku: sku, quantity: quantity, unitPrice: price)
    }

    static func decodeShipments(_ rows: Rows) throws -> [(id: ShipmentID, shipment: Shipment, externalID: String)] {
        var shipments: [(id: ShipmentID, shipment: Shipment, externalID: String)] = []
        for index in 0..<rows.count {
            let row = rows[index]
            let (
                id, externalID, carrier, number, url, status, statusRaw, statusAt, isDelayed, shippedAt, deliveredAt,
                estimate, signedBy, saidAt, eventID, kind, eventRaw, message, happenedAt, receivedAt, precision,
                localTime, place, key
            ) = try row.decode(
                (
                    UUID, String, String?, String?, String?, String, String?, Instant?, Bool, Instant?, Instant?,
                    String?, String?, Instant?, String?, String?, String?, String?, Instant?, Instant?, String?,
                    String?, String?, String?
                ).self
            )
            if shipments.last?.id.uuid != id {
                guard let status = ShipmentStatus(rawValue: status) else { throw UnreadableRow(table: "shipments") }
                var shipment = Shipment()
                shipment.values.carrier = carrier
                shipment.values.trackingNumber = number
                shipment.values.trackingURL = url
                (shipment.status, shipment.statusRaw, shipment.statusAt) = (status, statusRaw, statusAt)
                shipment.isDelayed = isDelayed
                (shipment.shippedAt, shipment.deliveredAt) = (shippedAt, deliveredAt)
                shipment.tracker = saidAt.map { saidAt in
                    TrackerWord(
                        saidAt: saidAt,
                        estimatedDelivery: estimate.flatMap { LocalDate($0) },
                        signedBy: signedBy
                    )
                }
                shipments.append((ShipmentID(id), shipment, externalID))
            }
            guard let eventID, let kind, let happenedAt, let receivedAt, let precision else { continue }
            guard let kind = TrackingEvent.Kind(rawValue: kind),
                let precision = TrackingEvent.Precision(rawValue: precision)
            else { throw UnreadableRow(table: "tracking_events") }
            shipments[shipments.count - 1].shipment.events[eventID] = TrackingEvent(
                externalID: eventID,
                kind: kind,
                raw: eventRaw,
                message: message,
                happenedAt: happenedAt,
                receivedAt: receivedAt,
                precision: precision,
                localTime: localTime,
                place: place,
                number: key.flatMap { TrackingNumber($0) }
            )
        }
        return shipments
    }

    // MARK: Lists

    struct Filter: Sendable {
        var store: StoreID?
        /// Normalized.
        var email: String?
        var externalID: String?
        var customer: CustomerID?
    }

    /// Newest first. Each filter has an index of its own that gives the order too, but for the external id, of which
    /// there is one in each store.
    static func orders(_ page: Page, _ filter: Filter, tenant: TenantID) -> SQL {
        if let customer = filter.customer {
            // Of the one they were merged into, if they were, and of everybody who was merged into that one: by
            // `customers_by_merger` and `orders_by_customer`, a handful.
            """
            WITH person AS MATERIALIZED (
                SELECT coalesce(merged_into, id) AS id
                  FROM customers
                 WHERE tenant_id = \(tenant.uuid) AND id = \(customer.uuid)
            ), found AS MATERIALIZED (
                SELECT *
                  FROM orders
                 WHERE tenant_id = \(tenant.uuid)
                   AND customer_id = ANY (ARRAY(SELECT id FROM person
                                                UNION ALL
                                                SELECT customers.id
                                                  FROM customers JOIN person ON merged_into = person.id
                                                 WHERE tenant_id = \(tenant.uuid)))
            )
            SELECT \(unsafe: columns)
              FROM found
             WHERE (\(filter.email) IS NULL OR email_normalized = \(filter.email))
               AND (\(filter.externalID) IS NULL OR external_id = \(filter.externalID))
               AND (\(filter.store?.uuid) IS NULL OR store_id = \(filter.store?.uuid))
               AND (created_at, id) < (\(page.createdAt), \(page.id))
             ORDER BY created_at DESC, id DESC
             LIMIT \(page.rowLimit)
            """
        } else if let externalID = filter.externalID {
            // Materialized, or the planner may walk all orders in the list's order to save itself the sort of a few.
            """
            WITH found AS MATERIALIZED (
                SELECT *
                  FROM orders
                 WHERE tenant_id = \(tenant.uuid) AND external_id = \(externalID)
                   AND store_id = ANY (ARRAY(SELECT id FROM stores
                                              WHERE tenant_id = \(tenant.uuid)
                                                AND (\(filter.store?.uuid) IS NULL OR id = \(filter.store?.uuid))))
            )
            SELECT \(unsafe: columns)
              FROM found
             WHERE (\(filter.email) IS NULL OR email_normalized = \(filter.email))
               AND (created_at, id) < (\(page.createdAt), \(page.id))
             ORDER BY created_at DESC, id DESC
             LIMIT \(page.rowLimit)
            """
        } else if let email = filter.email {
            """
            SELECT \(unsafe: columns)
              FROM orders
             WHERE tenant_id = \(tenant.uuid) AND email_normalized = \(email)
               AND (\(filter.store?.uuid) IS NULL OR store_id = \(filter.store?.uuid))
               AND (created_at, id) < (\(page.createdAt), \(page.id))
             ORDER BY created_at DESC, id DESC
             LIMIT \(page.rowLimit)
            """
        } else if let store = filter.store {
            """
            SELECT \(unsafe: columns)
              FROM orders
             WHERE tenant_id = \(tenant.uuid) AND store_id = \(store.uuid)
               AND (created_at, id) < (\(page.createdAt), \(page.id))
             ORDER BY created_at DESC, id DESC
             LIMIT \(page.rowLimit)
            """
        } else {
            """
            SELECT \(unsafe: columns)
              FROM orders
             WHERE tenant_id = \(tenant.uuid) AND (created_at, id) < (\(page.createdAt), \(page.id))
             ORDER BY created_at DESC, id DESC
             LIMIT \(page.rowLimit)
            """
        }
    }

    // MARK: Rows

    /// Without lines and shipments. By position: this is read more often than anything else.
    static func decode(_ row: Row) throws -> Order {
        let (
            id, store, externalID, number, email, name, locale, currency, total, presentmentCurrency, presentmentTotal,
            financial, financialRaw, fulfillment, fulfillmentRaw, lifecycle, lifecycleRaw, cancelReason, returns,
            returnsRaw, placedAt, isComplete, isHistorical, sourceUpdatedAt, version, createdAt, updatedAt,
            customerExternalID, customer, risks
        ) = try row.decode(
            (
                UUID, UUID, String, String?, String?, String?, String?, String?, Int64?, String?, Int64?,
                String, String?, String, String?, String, String?, String?, String,
                String?, Instant?, Bool, Bool, Instant?, Int64, Instant, Instant, String?, UUID?, JSONB
            ).self
        )
        guard let financial = FinancialStatus(rawValue: financial),
            let fulfillment = FulfillmentStatus(rawValue: fulfillment),
            let lifecycle = LifecycleStatus(rawValue: lifecycle), let returns = ReturnStatus(rawValue: returns)
        else { throw UnreadableRow(table: "orders") }
        var state = OrderState()
        state.values = OrderValues(
            number: number,
            email: email,
            customerName: name,
            customerLocale: locale,
            customer: customerExternalID,
            total: money(total, currency),
            presentmentTotal: money(presentmentTotal, presentmentCurrency),
            financial: financial,
            financialRaw: financialRaw,
            fulfillment: fulfillment,
            fulfillmentRaw: fulfillmentRaw,
            lifecycle: lifecycle,
            lifecycleRaw: lifecycleRaw,
            cancelReason: cancelReason,
            returns: returns,
            returnsRaw: returnsRaw,
            placedAt: placedAt
        )
        (state.isComplete, state.isHistorical) = (isComplete, isHistorical)
        // Of most orders nobody has assessed anything.
        if risks.text.count > 2 { state.risks = [String: RiskAssessment](kept: try JSON(parsing: risks.text)) }
        return Order(
            id: ID(id),
            store: ID(store),
            externalID: externalID,
            customer: customer.map { ID($0) },
            state: state,
            asOf: sourceUpdatedAt,
            version: version,
            createdAt: createdAt,
            updatedAt: updatedAt
        )
    }

    private static func money(_ amount: Int64?, _ currency: String?) -> Money? {
        guard let amount, let currency else { return nil }
        return Money(amount: amount, currency: currency)
    }
}
