import FoundationEssentials
import Postgres
import Time

/// Refunds and their transactions in the database: reading.
enum RefundStore {
    static let refundColumns = """
        refund.id, refund.external_id, refund.state, refund.currency, refund.amount, refund.moved_amount,
        refund.has_terms, refund.stated_currency, refund.stated_amount, refund.reason, refund.recorded_at,
        refund.moved_at, refund.source_updated_at, refund.source_hash, refund.source_received_at
        """

    static let paymentColumns = """
        payment.external_id AS payment_external_id, payment.refund_external_id, payment.is_original, payment.status,
        payment.status_raw, payment.gateway, payment.parent_external_id, payment.currency AS payment_currency,
        payment.amount AS payment_amount, payment.shop_currency, payment.shop_amount, payment.started_at,
        payment.processed_at, payment.succeeded_at, payment.failed_at,
        payment.source_updated_at AS payment_updated_at, payment.source_hash AS payment_hash,
        payment.source_received_at AS payment_received_at
        """

    /// Every refund of an order with its transactions, a row for each transaction and one for a refund without.
    static func refunds(_ id: OrderID, tenant: TenantID) -> SQL {
        """
        SELECT \(unsafe: refundColumns), \(unsafe: paymentColumns)
          FROM refunds AS refund
          LEFT JOIN refund_transactions AS payment
            ON payment.tenant_id = \(tenant.uuid) AND payment.order_id = \(id.uuid)
           AND payment.refund_external_id = refund.external_id
         WHERE refund.tenant_id = \(tenant.uuid) AND refund.order_id = \(id.uuid)
         ORDER BY refund.recorded_at, refund.id, payment.started_at, payment.external_id
        """
    }

    /// The same by the order's id in the shop.
    static func refunds(externalID: String, store: StoreID, tenant: TenantID) -> SQL {
        """
        SELECT \(unsafe: refundColumns), \(unsafe: paymentColumns)
          FROM refunds AS refund
          LEFT JOIN refund_transactions AS payment
            ON payment.tenant_id = \(tenant.uuid) AND payment.order_id = refund.order_id
           AND payment.refund_external_id = refund.external_id
         WHERE refund.tenant_id = \(tenant.uuid)
           AND refund.order_id = (SELECT id FROM orders
                                   WHERE tenant_id = \(tenant.uuid) AND store_id = \(store.uuid)
                                     AND external_id = \(externalID))
         ORDER BY refund.recorded_at, refund.id, payment.started_at, payment.external_id
        """
    }

    // MARK: To apply changes to

    static func refunds(ofOrder externalID: String, tenant: TenantID, store: StoreID) -> SQL {
        """
        SELECT \(unsafe: refundColumns)
          FROM refunds AS refund
         WHERE refund.tenant_id = \(tenant.uuid)
           AND refund.order_id = (SELECT id FROM orders
                                   WHERE tenant_id = \(tenant.uuid) AND store_id = \(store.uuid)
                                     AND external_id = \(externalID))
        """
    }

    /// Also those that no refund has named yet.
    static func transactions(ofOrder externalID: String, tenant: TenantID, store: StoreID) -> SQL {
        """
        SELECT \(unsafe: paymentColumns)
          FROM refund_transactions AS payment
         WHERE payment.tenant_id = \(tenant.uuid)
           AND payment.order_id = (SELECT id FROM orders
                                    WHERE tenant_id = \(tenant.uuid) AND store_id = \(store.uuid)
                                      AND external_id = \(externalID))
        """
    }

    // MARK: Rows

    /// What `refunds(_:tenant:)` answered.
    static func decode(_ rows: Rows) throws -> [OrderRefund] {
        var refunds: [OrderRefund] = []
        for index in 0..<rows.count {
            let row = rows[index]
            if try refunds.last?.id.uuid != row("id") { refunds.append(try decodeRefund(row)) }
            let payment: String? = try row("payment_external_id")
            guard payment != nil else { continue }
            refunds[refunds.count - 1].transactions.append(try decodeTransaction(row))
        }
        return refunds
    }

    static func decodeRefund(_ row: Row) throws -> OrderRefund {
        let (state, hash, currency): (String, Bytea, String?) =
            try (row("state"), row("source_hash"), row("currency"))
        guard let state = RefundState(rawValue: state) else { throw UnreadableRow(table: "refunds") }
        let hasTerms: Bool = try row("has_terms")
        let terms = try RefundTerms(amount: money(row("stated_amount"), row("stated_currency")), reason: row("reason"))
        let refund = try Refund(
            recordedAt: row("recorded_at"),
            newest: Stamp(at: row("source_updated_at"), hash: hash.bytes, receivedAt: row("source_received_at")),
            terms: hasTerms ? terms : nil,
            state: state,
            amount: money(row("amount"), currency),
            moved: money(row("moved_amount"), currency),
            movedAt: row("moved_at")
        )
        return try OrderRefund(id: ID(row("id")), externalID: row("external_id"), refund: refund)
    }

    static func decodeTransaction(_ row: Row) throws -> RefundTransaction {
        let (status, hash): (String, Bytea) = try (row("status"), row("payment_hash"))
        guard let status = RefundTransactionStatus(rawValue: status) else {
            throw UnreadableRow(table: "refund_transactions")
        }
        let word = try RefundTransactionStatement(
            externalID: row("payment_external_id"),
            stamp: Stamp(at: row("payment_updated_at"), hash: hash.bytes, receivedAt: row("payment_received_at")),
            status: status,
            statusRaw: row("status_raw"),
            gateway: row("gateway"),
            parent: row("parent_external_id"),
            amount: money(row("payment_amount"), row("payment_currency")),
            shopAmount: money(row("shop_amount"), row("shop_currency")),
            startedAt: row("started_at"),
            processedAt: row("processed_at")
        )
        return try RefundTransaction(
            refund: row("refund_external_id"),
            isOriginal: row("is_original"),
            word: word,
            succeededAt: row("succeeded_at"),
            failedAt: row("failed_at")
        )
    }

    private static func money(_ amount: Int64?, _ currency: String?) -> Money? {
        guard let amount, let currency else { return nil }
        return Money(amount: amount, currency: currency)
    }
}
