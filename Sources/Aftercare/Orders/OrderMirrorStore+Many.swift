import FoundationEssentials
import Postgres
import Time

/// Many orders at once: locking and reading them. A statement for each table, however many orders there are.
extension OrderMirrorStore {
    /// The orders by their ids in the shop, in that order. Those there are, are locked, and known without their parts;
    /// for the others there is an id to make them with. No stub is made as for a single one: where many are new, it
    /// would write each of them twice.
    static func hold(
        _ externalIDs: [String],
        tenant: TenantID,
        store: StoreID,
        in transaction: Transaction
    ) async throws -> [Held] {
        let rows = try await transaction.query(lock(externalIDs, tenant: tenant, store: store))[0]
        var held = externalIDs.map { _ in Held(id: .new(), tenant: tenant, store: store, state: nil) }
        for index in 0..<rows.count {
            let row = rows[index]
            let order = try OrderStore.decode(row)
            var state = order.state
            try readMarks(row, into: &state)
            let place: Int = try row("place")
            held[place - 1] = Held(
                id: order.id,
                tenant: tenant,
                store: store,
                // Version 0 only holds the place.
                state: order.version > 0 ? state : nil,
                version: order.version,
                customer: order.customer
            )
        }
        return held
    }

    /// In the order of their ids, so that of two who want some of the same orders one waits for the other. By
    /// `orders_external_id_is_unique`.
    private static func lock(_ externalIDs: [String], tenant: TenantID, store: StoreID) -> SQL {
        """
        SELECT \(unsafe: OrderStore.columns), \(unsafe: marks), place
          FROM unnest(\(externalIDs)) WITH ORDINALITY AS sought (name, place)
          JOIN orders
            ON tenant_id = \(tenant.uuid) AND store_id = \(store.uuid) AND external_id = sought.name
         ORDER BY id
           FOR UPDATE OF orders
        """
    }

    /// Reads all that belongs to these of the orders.
    static func readParts(
        of indices: [Int],
        in held: inout [Held],
        tenant: TenantID,
        _ transaction: Transaction
    ) async throws {
        guard !indices.isEmpty else { return }
        let ids = indices.map { held[$0].id.uuid }
        let rows = try await transaction.query(parts(ofOrders: ids, tenant: tenant))
        let parts = try Parts(ids, rows)
        for (place, index) in indices.enumerated() { held[index] = parts.completed(held[index], place) }
    }

    /// All that belongs to some orders, in the statements that `complete` takes the answers of.
    static func parts(ofOrders ids: [UUID], tenant: TenantID) -> [SQL] {
        [
            lines(ofOrders: ids, tenant: tenant),
            reports(ofOrders: ids, tenant: tenant),
            shipments(ofOrders: ids, tenant: tenant),
            facts(ofOrders: ids, tenant: tenant),
            RefundStore.refunds(ofOrders: ids, tenant: tenant),
            RefundStore.transactions(ofOrders: ids, tenant: tenant),
            ReturnStore.known(ofOrders: ids, tenant: tenant),
            DisputeStore.disputes(ofOrders: ids, tenant: tenant),
        ]
    }

    /// One order with its parts.
    static func complete(_ order: Held, _ rows: [Rows]) throws -> Held {
        try Parts([order.id.uuid], rows).completed(order, 0)
    }

    // MARK: By the primary key and unique keys that begin with the order

    private static func lines(ofOrders ids: [UUID], tenant: TenantID) -> SQL {
        """
        SELECT external_id, title, sku, quantity, unit_price, order_id
          FROM order_lines
         WHERE tenant_id = \(tenant.uuid) AND order_id = ANY (\(ids))
         ORDER BY order_id, position
        """
    }

    private static func shipments(ofOrders ids: [UUID], tenant: TenantID) -> SQL {
        """
        SELECT \(unsafe: OrderStore.shipmentColumns)
          FROM shipments
          LEFT JOIN tracking_events
            ON tracking_events.tenant_id = \(tenant.uuid) AND tracking_events.shipment_id = shipments.id
         WHERE shipments.tenant_id = \(tenant.uuid) AND order_id = ANY (\(ids))
         ORDER BY shipments.id
        """
    }

    private static func reports(ofOrders ids: [UUID], tenant: TenantID) -> SQL {
        """
        SELECT order_id, id, external_id, reported_status, reported_status_raw, told_statuses, source_updated_at,
               source_hash, source_stamps, source_received_at
          FROM shipments
         WHERE tenant_id = \(tenant.uuid) AND order_id = ANY (\(ids))
        """
    }

