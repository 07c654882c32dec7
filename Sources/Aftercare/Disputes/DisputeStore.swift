import FoundationEssentials
import Postgres
import Time

/// Disputes in the database.
enum DisputeStore {
    private static let columns = """
        id, store_id, external_id, order_id, type, type_raw, status, status_raw, currency, amount, reason,
        network_reason_code, initiated_at, evidence_due_by, evidence_sent_at, finalized_at, opened_at, closed_at,
        source_updated_at, source_hash, source_received_at, version, created_at, updated_at
        """

    static func dispute(_ id: DisputeID, tenant: TenantID) -> SQL {
        "SELECT \(unsafe: columns) FROM disputes WHERE tenant_id = \(tenant.uuid) AND id = \(id.uuid)"
    }

    struct Filter: Sendable {
        var store: StoreID?
        var order: OrderID?
        var status: DisputeStatus?
    }

    static func disputes(_ page: Page, _ filter: Filter, tenant: TenantID) -> SQL {
        OrderRecordStore.page(
            page,
            of: "disputes",
            columns,
            order: filter.order,
            state: ("status", filter.status?.rawValue),
            store: filter.store,
            tenant: tenant
        )
    }

    /// Those of one order, by `disputes_by_order`; for whoever applies something to the order.
    static func disputes(ofOrder externalID: String, tenant: TenantID, store: StoreID) -> SQL {
        """
        SELECT \(unsafe: columns)
          FROM disputes
         WHERE tenant_id = \(tenant.uuid)
           AND order_id = (SELECT id FROM orders
                            WHERE tenant_id = \(tenant.uuid) AND store_id = \(store.uuid)
                              AND external_id = \(externalID))
        """
    }

    /// The same of many orders.
    static func disputes(ofOrders ids: [UUID], tenant: TenantID) -> SQL {
        """
        SELECT \(unsafe: columns)
          FROM disputes
         WHERE tenant_id = \(tenant.uuid) AND order_id = ANY (\(ids))
        """
    }

    // MARK: Applying changes

    /// A dispute held by the transaction.
    struct Held: Sendable {
        let id: DisputeID
        let tenant: TenantID
        let store: StoreID
        /// Nil for one that this transaction made.
        let dispute: Dispute?
        /// Its order's id at the source, once some body has named it.
        let order: String?
        let version: Int64
    }

    /// Makes the dispute if it is new, locks it and reads it, in one round trip.
    static func hold(
        _ externalID: String,
        tenant: TenantID,
        store: StoreID,
        now: Instant,
        in transaction: Transaction
    ) async throws -> Held {
        // Each statement sees what was committed when it began: those after the lock see what its last holder wrote.
        transaction.add(stub(externalID, tenant: tenant, store: store, now: now))
        let rows = try await transaction.query(
            lock(externalID, tenant: tenant, store: store),
            order(ofDispute: externalID, tenant: tenant, store: store)
        )
        guard let row = rows[0].first else { throw UnreadableRow(table: "disputes") }
        let (id, version): (UUID, Int64) = try (row("id"), row("version"))
        return Held(
            id: ID(id),
            tenant: tenant,
            store: store,
            dispute: version > 0 ? try decode(row).dispute : nil,
            order: try rows[1].first?.decode(String.self),
            version: version
        )
    }

    /// Version 0 is a row that only holds the place.
    private static func stub(_ externalID: String, tenant: TenantID, store: StoreID, now: Instant) -> SQL {
        """
        INSERT INTO disputes (tenant_id, id, store_id, external_id, version, created_at, updated_at)
             VALUES (\(tenant.uuid), \(DisputeID.new().uuid), \(store.uuid), \(externalID), 0, \(now), \(now))
        ON CONFLICT (tenant_id, store_id, external_id) DO NOTHING
        """
    }

    private static func lock(_ externalID: String, tenant: TenantID, store: StoreID) -> SQL {
        """
        SELECT \(unsafe: columns)
          FROM disputes
         WHERE tenant_id = \(tenant.uuid) AND store_id = \(store.uuid) AND external_id = \(externalID)
           FOR UPDATE
        """
    }

    private static func order(ofDispute externalID: String, tenant: TenantID, store: StoreID) -> SQL {
        """
        SELECT external_id
          FROM orders
         WHERE tenant_id = \(tenant.uuid)
           AND id = (SELECT order_id FROM disputes
                      WHERE tenant_id = \(tenant.uuid) AND store_id = \(store.uuid) AND external_id = \(externalID))
        """
    }

    /// What differs from what was held; nothing where nothing does. After the order's row, which it refers to.
    static func save(_ dispute: Dispute, of order: OrderID?, over held: Held, now: Instant) -> SQL? {
        guard dispute != held.dispute || (order != nil && held.order == nil) else { return nil }
        let word = dispute.word
        return """
            UPDATE disputes
               SET order_id = coalesce(order_id, \(order?.uuid)), type = \(word.type.rawValue),
                   type_raw = \(word.typeRaw), status = \(word.status.rawValue), status_raw = \(word.statusRaw),
                   currency = \(word.amount?.currency), amount = \(word.amount?.amount), reason = \(word.reason),
                   network_reason_code = \(word.networkReasonCode), initiated_at = \(word.initiatedAt),
                   evidence_due_by = \(word.evidenceDueBy), evidence_sent_at = \(word.evidenceSentAt),
                   finalized_at = \(word.finalizedAt), opened_at = \(dispute.openedAt),
                   closed_at = \(dispute.closedAt), source_updated_at = \(word.stamp.at),
                   source_hash = \(Bytea(word.stamp.hash)), source_received_at = \(word.stamp.receivedAt),
                   version = \(held.version + 1), updated_at = \(now)
             WHERE tenant_id = \(held.tenant.uuid) AND id = \(held.id.uuid)
            """
    }

    // MARK: Rows

    static func decode(_ row: Row) throws -> MirroredDispute {
        let (type, status, hash): (String, String, Bytea?) = try (row("type"), row("status"), row("source_hash"))
        guard let type = DisputeType(rawValue: type), let status = DisputeStatus(rawValue: status), let hash else {
            throw UnreadableRow(table: "disputes")
        }
        let (amount, currency, order): (Int64?, String?, UUID?) =
            try (row("amount"), row("currency"), row("order_id"))
        var money: Money?
        if let amount, let currency { money = Money(amount: amount, currency: currency) }
        let word = try DisputeStatement(
            stamp: Stamp(at: row("source_updated_at"), hash: hash.bytes, receivedAt: row("source_received_at")),
            type: type,
            typeRaw: row("type_raw"),
            status: status,
            statusRaw: row("status_raw"),
            amount: money,
            reason: row("reason"),
            networkReasonCode: row("network_reason_code"),
            initiatedAt: row("initiated_at"),
            evidenceDueBy: row("evidence_due_by"),
            evidenceSentAt: row("evidence_sent_at"),
            finalizedAt: row("finalized_at")
        )
        return try MirroredDispute(
            id: ID(row("id")),
            store: ID(row("store_id")),
            externalID: row("external_id"),
            order: order.map { ID($0) },
            dispute: Dispute(word: word, openedAt: row("opened_at"), closedAt: row("closed_at")),
            version: row("version"),
            createdAt: row("created_at"),
            updatedAt: row("updated_at")
        )
    }
}

/// A dispute as the API shows it.
struct MirroredDispute: Sendable {
    let id: DisputeID
    let store: StoreID
    let externalID: String
    /// Nil until somebody has said which order it is of.
    let order: OrderID?
    let dispute: Dispute
    let version: Int64
    let createdAt: Instant
    let updatedAt: Instant
}
