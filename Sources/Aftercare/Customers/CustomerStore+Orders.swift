import FoundationEssentials
import Postgres
import Time

/// Which orders are a customer's, in the database.
extension CustomerStore {
    /// Where a source's customers are.
    struct Place: Sendable {
        let tenant: TenantID
        let store: StoreID
        let source: String

        /// Of shops that put their orders over the API.
        static let api = "api"
    }

    // MARK: An order's customer

    /// Links an order that is held and was just saved to its customer, who is made if they are new: a fixed number of
    /// statements, whatever the customer has ordered. What comes last enqueues.
    ///
    /// An account is found by its id. A guest is the account with their address, the one made first if there are
    /// several; without one they have a row of their own, which the account takes in once it is known.
    static func link(
        _ state: OrderState,
        of held: OrderMirrorStore.Held,
        source: String,
        now: Instant
    ) -> (statements: [SQL], last: [SQL]) {
        let (values, before) = (state.values, held.state?.values)
        if held.customer != nil, before?.customer == values.customer, before?.email == values.email { return ([], []) }
        let place = Place(tenant: held.tenant, store: held.store, source: source)
        let email = normalized(values.email)
        if let account = values.customer {
            return (
                [
                    insert(account, values, at: place, now), lock(account, at: place),
                    reserve(email, account, at: place, now), takeIn(email, account, at: place, now),
                    link(held.id, account, at: place),
                ],
                email.map { [moves(ofGuest: $0, at: place, now)] } ?? []
            )
        }
        guard let email else { return (held.customer == nil ? [] : [unlink([held.id], at: place)], []) }
        let guest = Guest(order: held.id, email: email, values: values)
        return ([insert([guest], at: place, now), link([guest], at: place)], [])
    }

    /// The same for many orders: those of guests at once, in two statements; those of accounts one by one.
    static func link(
        _ changes: [OrderMirrorStore.Change],
        at place: Place,
        now: Instant
    ) -> (statements: [SQL], last: [SQL]) {
        var (guests, nobodys): ([Guest], [OrderID]) = ([], [])
        var (statements, last): ([SQL], [SQL]) = ([], [])
        for change in changes {
            let (values, before) = (change.state.values, change.held.state?.values)
            if values.customer != nil {
                let single = link(change.state, of: change.held, source: place.source, now: now)
                statements += single.statements
                last += single.last
            } else if let email = normalized(values.email) {
                let isNews = change.held.customer == nil || before?.email != values.email || before?.customer != nil
                if isNews { guests.append(Guest(order: change.held.id, email: email, values: values)) }
            } else if change.held.customer != nil {
                nobodys.append(change.held.id)
            }
        }
        if !nobodys.isEmpty { statements.append(unlink(nobodys, at: place)) }
        guard !guests.isEmpty else { return (statements, last) }
        return (statements + [insert(guests, at: place, now), link(guests, at: place)], last)
    }

    private struct Guest {
        let order: OrderID
        /// Normalized.
        let email: String
        let values: OrderValues
    }

    /// Each once, in the order of their addresses, so that of two who make some of the same guests one waits for the
    /// other. By `customers_by_email`, for each of them: as NOT EXISTS it would be a join, for which the planner may read
    /// all customers of the store.
    private static func insert(_ guests: [Guest], at place: Place, _ now: Instant) -> SQL {
        let new = Dictionary(guests.map { ($0.email, $0) }, uniquingKeysWith: { first, _ in first }).values
            .sorted { $0.email < $1.email }
        return """
            INSERT INTO customers (tenant_id, id, store_id, source, email, email_normalized, name, locale, created_at,
                                   updated_at)
                 SELECT \(place.tenant.uuid), guest.id, \(place.store.uuid), \(place.source), guest.email,
                        guest.email_normalized, guest.name, guest.locale, \(now), \(now)
                   FROM unnest(\(new.map { _ in CustomerID.new().uuid }), \(new.map(\.values.email)),
                               \(new.map(\.email)), \(new.map(\.values.customerName)),
                               \(new.map(\.values.customerLocale)))
                        AS guest (id, email, email_normalized, name, locale)
                  WHERE (SELECT true
                           FROM customers
                          WHERE tenant_id = \(place.tenant.uuid)
                            AND customers.email_normalized = guest.email_normalized
                            AND store_id = \(place.store.uuid) AND external_id IS NOT NULL
                            AND merged_into IS NULL AND NOT is_deleted
                          LIMIT 1) IS NULL
            ON CONFLICT (tenant_id, store_id, email_normalized) WHERE external_id IS NULL DO NOTHING
            """
    }

    /// `customers_by_email`. The account with that address before the guest's own row, which may lead to another.
    private static func link(_ guests: [Guest], at place: Place) -> SQL {
        """
        UPDATE orders
           SET customer_id = (SELECT coalesce(merged_into, id) FROM customers
                               WHERE tenant_id = \(place.tenant.uuid)
                                 AND customers.email_normalized = guest.email_normalized
                                 AND store_id = \(place.store.uuid)
                                 AND (external_id IS NULL OR (merged_into IS NULL AND NOT is_deleted))
                               ORDER BY external_id IS NULL, created_at, id
                               LIMIT 1)
          FROM unnest(\(guests.map(\.order.uuid)), \(guests.map(\.email))) AS guest (order_id, email_normalized)
         WHERE orders.tenant_id = \(place.tenant.uuid) AND orders.id = guest.order_id
        """
    }

    /// Neither an account nor an address is known of them any more.
    private static func unlink(_ orders: [OrderID], at place: Place) -> SQL {
        """
        UPDATE orders
           SET customer_id = NULL
         WHERE tenant_id = \(place.tenant.uuid) AND id = ANY (\(orders.map(\.uuid))) AND customer_id IS NOT NULL
        """
    }

