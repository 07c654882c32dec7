import FoundationEssentials
import JSON
import Postgres
import Time

/// Many orders at once: writing them. A statement for each table, however many orders there are. The values come as
/// arrays: COPY would need a staging table, which is made and dropped again for each transaction, and the rows' way from
/// there is the same.
///
/// What is written is what `save` writes of a single one; a test puts the two side by side.
extension OrderMirrorStore {
    /// What applying made of one of them.
    struct Change: Sendable {
        let held: Held
        let externalID: String
        let state: OrderState
        let facts: [Fact]
        /// What it had, where all that is new is beside the order.
        var version: Int64 { held.version(with: state) }
        /// Nothing is to be started by its facts.
        let isHistorical: Bool
    }

    /// The orders themselves, those that are new or have a new version. Touches as many rows as there are, unless somebody
    /// else has made one of them since they were locked.
    static func upsert(_ changes: [Change], tenant: TenantID, store: StoreID, now: Instant) -> SQL {
        func column<Value>(_ value: (OrderValues) -> Value) -> [Value] { changes.map { value($0.state.values) } }
        let newest = changes.map(\.state.provenance.newest)
        return """
            INSERT INTO orders (tenant_id, id, store_id, external_id, is_complete, number, email, email_normalized,
                                customer_name, customer_locale, customer_external_id, currency, total,
                                presentment_currency, presentment_total, financial_status, financial_status_raw,
                                fulfillment_status, fulfillment_status_raw, lifecycle_status,
                                lifecycle_status_raw, cancel_reason, return_status, return_status_raw,
                                placed_at, risk_level, risks, historical, source_updated_at, source_hash, source_received_at,
                                source_stamps, version, created_at, updated_at)
                 SELECT \(tenant.uuid), id, \(store.uuid), external_id, is_complete, number, email, email_normalized,
                        customer_name, customer_locale, customer, currency, total, presentment_currency,
                        presentment_total, financial, financial_raw, fulfillment, fulfillment_raw, lifecycle, lifecycle_raw,
                        cancel_reason, returns, returns_raw, placed_at, risk_level, risks, historical, source_updated_at,
                        source_hash, source_received_at, source_stamps, version, \(now), \(now)
                   FROM unnest(\(changes.map(\.held.id.uuid)), \(changes.map(\.externalID)),
                               \(changes.map(\.state.isComplete)), \(column(\.number)), \(column(\.email)),
                               \(column { $0.email.map { MailAddress.normalized($0) } }), \(column(\.customerName)),
                               \(column(\.customerLocale)), \(column(\.customer)),
                               \(column(\.total?.currency)), \(column(\.total?.amount)),
                               \(column(\.presentmentTotal?.currency)), \(column(\.presentmentTotal?.amount)),
                               \(column(\.financial.rawValue)), \(column(\.financialRaw)),
                               \(column(\.fulfillment.rawValue)), \(column(\.fulfillmentRaw)),
                               \(column(\.lifecycle.rawValue)), \(column(\.lifecycleRaw)), \(column(\.cancelReason)),
                               \(column(\.returns.rawValue)), \(column(\.returnsRaw)), \(column(\.placedAt)),
                               \(changes.map(\.state.riskLevel?.rawValue)),
                               \(changes.map { JSONB($0.state.risks.json.serializedBytes) }),
                               \(changes.map(\.state.isHistorical)), \(newest.map { $0?.at }),
                               \(newest.map { $0.map { Bytea($0.hash) } }), \(newest.map { $0?.receivedAt }),
                               \(changes.map { stamps($0.state.provenance) }), \(changes.map(\.version)))
                        AS told (id, external_id, is_complete, number, email, email_normalized, customer_name,
                                 customer_locale, customer, currency, total, presentment_currency,
                                 presentment_total, financial, financial_raw, fulfillment, fulfillment_raw,
                                 lifecycle, lifecycle_raw, cancel_reason, returns, returns_raw, placed_at,
                                 risk_level, risks, historical, source_updated_at, source_hash, source_received_at,
                                 source_stamps, version)
            ON CONFLICT (tenant_id, store_id, external_id)
              DO UPDATE SET is_complete = excluded.is_complete, number = excluded.number, email = excluded.email,
                            email_normalized = excluded.email_normalized, customer_name = excluded.customer_name,
                            customer_locale = excluded.customer_locale,
                            customer_external_id = excluded.customer_external_id, currency = excluded.currency,
                            total = excluded.total, presentment_currency = excluded.presentment_currency,
                            presentment_total = excluded.presentment_total,
                            financial_status = excluded.financial_status,
                            financial_status_raw = excluded.financial_status_raw,
                            fulfillment_status = excluded.fulfillment_status,
                            fulfillment_status_raw = excluded.fulfillment_status_raw,
                            lifecycle_status = excluded.lifecycle_status,
                            lifecycle_status_raw = excluded.lifecycle_status_raw,
                            cancel_reason = excluded.cancel_reason, return_status = excluded.return_status,
                            return_status_raw = excluded.return_status_raw, placed_at = excluded.placed_at,
                            risk_level = excluded.risk_level, risks = excluded.risks,
                            historical = excluded.historical, source_updated_at = excluded.source_updated_at,
                            source_hash = excluded.source_hash, source_received_at = excluded.source_received_at,
                            source_stamps = excluded.source_stamps,
                            version = excluded.version, updated_at = excluded.updated_at
                      -- Those that are locked. One that somebody else made meanwhile has another id.
                      WHERE orders.id = excluded.id
            """
    }

