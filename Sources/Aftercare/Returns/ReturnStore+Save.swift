import FoundationEssentials
import Postgres
import Time

/// Applying changes to a return in the database. Its own row is the lock, because its order may not be known yet.
extension ReturnStore {
    /// A return held by the transaction.
    struct Held: Sendable {
        let id: ReturnID
        let tenant: TenantID
        let store: StoreID
        /// Nil for one that this transaction made.
        let state: Return?
        /// Its order's id at the source, once some body has named it.
        let order: String?
        let version: Int64
    }

    /// Makes the return if it is new, locks it and reads all of it, in one round trip.
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
            lines(externalID: externalID, tenant: tenant, store: store),
            order(ofReturn: externalID, tenant: tenant, store: store)
        )
        guard let row = rows[0].first else { throw UnreadableRow(table: "returns") }
        let mirrored = try decode(row)
        var known = mirrored.return
        known.provenance = try OrderMirrorStore.provenance(row, receivedAt: row("source_received_at"))
        for line in try rows[1].map(decodeLine) {
            if let announced = line.announced { known.values.announced.append(announced) }
            known.receipts[line.externalID] = line.receipt
        }
        return Held(
            id: mirrored.id,
            tenant: tenant,
            store: store,
            state: mirrored.version > 0 ? known : nil,
            order: try rows[2].first?.decode(String.self),
            version: mirrored.version
        )
    }

    /// Version 0 is a row that only holds the place.
    private static func stub(_ externalID: String, tenant: TenantID, store: StoreID, now: Instant) -> SQL {
        """
        INSERT INTO returns (tenant_id, id, store_id, external_id, version, created_at, updated_at)
             VALUES (\(tenant.uuid), \(ReturnID.new().uuid), \(store.uuid), \(externalID), 0, \(now), \(now))
        ON CONFLICT (tenant_id, store_id, external_id) DO NOTHING
        """
    }

    private static func lock(_ externalID: String, tenant: TenantID, store: StoreID) -> SQL {
        """
        SELECT \(unsafe: columns), source_hash, source_stamps, source_received_at
          FROM returns
         WHERE tenant_id = \(tenant.uuid) AND store_id = \(store.uuid) AND external_id = \(externalID)
           FOR UPDATE
        """
    }

    private static func lines(externalID: String, tenant: TenantID, store: StoreID) -> SQL {
        """
        SELECT \(unsafe: lineColumns)
          FROM return_lines
         WHERE tenant_id = \(tenant.uuid)
           AND return_id = (SELECT id FROM returns
                             WHERE tenant_id = \(tenant.uuid) AND store_id = \(store.uuid)
                               AND external_id = \(externalID))
         ORDER BY position, external_id
        """
    }

    private static func order(ofReturn externalID: String, tenant: TenantID, store: StoreID) -> SQL {
        """
        SELECT external_id
          FROM orders
         WHERE tenant_id = \(tenant.uuid)
           AND id = (SELECT order_id FROM returns
                      WHERE tenant_id = \(tenant.uuid) AND store_id = \(store.uuid) AND external_id = \(externalID))
        """
    }

    // MARK: Writing back

    /// What differs from what was held; nothing where nothing does. After the order's row, which it refers to.
    static func save(_ state: Return, of order: OrderID?, over held: Held, now: Instant) -> [SQL] {
        let lines = state.lines
        guard state != held.state || (order != nil && held.order == nil) else { return [] }
        return [update(state, of: order, held, now), deleteLines(of: held, but: lines)]
            + (lines.isEmpty ? [] : [upsert(lines, of: held)])
    }

    private static func update(_ state: Return, of order: OrderID?, _ held: Held, _ now: Instant) -> SQL {
        let values = state.values
        return """
            UPDATE returns
               SET order_id = coalesce(order_id, \(order?.uuid)), name = \(values.name), state = \(state.state.rawValue),
                   reported_state = \(values.reported?.rawValue), state_raw = \(values.reportedRaw),
                   outcome = \(values.outcome?.rawValue), decline_reason = \(values.declineReason),
                   carrier = \(values.carrier), tracking_number = \(values.trackingNumber),
                   tracking_url = \(values.trackingURL), label_url = \(values.labelURL),
                   announced_quantity = \(state.announcedQuantity), received_quantity = \(state.receivedQuantity),
                   requested_at = \(state.moments[.requested]), approved_at = \(state.moments[.approved]),
                   declined_at = \(state.moments[.declined]), cancelled_at = \(state.moments[.cancelled]),
                   received_at = \(state.moments[.received]), closed_at = \(state.moments[.closed]),
                   source_updated_at = \(state.provenance.newest?.at),
                   source_hash = \(state.provenance.newest.map { Bytea($0.hash) }),
                   source_received_at = \(state.provenance.newest?.receivedAt),
                   source_stamps = \(OrderMirrorStore.stamps(state.provenance)), version = \(held.version + 1),
                   updated_at = \(now)
             WHERE tenant_id = \(held.tenant.uuid) AND id = \(held.id.uuid)
            """
    }

    private static func deleteLines(of held: Held, but lines: [MirroredReturn.Line]) -> SQL {
        """
        DELETE FROM return_lines
         WHERE tenant_id = \(held.tenant.uuid) AND return_id = \(held.id.uuid)
           AND external_id <> ALL (\(lines.map(\.externalID)))
        """
    }

    private static func upsert(_ lines: [MirroredReturn.Line], of held: Held) -> SQL {
        """
        INSERT INTO return_lines (tenant_id, return_id, external_id, store_id, position, order_line_external_id,
                                  quantity, reason, note, received_quantity, receipt_updated_at, receipt_hash)
             SELECT \(held.tenant.uuid), \(held.id.uuid), external_id, \(held.store.uuid), position, order_line,
                    quantity, reason, note, received, receipt_updated_at, receipt_hash
               FROM unnest(\(lines.map(\.externalID)), \(Array(lines.indices)), \(lines.map(\.announced?.orderLine)),
                           \(lines.map(\.announced?.quantity)), \(lines.map(\.announced?.reason)),
                           \(lines.map(\.announced?.note)), \(lines.map(\.receipt?.quantity)),
                           \(lines.map(\.receipt?.stamp.at)), \(lines.map { $0.receipt.map { Bytea($0.stamp.hash) } }))
                    AS line (external_id, position, order_line, quantity, reason, note, received, receipt_updated_at,
                             receipt_hash)
        ON CONFLICT (tenant_id, return_id, external_id)
          DO UPDATE SET position = excluded.position, order_line_external_id = excluded.order_line_external_id,
                        quantity = excluded.quantity, reason = excluded.reason, note = excluded.note,
                        received_quantity = excluded.received_quantity,
                        receipt_updated_at = excluded.receipt_updated_at, receipt_hash = excluded.receipt_hash
        """
    }
}

extension Return {
    /// What is announced, in its order, and then what came back besides.
    fileprivate var lines: [MirroredReturn.Line] {
        let announced = values.announced.map {
            MirroredReturn.Line(externalID: $0.externalID, announced: $0, receipt: receipts[$0.externalID])
        }
        let known = Set(announced.map(\.externalID))
        let others = receipts.filter { !known.contains($0.key) }.sorted { $0.key < $1.key }
        return announced
            + others.map { MirroredReturn.Line(externalID: $0.key, announced: nil, receipt: $0.value) }
    }
}