    /// Nil for what is no address.
    static func normalized(_ email: String?) -> String? {
        let normalized = email.map { MailAddress.normalized($0) }
        return normalized?.isEmpty == true ? nil : normalized
    }

    private static func insert(_ account: String, _ values: OrderValues, at place: Place, _ now: Instant) -> SQL {
        """
        INSERT INTO customers (tenant_id, id, store_id, source, external_id, email, email_normalized, name, locale,
                               created_at, updated_at)
             VALUES (\(place.tenant.uuid), \(CustomerID.new().uuid), \(place.store.uuid), \(place.source), \(account),
                     \(values.email), \(normalized(values.email)), \(values.customerName), \(values.customerLocale),
                     \(now), \(now))
        ON CONFLICT (tenant_id, store_id, source, external_id) DO NOTHING
        """
    }

    /// Whoever merges the account waits, or was faster and is seen by the next statements.
    private static func lock(_ account: String, at place: Place) -> SQL {
        """
        SELECT id
          FROM customers
         WHERE tenant_id = \(place.tenant.uuid) AND store_id = \(place.store.uuid) AND source = \(place.source)
           AND external_id = \(account)
           FOR NO KEY UPDATE
        """
    }

    /// Whoever orders with the account's address as a guest is the account: a guest's row that leads there. Of two
    /// transactions, one with a guest's order and one with the account, the later waits here for the other and sees
    /// what it did.
    static func reserve(_ email: String?, _ account: String, at place: Place, _ now: Instant) -> SQL {
        """
        INSERT INTO customers (tenant_id, id, store_id, source, email, email_normalized, merged_into, created_at,
                               updated_at)
             SELECT \(place.tenant.uuid), \(CustomerID.new().uuid), store_id, source, email, email_normalized,
                    coalesce(merged_into, id), \(now), \(now)
               FROM customers
              WHERE tenant_id = \(place.tenant.uuid) AND store_id = \(place.store.uuid)
                AND source = \(place.source) AND external_id = \(account) AND email_normalized = \(email)
                AND NOT is_deleted
        ON CONFLICT (tenant_id, store_id, email_normalized) WHERE external_id IS NULL DO NOTHING
        """
    }

    /// The guest with the account's address was the account all along. Their row leads to it from now on, and their
    /// orders are moved over by jobs (`moves`).
    static func takeIn(_ email: String?, _ account: String, at place: Place, _ now: Instant) -> SQL {
        """
        UPDATE customers AS guest
           SET merged_into = coalesce(account.merged_into, account.id), version = guest.version + 1,
               updated_at = \(now)
          FROM customers AS account
         WHERE guest.tenant_id = \(place.tenant.uuid) AND guest.store_id = \(place.store.uuid)
           AND guest.email_normalized = \(email) AND guest.external_id IS NULL AND guest.merged_into IS NULL
           AND account.tenant_id = \(place.tenant.uuid) AND account.store_id = \(place.store.uuid)
           AND account.source = \(place.source) AND account.external_id = \(account)
           AND account.email_normalized = \(email) AND NOT account.is_deleted
        """
    }

    private static func link(_ order: OrderID, _ account: String, at place: Place) -> SQL {
        """
        UPDATE orders
           SET customer_id = (SELECT coalesce(merged_into, id) FROM customers
                               WHERE tenant_id = \(place.tenant.uuid) AND store_id = \(place.store.uuid)
                                 AND source = \(place.source) AND external_id = \(account))
         WHERE tenant_id = \(place.tenant.uuid) AND id = \(order.uuid)
        """
    }

    // MARK: Moving orders over

    /// A job where the guest of this address, of whom there is one, was taken in and has orders still. For the end of a
    /// transaction.
    static func moves(ofGuest email: String, at place: Place, _ now: Instant) -> SQL {
        """
        INSERT INTO jobs (tenant_id, id, store_id, kind, subject_id, run_at, created_at)
             SELECT \(place.tenant.uuid), \(JobID.new().uuid), store_id, \(RepointOrders.kind), merged_into, \(now),
                    \(now)
               FROM customers
              WHERE tenant_id = \(place.tenant.uuid) AND store_id = \(place.store.uuid)
                AND email_normalized = \(email) AND external_id IS NULL AND merged_into IS NOT NULL
                AND EXISTS (SELECT FROM orders
                             WHERE tenant_id = \(place.tenant.uuid) AND customer_id = customers.id)
        """
    }

    /// Some orders of those who were merged into the customer become theirs. One that somebody holds is left for the
    /// next time. By `customers_by_merger` and `orders_by_customer`.
    static func repoint(into target: CustomerID, limit: Int, tenant: TenantID, now: Instant) -> SQL {
        """
        WITH batch AS MATERIALIZED (
            SELECT id
              FROM orders
             WHERE tenant_id = \(tenant.uuid)
               AND customer_id = ANY (ARRAY(SELECT id FROM customers
                                             WHERE tenant_id = \(tenant.uuid) AND merged_into = \(target.uuid)))
             LIMIT \(limit)
               FOR UPDATE SKIP LOCKED
        )
        UPDATE orders
           SET customer_id = \(target.uuid), version = version + 1, updated_at = \(now)
          FROM batch
         WHERE orders.tenant_id = \(tenant.uuid) AND orders.id = batch.id
        """
    }

    /// A row if there are orders left to move.
    static func left(into target: CustomerID, tenant: TenantID) -> SQL {
        """
        SELECT id
          FROM orders
         WHERE tenant_id = \(tenant.uuid)
           AND customer_id = ANY (ARRAY(SELECT id FROM customers
                                         WHERE tenant_id = \(tenant.uuid) AND merged_into = \(target.uuid)))
         LIMIT 1
        """
    }
}
