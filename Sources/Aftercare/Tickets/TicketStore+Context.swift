import FoundationEssentials
import Postgres
import Time

/// What whoever takes a ticket is to know of its order and customer, as it is now.
struct TicketContext: Hashable, Sendable {
    /// The order's; nil where nobody has assessed it, or there is none.
    var risk: RiskLevel?
    /// Its customer is one, or somebody who was merged into them.
    var isVIP = false
}

extension TicketStore {
    /// No row for a ticket without an order. Each table by its primary key, or `customers_by_merger`.
    static func context(_ id: TicketID, tenant: TenantID) -> SQL {
        """
        SELECT orders.risk_level,
               EXISTS (SELECT FROM customers
                        WHERE customers.tenant_id = \(tenant.uuid) AND customers.id = orders.customer_id AND is_vip)
            OR EXISTS (SELECT FROM customers
                        WHERE customers.tenant_id = \(tenant.uuid) AND merged_into = orders.customer_id AND is_vip)
               AS is_vip
          FROM tickets
          JOIN orders
            ON orders.tenant_id = \(tenant.uuid) AND orders.id = tickets.order_id
         WHERE tickets.tenant_id = \(tenant.uuid) AND tickets.id = \(id.uuid)
        """
    }

    static func decodeContext(_ rows: Rows) throws -> TicketContext {
        guard let row = rows.first else { return TicketContext() }
        let (level, isVIP) = try row.decode((String?, Bool).self)
        return TicketContext(risk: level.map { RiskLevel(rawValue: $0) ?? .unknown }, isVIP: isVIP)
    }
}
