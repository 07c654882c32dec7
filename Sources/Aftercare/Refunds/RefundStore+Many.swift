import FoundationEssentials
import Postgres
import Time

/// The refunds of many orders at once, to apply changes to: a statement for each table, however many orders there are.
extension RefundStore {
    // By unique keys that begin with the order.

    static func refunds(ofOrders ids: [UUID], tenant: TenantID) -> SQL {
        """
        SELECT \(unsafe: refundColumns), refund.order_id
          FROM refunds AS refund
         WHERE refund.tenant_id = \(tenant.uuid) AND refund.order_id = ANY (\(ids))
        """
    }

    /// Also those that no refund has named yet.
    static func transactions(ofOrders ids: [UUID], tenant: TenantID) -> SQL {
        """
        SELECT \(unsafe: paymentColumns), payment.order_id
          FROM refund_transactions AS payment
         WHERE payment.tenant_id = \(tenant.uuid) AND payment.order_id = ANY (\(ids))
        """
    }
}
