import FoundationEssentials
import Postgres
import Time

/// Writing back what applying changes made of the refunds of one order, or of many: a statement for each table.
extension RefundStore {
    /// What differs from what was held. The refunds first: their transactions name them.
    static func save(
        _ changes: [(held: OrderMirrorStore.Held, state: OrderState)],
        tenant: TenantID,
        store: StoreID,
        now: Instant
    ) -> [SQL] {
        let refunds = changes.flatMap { change in
            change.state.refunds.filter { change.held.state?.refunds[$0.key] != $0.value }
                .sorted { $0.key < $1.key }
                .map { id, refund in
                    ChangedRefund(
                        order: change.held.id,
                        id: change.held.refundIDs[id] ?? .new(),
                        externalID: id,
                        refund: refund
                    )
                }
        }
        let payments = changes.flatMap { change in
            change.state.refundTransactions.filter { change.held.state?.refundTransactions[$0.key] != $0.value }
                .sorted { $0.key < $1.key }
                .map { (order: change.held.id.uuid, payment: $0.value) }
        }
        return (refunds.isEmpty ? [] : [upsert(refunds, tenant, store, now)])
            + (payments.isEmpty ? [] : [upsert(payments, tenant, store, now)])
    }

    private struct ChangedRefund {
        let order: OrderID
        let id: RefundID
        let externalID: String
        let refund: Refund
    }

    private static func upsert(
        _ refunds: [ChangedRefund],
        _ tenant: TenantID,
        _ store: StoreID,
        _ now: Instant
    ) -> SQL {
        func column<Value>(_ value: (Refund) -> Value) -> [Value] { refunds.map { value($0.refund) } }
        return """
            INSERT INTO refunds (tenant_id, id, store_id, order_id, external_id, state, currency, amount, moved_amount,
                                 has_terms, stated_currency, stated_amount, reason, recorded_at, moved_at,
                                 source_updated_at, source_hash, source_received_at, created_at, updated_at)
                 SELECT \(tenant.uuid), id, \(store.uuid), order_id, external_id, state, currency, amount,
                        moved_amount, has_terms, stated_currency, stated_amount, reason, recorded_at, moved_at,
                        source_updated_at, source_hash, source_received_at, \(now), \(now)
                   FROM unnest(\(refunds.map(\.id.uuid)), \(refunds.map(\.order.uuid)), \(refunds.map(\.externalID)),
                               \(column(\.state.rawValue)), \(column(\.amount?.currency)),
                               \(column(\.amount?.amount)), \(column(\.moved?.amount)),
                               \(column { $0.terms != nil }), \(column(\.terms?.amount?.currency)),
                               \(column(\.terms?.amount?.amount)), \(column(\.terms?.reason)),
                               \(column(\.recordedAt)), \(column(\.movedAt)), \(column(\.newest.at)),
                               \(column { Bytea($0.newest.hash) }), \(column(\.newest.receivedAt)))
                        AS refund (id, order_id, external_id, state, currency, amount, moved_amount, has_terms,
                                   stated_currency, stated_amount, reason, recorded_at, moved_at, source_updated_at,
                                   source_hash, source_received_at)
            ON CONFLICT (tenant_id, order_id, external_id)
              DO UPDATE SET state = excluded.state, currency = excluded.currency, amount = excluded.amount,
                            moved_amount = excluded.moved_amount, has_terms = excluded.has_terms,
                            stated_currency = excluded.stated_currency, stated_amount = excluded.stated_amount,
                            reason = excluded.reason, recorded_at = excluded.recorded_at,
                            moved_at = excluded.moved_at, source_updated_at = excluded.source_updated_at,
                            source_hash = excluded.source_hash, source_received_at = excluded.source_received_at,
                            updated_at = excluded.updated_at
            """
    }

    private static func upsert(
        _ payments: [(order: UUID, payment: RefundTransaction)],
        _ tenant: TenantID,
        _ store: StoreID,
        _ now: Instant
    ) -> SQL {
        func column<Value>(_ value: (RefundTransaction) -> Value) -> [Value] { payments.map { value($0.payment) } }
        return """
            INSERT INTO refund_transactions (tenant_id, order_id, external_id, store_id, refund_external_id,
                                             is_original, status, status_raw, gateway, parent_external_id, currency,
                                             amount, shop_currency, shop_amount, started_at, processed_at, succeeded_at,
                                             failed_at, source_updated_at, source_hash, source_received_at,
                                             created_at, updated_at)
                 SELECT \(tenant.uuid), order_id, external_id, \(store.uuid), refund, is_original, status, status_raw,
                        gateway, parent, currency, amount, shop_currency, shop_amount, started_at, processed_at,
                        succeeded_at, failed_at, source_updated_at, source_hash, source_received_at, \(now), \(now)
                   FROM unnest(\(payments.map(\.order)), \(column(\.word.externalID)), \(column(\.refund)),
                               \(column(\.isOriginal)), \(column(\.status.rawValue)), \(column(\.word.statusRaw)),
                               \(column(\.word.gateway)), \(column(\.word.parent)),
                               \(column(\.word.amount?.currency)), \(column(\.word.amount?.amount)),
                               \(column(\.word.shopAmount?.currency)), \(column(\.word.shopAmount?.amount)),
                               \(column(\.word.startedAt)), \(column(\.word.processedAt)), \(column(\.succeededAt)),
                               \(column(\.failedAt)), \(column(\.word.stamp.at)),
                               \(column { Bytea($0.word.stamp.hash) }), \(column(\.word.stamp.receivedAt)))
                        AS payment (order_id, external_id, refund, is_original, status, status_raw, gateway, parent,
                                    currency, amount, shop_currency, shop_amount, started_at, processed_at,
                                    succeeded_at, failed_at, source_updated_at, source_hash, source_received_at)
            ON CONFLICT (tenant_id, order_id, external_id)
              DO UPDATE SET refund_external_id = excluded.refund_external_id, is_original = excluded.is_original,
                            status = excluded.status, status_raw = excluded.status_raw, gateway = excluded.gateway,
                            parent_external_id = excluded.parent_external_id, currency = excluded.currency,
                            amount = excluded.amount, shop_currency = excluded.shop_currency,
                            shop_amount = excluded.shop_amount, started_at = excluded.started_at,
                            processed_at = excluded.processed_at, succeeded_at = excluded.succeeded_at,
                            failed_at = excluded.failed_at, source_updated_at = excluded.source_updated_at,
                            source_hash = excluded.source_hash, source_received_at = excluded.source_received_at,
                            updated_at = excluded.updated_at
            """
    }
}