    private static func facts(ofOrders ids: [UUID], tenant: TenantID) -> SQL {
        """
        SELECT kind, episode, happened_at, order_id
          FROM facts
         WHERE tenant_id = \(tenant.uuid) AND order_id = ANY (\(ids))
        """
    }
}

/// What belongs to some orders, as their rows tell it.
private struct Parts {
    private var places: [UUID: Int] = [:]
    private var states: [OrderState]
    private var shipmentIDs: [[String: ShipmentID]]
    private var refundIDs: [[String: RefundID]]

    /// - Parameter rows: what the statements of `OrderMirrorStore.parts(ofOrders:tenant:)` answered.
    init(_ orders: [UUID], _ rows: [Rows]) throws {
        for (place, id) in orders.enumerated() { places[id] = place }
        states = orders.map { _ in OrderState() }
        shipmentIDs = orders.map { _ in [:] }
        refundIDs = orders.map { _ in [:] }
        try readLines(rows[0])
        try readShipments(rows[2], reports: rows[1])
        try readFacts(rows[3])
        try readRefunds(rows[4], transactions: rows[5])
        try readReturns(rows[6])
        try readDisputes(rows[7])
    }

    private func place(_ row: Row) throws -> Int {
        guard let place = places[try row("order_id")] else { throw UnreadableRow(table: "orders") }
        return place
    }

    private mutating func readLines(_ rows: Rows) throws {
        for index in 0..<rows.count {
            states[try place(rows[index])].values.lines.append(try OrderStore.decodeLine(rows[index]))
        }
    }

    private mutating func readShipments(_ rows: Rows, reports: Rows) throws {
        var owners: [UUID: Int] = [:]
        for index in 0..<reports.count { owners[try reports[index]("id")] = try place(reports[index]) }
        for (id, shipment, externalID) in try OrderStore.decodeShipments(rows) {
            guard let owner = owners[id.uuid] else { throw UnreadableRow(table: "shipments") }
            states[owner].shipments[externalID] = shipment
            shipmentIDs[owner][externalID] = id
        }
        for index in 0..<reports.count {
            let owner = try place(reports[index])
            try OrderMirrorStore.readReport(reports[index], into: &states[owner].shipments)
        }
    }

    private mutating func readFacts(_ rows: Rows) throws {
        for index in 0..<rows.count {
            try OrderMirrorStore.readFact(rows[index], into: &states[try place(rows[index])])
        }
    }

    private mutating func readRefunds(_ rows: Rows, transactions: Rows) throws {
        for index in 0..<rows.count {
            let (owner, refund) = (try place(rows[index]), try RefundStore.decodeRefund(rows[index]))
            states[owner].refunds[refund.externalID] = refund.refund
            refundIDs[owner][refund.externalID] = refund.id
        }
        for index in 0..<transactions.count {
            let transaction = try RefundStore.decodeTransaction(transactions[index])
            states[try place(transactions[index])].refundTransactions[transaction.word.externalID] = transaction
        }
    }

    private mutating func readReturns(_ rows: Rows) throws {
        for index in 0..<rows.count {
            let known = try ReturnStore.decodeKnown(rows[index])
            states[try place(rows[index])].returns[known.externalID] = known.return
        }
    }

    private mutating func readDisputes(_ rows: Rows) throws {
        for index in 0..<rows.count {
            let known = try DisputeStore.decode(rows[index])
            states[try place(rows[index])].disputes[known.externalID] = known.dispute
        }
    }

    /// The order with its parts.
    func completed(_ held: OrderMirrorStore.Held, _ place: Int) -> OrderMirrorStore.Held {
        guard var state = held.state else { return held }
        state.values.lines = states[place].values.lines
        state.shipments = states[place].shipments
        state.facts = states[place].facts
        state.refunds = states[place].refunds
        state.refundTransactions = states[place].refundTransactions
        state.returns = states[place].returns
        state.disputes = states[place].disputes
        return OrderMirrorStore.Held(
            id: held.id,
            tenant: held.tenant,
            store: held.store,
            state: state,
            version: held.version,
            customer: held.customer,
            shipmentIDs: shipmentIDs[place],
            refundIDs: refundIDs[place]
        )
    }
}
