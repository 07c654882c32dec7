import FoundationEssentials
import Postgres
import Time

/// Applying what a source says of its customers, in the database.
extension CustomerStore {
    /// A customer held by the transaction.
    struct Held: Sendable {
        let id: CustomerID
        let place: Place
        let customer: Customer
        let mergedInto: CustomerID?
        let version: Int64
    }

    /// Makes the account if it is new, locks it and reads it, in one round trip. Orders may be linked to it meanwhile.
    static func hold(
        _ externalID: String,
        at place: Place,
        now: Instant,
        in transaction: Transaction
    ) async throws -> Held {
        transaction.add(stub(externalID, at: place, now))
        let rows = try await transaction.query(lock(externalID, place))
        guard let row = rows[0].first else { throw UnreadableRow(table: "customers") }
        return try held(row, at: place)
    }

    /// The same by the id of ours, of guests too; nil if there is none.
    static func hold(_ id: CustomerID, tenant: TenantID, in transaction: Transaction) async throws -> Held? {
        let rows = try await transaction.query(lock(id, tenant))
        guard let row = rows[0].first else { return nil }
        let (store, source): (UUID, String) = try (row("store_id"), row("source"))
        return try held(row, at: Place(tenant: tenant, store: StoreID(store), source: source))
    }

    private static func held(_ row: Row, at place: Place) throws -> Held {
        let mirrored = try decode(row)
        var customer = mirrored.customer
        customer.provenance = try OrderMirrorStore.provenance(row)
        customer.isRedacted = try row("is_redacted")
        return Held(
            id: mirrored.id,
            place: place,
            customer: customer,
            mergedInto: mirrored.mergedInto,
            version: mirrored.version
        )
    }

    private static func lock(_ id: CustomerID, _ tenant: TenantID) -> SQL {
        """
        SELECT \(unsafe: columns), source_hash, source_stamps, redacted_at IS NOT NULL AS is_redacted
          FROM customers
         WHERE tenant_id = \(tenant.uuid) AND id = \(id.uuid)
           FOR NO KEY UPDATE
        """
    }

    private static func stub(_ externalID: String, at place: Place, _ now: Instant) -> SQL {
        """
        INSERT INTO customers (tenant_id, id, store_id, source, external_id, version, created_at, updated_at)
             VALUES (\(place.tenant.uuid), \(CustomerID.new().uuid), \(place.store.uuid), \(place.source),
                     \(externalID), 0, \(now), \(now))
        ON CONFLICT (tenant_id, store_id, source, external_id) DO NOTHING
        """
    }

    private static func lock(_ externalID: String, _ place: Place) -> SQL {
        """
        SELECT \(unsafe: columns), source_hash, source_stamps, redacted_at IS NOT NULL AS is_redacted
          FROM customers
         WHERE tenant_id = \(place.tenant.uuid) AND store_id = \(place.store.uuid) AND source = \(place.source)
           AND external_id = \(externalID)
           FOR NO KEY UPDATE
        """
    }

    /// Where nothing differs, nothing.
    static func save(_ customer: Customer, over held: Held, now: Instant) -> SQL? {
        guard customer != held.customer || held.version == 0 else { return nil }
        let values = customer.values
        return """
            UPDATE customers
               SET email = \(values.email), email_normalized = \(normalized(values.email)), name = \(values.name),
                   locale = \(values.locale), marketing_state = \(values.marketing?.rawValue),
                   marketing_raw = \(values.marketingRaw), marketing_at = \(values.marketingAt),
                   is_deleted = \(values.isDeleted), is_vip = \(values.isVIP), vip_since = \(values.vipSince),
                   vip_reason = \(values.vipReason), source_updated_at = \(customer.provenance.newest?.at),
                   source_hash = \(customer.provenance.newest.map { Bytea($0.hash) }),
                   source_stamps = \(OrderMirrorStore.stamps(customer.provenance)), version = \(held.version + 1),
                   updated_at = \(now)
             WHERE tenant_id = \(held.place.tenant.uuid) AND id = \(held.id.uuid)
            """
    }

    /// Of a customer who is deleted nothing is kept, and neither of the rows of their addresses, which lead to them.
    static func forgetAddresses(of id: CustomerID, tenant: TenantID, now: Instant) -> SQL {
        """
        UPDATE customers
           SET email = NULL, email_normalized = NULL, name = NULL, locale = NULL, is_vip = false, vip_since = NULL,
               vip_reason = NULL, redacted_at = \(now), version = version + 1, updated_at = \(now)
         WHERE tenant_id = \(tenant.uuid) AND merged_into = \(id.uuid) AND external_id IS NULL
           AND redacted_at IS NULL
        """
    }

    // MARK: Merging

    /// Whom a customer leads to by now, kept from being merged until the transaction ends.
    static func lockTarget(_ id: CustomerID, tenant: TenantID) -> SQL {
        """
        SELECT merged_into
          FROM customers
         WHERE tenant_id = \(tenant.uuid) AND id = \(id.uuid)
           FOR NO KEY UPDATE
        """
    }

    /// The customer leads to the other from now on, and so does whoever led to them: always in one step.
    static func merge(_ merged: CustomerID, into target: CustomerID, tenant: TenantID, now: Instant) -> SQL {
        """
        UPDATE customers
           SET merged_into = \(target.uuid), version = version + 1, updated_at = \(now)
         WHERE tenant_id = \(tenant.uuid) AND (id = \(merged.uuid) OR merged_into = \(merged.uuid))
        """
    }
}
