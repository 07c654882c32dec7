import FoundationEssentials
import Postgres
import Time

/// Returns in the database: reading.
enum ReturnStore {
    static let columns = """
        id, store_id, external_id, order_id, name, state, reported_state, state_raw, outcome, decline_reason, carrier,
        tracking_number, tracking_url, label_url, announced_quantity, received_quantity, requested_at, approved_at,
        declined_at, cancelled_at, received_at, closed_at, source_updated_at, version, created_at, updated_at
        """

    static let lineColumns = """
        external_id, order_line_external_id, quantity, reason, note, received_quantity, receipt_updated_at,
        receipt_hash
        """

    static func `return`(_ id: ReturnID, tenant: TenantID) -> SQL {
        """
        SELECT \(unsafe: columns)
          FROM returns
         WHERE tenant_id = \(tenant.uuid) AND id = \(id.uuid)
        """
    }

    static func lines(_ id: ReturnID, tenant: TenantID) -> SQL {
        """
        SELECT \(unsafe: lineColumns)
          FROM return_lines
         WHERE tenant_id = \(tenant.uuid) AND return_id = \(id.uuid)
         ORDER BY position, external_id
        """
    }

    struct Filter: Sendable {
        var store: StoreID?
        var order: OrderID?
        var state: ReturnState?
    }

    static func returns(_ page: Page, _ filter: Filter, tenant: TenantID) -> SQL {
        OrderRecordStore.page(
            page,
            of: "returns",
            columns,
            order: filter.order,
            state: ("state", filter.state?.rawValue),
            store: filter.store,
            tenant: tenant
        )
    }

    private static let knownColumns = """
        id, external_id, state, announced_quantity, received_quantity, received_at, source_updated_at, source_hash,
        source_received_at
        """

    /// What an order knows of its returns; for whoever applies something to the order.
    static func known(ofOrder externalID: String, tenant: TenantID, store: StoreID) -> SQL {
        """
        SELECT \(unsafe: knownColumns)
          FROM returns
         WHERE tenant_id = \(tenant.uuid)
           AND order_id = (SELECT id FROM orders
                            WHERE tenant_id = \(tenant.uuid) AND store_id = \(store.uuid)
                              AND external_id = \(externalID))
        """
    }

    /// The same of many orders, by the index that begins with the order.
    static func known(ofOrders ids: [UUID], tenant: TenantID) -> SQL {
        """
        SELECT \(unsafe: knownColumns), order_id
          FROM returns
         WHERE tenant_id = \(tenant.uuid) AND order_id = ANY (\(ids))
        """
    }

    static func decodeKnown(_ row: Row) throws -> (externalID: String, return: OrderReturn) {
        let (state, hash): (String, Bytea?) = try (row("state"), row("source_hash"))
        guard let state = ReturnState(rawValue: state) else { throw UnreadableRow(table: "returns") }
        let newest = try hash.map {
            try Stamp(at: row("source_updated_at"), hash: $0.bytes, receivedAt: row("source_received_at"))
        }
        let known = try OrderReturn(
            state: state,
            announcedQuantity: row("announced_quantity"),
            receivedQuantity: row("received_quantity"),
            cameBackAt: row("received_at"),
            newest: newest
        )
        return (try row("external_id"), known)
    }

    // MARK: Rows

    /// A return as the API shows it, without its lines.
    static func decode(_ row: Row) throws -> MirroredReturn {
        var known = Return()
        let (state, reported, outcome): (String, String?, String?) =
            try (row("state"), row("reported_state"), row("outcome"))
        guard let state = ReturnState(rawValue: state) else { throw UnreadableRow(table: "returns") }
        known.state = state
        if let reported {
            guard let reported = ReturnState(rawValue: reported) else { throw UnreadableRow(table: "returns") }
            known.values.reported = reported
        }
        if let outcome {
            guard let outcome = ReturnOutcome(rawValue: outcome) else { throw UnreadableRow(table: "returns") }
            known.values.outcome = outcome
        }
        known.values.name = try row("name")
        known.values.reportedRaw = try row("state_raw")
        known.values.declineReason = try row("decline_reason")
        known.values.carrier = try row("carrier")
        known.values.trackingNumber = try row("tracking_number")
        known.values.trackingURL = try row("tracking_url")
        known.values.labelURL = try row("label_url")
        known.moments[.requested] = try row("requested_at", as: Instant?.self)
        known.moments[.approved] = try row("approved_at", as: Instant?.self)
        known.moments[.declined] = try row("declined_at", as: Instant?.self)
        known.moments[.cancelled] = try row("cancelled_at", as: Instant?.self)
        known.moments[.received] = try row("received_at", as: Instant?.self)
        known.moments[.closed] = try row("closed_at", as: Instant?.self)
        let order: UUID? = try row("order_id")
        return try MirroredReturn(
            id: ID(row("id")),
            store: ID(row("store_id")),
            externalID: row("external_id"),
            order: order.map { ID($0) },
            return: known,
            announcedQuantity: row("announced_quantity"),
            receivedQuantity: row("received_quantity"),
            asOf: row("source_updated_at"),
            version: row("version"),
            createdAt: row("created_at"),
            updatedAt: row("updated_at")
        )
    }

    static func decodeLine(_ row: Row) throws -> MirroredReturn.Line {
        let (id, orderLine, quantity, reason, note, received, updatedAt, hash) = try row.decode(
            (String, String?, Int?, String?, String?, Int?, Instant?, Bytea?).self
        )
        var receipt: Receipt?
        if let received, let hash {
            receipt = Receipt(quantity: received, stamp: Stamp(at: updatedAt, hash: hash.bytes))
        }
        return MirroredReturn.Line(
            externalID: id,
            announced: quantity.map {
                AnnouncedLine(externalID: id, orderLine: orderLine, quantity: $0, reason: reason, note: note)
            },
            receipt: receipt
        )
    }
}

/// A return as the API shows it.
struct MirroredReturn: Sendable {
    struct Line: Hashable, Sendable {
        let externalID: String
        /// Nil for what came back without having been announced.
        let announced: AnnouncedLine?
        let receipt: Receipt?
    }

    let id: ReturnID
    let store: StoreID
    let externalID: String
    /// Nil until somebody has said which order it is of.
    let order: OrderID?
    var `return`: Return
    let announcedQuantity: Int64
    let receivedQuantity: Int64
    /// The source's own time of the newest thing it told.
    let asOf: Instant?
    let version: Int64
    let createdAt: Instant
    let updatedAt: Instant
}
