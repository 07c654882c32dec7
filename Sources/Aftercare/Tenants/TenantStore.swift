import FoundationEssentials
import Postgres
import Time

/// Tenants and their stores in the database.
enum TenantStore {
    static func insertTenant(_ id: TenantID, name: String, now: Instant) -> SQL {
        "INSERT INTO tenants (tenant_id, name, created_at) VALUES (\(id.uuid), \(name), \(now))"
    }

    static func tenant(_ id: TenantID) -> SQL {
        "SELECT name, created_at FROM tenants WHERE tenant_id = \(id.uuid)"
    }

    // MARK: Stores

    static func insert(_ store: Store) -> SQL {
        """
        INSERT INTO stores (tenant_id, id, name, platform, time_zone, currency, locale, mode, test_clock, mail_from,
                            escalation_email, version, created_at, updated_at)
             VALUES (\(store.tenant.uuid), \(store.id.uuid), \(store.name), \(store.platform.rawValue),
                     \(store.zone.identifier), \(store.currency), \(store.locale), \(store.mode.rawValue),
                     \(store.testClock), \(store.mailFrom), \(store.escalationEmail), \(store.version), \(store.createdAt),
                     \(store.updatedAt))
        """
    }

    static let columns = """
        tenant_id, id, name, platform, time_zone, currency, locale, mode, test_clock, mail_from, escalation_email,
        version, created_at, updated_at
        """

    static func store(_ id: StoreID, tenant: TenantID) -> SQL {
        "SELECT \(unsafe: columns) FROM stores WHERE tenant_id = \(tenant.uuid) AND id = \(id.uuid)"
    }

    /// The same, kept from changing until the transaction ends. NO KEY, so that rows that refer to the store can be
    /// inserted meanwhile.
    static func lock(_ id: StoreID, tenant: TenantID) -> SQL {
        """
        SELECT \(unsafe: columns)
          FROM stores
         WHERE tenant_id = \(tenant.uuid) AND id = \(id.uuid)
           FOR NO KEY UPDATE
        """
    }

    /// Newest first, by `stores_by_creation`.
    static func stores(_ page: Page, tenant: TenantID) -> SQL {
        """
        SELECT \(unsafe: columns)
          FROM stores
         WHERE tenant_id = \(tenant.uuid) AND (created_at, id) < (\(page.createdAt), \(page.id))
         ORDER BY created_at DESC, id DESC
         LIMIT \(page.rowLimit)
        """
    }

    static func update(_ store: Store) -> SQL {
        """
        UPDATE stores
           SET name = \(store.name), time_zone = \(store.zone.identifier), locale = \(store.locale),
               mail_from = \(store.mailFrom), escalation_email = \(store.escalationEmail), version = \(store.version),
               updated_at = \(store.updatedAt)
         WHERE tenant_id = \(store.tenant.uuid) AND id = \(store.id.uuid)
        """
    }

    static func decode(_ row: Row) throws -> Store {
        let (name, platform, zone, mode): (String, String, String, String) =
            try (row("name"), row("platform"), row("time_zone"), row("mode"))
        guard let platform = Store.Platform(rawValue: platform), let zone = Zone(zone),
            let mode = Store.Mode(rawValue: mode)
        else { throw UnreadableRow(table: "stores") }
        return try Store(
            id: ID(row("id")),
            tenant: ID(row("tenant_id")),
            name: name,
            platform: platform,
            zone: zone,
            currency: row("currency"),
            locale: row("locale"),
            mode: mode,
            testClock: row("test_clock"),
            mailFrom: row("mail_from"),
            escalationEmail: row("escalation_email"),
            version: row("version"),
            createdAt: row("created_at"),
            updatedAt: row("updated_at")
        )
    }
}

/// A row holds a word this version of the program does not know; a newer one wrote it.
struct UnreadableRow: Error {
    let table: String
}
