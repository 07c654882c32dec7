import FoundationEssentials
import JSON
import Postgres
import Time

/// Writing back what applying a change made of an order. Set-based: a statement for each table, whatever it holds.
extension OrderMirrorStore {
    /// What differs from what was held; nothing where nothing does.
    static func save(_ state: OrderState, over held: Held, now: Instant) -> [SQL] {
        guard state != held.state else { return [] }
        var statements = held.version(with: state) == held.version ? [] : [update(state, held, now)]
        if state.values.lines != held.state?.values.lines ?? [] {
            statements += [deleteLines(of: held, but: state.values.lines), insert(state.values.lines, of: held)]
        }
        statements += RefundStore.save([(held, state)], tenant: held.tenant, store: held.store, now: now)
        statements += correct(factsOf: [(held, state)], tenant: held.tenant)
        return statements + save(shipmentsOf: [(held, state)], tenant: held.tenant, store: held.store, now: now)
    }

    private static func update(_ state: OrderState, _ held: Held, _ now: Instant) -> SQL {
        let values = state.values
        let normalized = values.email.map { MailAddress.normalized($0) }
        return """
            UPDATE orders
               SET is_complete = \(state.isComplete), number = \(values.number), email = \(values.email),
                   email_normalized = \(normalized), customer_name = \(values.customerName),
                   customer_locale = \(values.customerLocale), customer_external_id = \(values.customer),
                   currency = \(values.total?.currency), total = \(values.total?.amount),
                   presentment_currency = \(values.presentmentTotal?.currency),
                   presentment_total = \(values.presentmentTotal?.amount),
                   financial_status = \(values.financial.rawValue), financial_status_raw = \(values.financialRaw),
                   fulfillment_status = \(values.fulfillment.rawValue),
                   fulfillment_status_raw = \(values.fulfillmentRaw),
                   lifecycle_status = \(values.lifecycle.rawValue), lifecycle_status_raw = \(values.lifecycleRaw),
                   cancel_reason = \(values.cancelReason), return_status = \(values.returns.rawValue),
                   return_status_raw = \(values.returnsRaw), placed_at = \(values.placedAt),
                   listed_refunds = \(state.refundList?.refunds.sorted()),
                   refunds_listed_at = \(state.refundList?.stamp.at),
                   refunds_listed_hash = \(state.refundList.map { Bytea($0.stamp.hash) }),
                   risk_level = \(state.riskLevel?.rawValue), risks = \(JSONB(state.risks.json.serializedBytes)),
                   historical = \(state.isHistorical), source_updated_at = \(state.provenance.newest?.at),
                   source_hash = \(state.provenance.newest.map { Bytea($0.hash) }),
                   source_received_at = \(state.provenance.newest?.receivedAt),
                   source_stamps = \(stamps(state.provenance)), version = \(held.version(with: state)), updated_at = \(now)
             WHERE tenant_id = \(held.tenant.uuid) AND id = \(held.id.uuid)
            """
    }

    private static func deleteLines(of held: Held, but lines: [OrderLine]) -> SQL {
        """
        DELETE FROM order_lines
         WHERE tenant_id = \(held.tenant.uuid) AND order_id = \(held.id.uuid)
           AND external_id <> ALL (\(lines.map(\.externalID)))
        """
    }

    private static func insert(_ lines: [OrderLine], of held: Held) -> SQL {
        """
        INSERT INTO order_lines (tenant_id, order_id, external_id, store_id, position, title, sku, quantity, unit_price)
             SELECT \(held.tenant.uuid), \(held.id.uuid), external_id, \(held.store.uuid), position, title, sku,
                    quantity, unit_price
               FROM unnest(\(lines.map(\.externalID)), \(Array(lines.indices)), \(lines.map(\.title)),
                           \(lines.map(\.sku)), \(lines.map(\.quantity)), \(lines.map(\.unitPrice)))
                    AS line (external_id, position, title, sku, quantity, unit_price)
        ON CONFLICT (tenant_id, order_id, external_id)
          DO UPDATE SET position = excluded.position, title = excluded.title, sku = excluded.sku,
                        quantity = excluded.quantity, unit_price = excluded.unit_price
        """
    }
}
