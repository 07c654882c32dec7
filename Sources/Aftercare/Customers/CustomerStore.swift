import FoundationEssentials
import Postgres
import Time

/// Customers in the database: reading, and an order's link to its customer.
enum CustomerStore {
    static let columns = """
        id, store_id, source, external_id, email, name, locale, marketing_state, marketing_raw, marketing_at,
        is_deleted, vip_since, vip_reason, merged_into, source_updated_at, version, created_at, updated_at
        """

    static func customer(_ id: CustomerID, tenant: TenantID) -> SQL {
        "SELECT \(unsafe: columns) FROM customers WHERE tenant_id = \(tenant.uuid) AND id = \(id.uuid)"
    }

    struct Filter: Sendable {
        var store: StoreID?
        /// Normalized.
        var email: String?
    }

    /// Newest first, without those that were merged into another. Each filter has an index of its own that gives the
    /// order too.
    static func customers(_ page: Page, _ filter: Filter, tenant: TenantID) -> SQL {
        if let email = filter.email {
            """
            SELECT \(unsafe: columns)
              FROM customers
             WHERE tenant_id = \(tenant.uuid) AND email_normalized = \(email) AND merged_into IS NULL
               AND (\(filter.store?.uuid) IS NULL OR store_id = \(filter.store?.uuid))
               AND (created_at, id) < (\(page.createdAt), \(page.id))
             ORDER BY created_at DESC, id DESC
             LIMIT \(page.rowLimit)
            """
        } else if let store = filter.store {
            """
            SELECT \(unsafe: columns)
              FROM customers
             WHERE tenant_id = \(tenant.uuid) AND store_id = \(store.uuid) AND merged_into IS NULL
               AND (created_at, id) < (\(page.createdAt), \(page.id))
             ORDER BY created_at DESC, id DESC
             LIMIT \(page.rowLimit)
            """
        } else {
            """
            SELECT \(unsafe: columns)
              FROM customers
             WHERE tenant_id = \(tenant.uuid) AND merged_into IS NULL
               AND (created_at, id) < (\(page.createdAt), \(page.id))
             ORDER BY created_at DESC, id DESC
             LIMIT \(page.rowLimit)
            """
        }
    }

    static func decode(_ row: Row) throws -> MirroredCustomer {
        let (marketing, mergedInto): (String?, UUID?) = try (row("marketing_state"), row("merged_into"))
        var values = CustomerValues()
        if let marketing {
            guard let marketing = MarketingState(rawValue: marketing) else { throw UnreadableRow(table: "customers") }
            values.marketing = marketing
        }
        (values.marketingRaw, values.marketingAt) = try (row("marketing_raw"), row("marketing_at"))
        (values.email, values.name, values.locale) = try (row("email"), row("name"), row("locale"))
        values.isDeleted = try row("is_deleted")
        (values.vipSince, values.vipReason) = (try row("vip_since"), try row("vip_reason"))
        return try MirroredCustomer(
            id: ID(row("id")),
            store: ID(row("store_id")),
            source: row("source"),
            externalID: row("external_id"),
            customer: Customer(values: values),
            mergedInto: mergedInto.map { ID($0) },
            asOf: row("source_updated_at"),
            version: row("version"),
            createdAt: row("created_at"),
            updatedAt: row("updated_at")
        )
    }
}