    /// What belongs to them, and their facts; only what differs from what was held. The last one may enqueue.
    static func parts(of changes: [Change], tenant: TenantID, store: StoreID, now: Instant) -> [SQL] {
        let relined = changes.filter { $0.state.values.lines != $0.held.state?.values.lines ?? [] }
        let known = relined.filter { $0.held.state != nil }
        return (known.isEmpty ? [] : [deleteLines(of: known, tenant)])
            + (relined.isEmpty ? [] : [insertLines(of: relined, tenant, store)])
            + RefundStore.save(changes.map { ($0.held, $0.state) }, tenant: tenant, store: store, now: now)
            + save(shipmentsOf: changes.map { ($0.held, $0.state) }, tenant: tenant, store: store, now: now)
            + correct(factsOf: changes.map { ($0.held, $0.state) }, tenant: tenant)
            + raise(
                changes.map { ($0.held.id, $0.facts, !$0.isHistorical) },
                event: nil,
                tenant: tenant,
                store: store,
                now: now
            )
    }

    // MARK: Lines

    /// All of an order whose lines changed: they are written anew.
    private static func deleteLines(of changes: [Change], _ tenant: TenantID) -> SQL {
        """
        DELETE FROM order_lines
         WHERE tenant_id = \(tenant.uuid) AND order_id = ANY (\(changes.map(\.held.id.uuid)))
        """
    }

    private static func insertLines(of changes: [Change], _ tenant: TenantID, _ store: StoreID) -> SQL {
        let lines = changes.flatMap { change in
            change.state.values.lines.enumerated().map { (order: change.held.id.uuid, position: $0, line: $1) }
        }
        return """
            INSERT INTO order_lines (tenant_id, order_id, external_id, store_id, position, title, sku, quantity,
                                     unit_price)
                 SELECT \(tenant.uuid), order_id, external_id, \(store.uuid), position, title, sku, quantity, unit_price
                   FROM unnest(\(lines.map(\.order)), \(lines.map(\.line.externalID)), \(lines.map(\.position)),
                               \(lines.map(\.line.title)), \(lines.map(\.line.sku)), \(lines.map(\.line.quantity)),
                               \(lines.map(\.line.unitPrice)))
                        AS line (order_id, external_id, position, title, sku, quantity, unit_price)
            """
    }
}
