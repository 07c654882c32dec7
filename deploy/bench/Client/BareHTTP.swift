import FoundationEssentials
import Hummingbird
import JSON
import Logging
import NIOCore
import Postgres
import Time

/// `GET /stores/{id}` and `GET /orders/{id}` with nothing around them: the same statements as the product's, the
/// credential's look-up among them, and the same rows as JSON; but no token is taken apart or checked, nothing is limited, logged
/// or counted, and the answer has no headers of ours. What the product's envelope costs is measured against it.
func serveBareHTTP(_ options: Options) async throws {
    func id(_ name: String) throws -> UUID {
        guard let id = UUID(uuidString: try options.string(name)) else { throw Misuse("--\(name) is no UUID") }
        return id
    }
    let (tenant, key) = try (id("tenant"), id("key"))
    let pool = Pool(
        Pool.Settings(
            connection: ConnectionSettings(url: try options.string("url"), applicationName: "aftercare-bench"),
            maximumConnections: try options.int("connections", max(4, System.coreCount))
        )
    )
    let router = Router()
    router.get("/stores/{id}") { _, context in
        let store = try context.parameters.require("id", as: UUID.self)
        let answers = try await pool.lookUp(
            [LocalSetting("app.tenant", tenant)],
            [Statements.credential(key, tenant), Statements.store(store, tenant)]
        )
        guard let key = answers[0].first, let row = answers[1].first else { throw HTTPError(.notFound) }
        _ = try key.decode((Bytea, Instant?, Instant?, [String]).self)
        return try json { object in try write(row, to: &object) }
    }
    router.get("/orders/{id}") { _, context in
        let order = try context.parameters.require("id", as: UUID.self)
        let answers = try await pool.lookUp(
            [LocalSetting("app.tenant", tenant)],
            [
                Statements.credential(key, tenant),
                Statements.order(order, tenant),
                Statements.lines(order, tenant),
                Statements.shipments(order, tenant),
                Statements.refunds(order, tenant),
            ]
        )
        guard let key = answers[0].first, let row = answers[1].first else { throw HTTPError(.notFound) }
        _ = try key.decode((Bytea, Instant?, Instant?, [String]).self)
        return try json { object in try write(row, answers[2], to: &object) }
    }
    let application = Application(
        router: router,
        configuration: .init(address: .hostname("127.0.0.1", port: try options.int("port"))),
        logger: quiet
    )
    try await application.runService()
}

private func json(_ body: (inout JSONObjectWriter) throws -> Void) rethrows -> Response {
    var writer = JSONWriter()
    try writer.object { object in try body(&object) }
    return Response(
        status: .ok,
        headers: [.contentType: "application/json"],
        body: .init(byteBuffer: ByteBuffer(bytes: writer.bytes))
    )
}

private let quiet: Logger = {
    var logger = Logger(label: "bench")
    logger.logLevel = .error
    return logger
}()

/// As in Access/AccessStore, Tenants/TenantStore and Orders/OrderStore; the `http-*.sql` have them for pgbench.
private enum Statements {
    static func credential(_ key: UUID, _ tenant: UUID) -> SQL {
        """
        SELECT secret_hash, expires_at, revoked_at, scopes
          FROM api_keys
         WHERE tenant_id = \(tenant) AND id = \(key)
           AND store_id IS NOT DISTINCT FROM \(UUID?.none)
        """
    }

    static func store(_ id: UUID, _ tenant: UUID) -> SQL {
        """
        SELECT tenant_id, id, name, platform, time_zone, currency, locale, mode, test_clock, mail_from, escalation_email,
               version, created_at, updated_at
          FROM stores
         WHERE tenant_id = \(tenant) AND id = \(id)
        """
    }

    static func order(_ id: UUID, _ tenant: UUID) -> SQL {
        """
        SELECT id, store_id, external_id, number, email, customer_name, customer_locale, currency, total,
               presentment_currency, presentment_total, financial_status, financial_status_raw, fulfillment_status,
               fulfillment_status_raw, lifecycle_status, cancel_reason, return_status, placed_at, is_complete,
               historical, source_updated_at, version, created_at, updated_at
          FROM orders
         WHERE tenant_id = \(tenant) AND id = \(id)
        """
    }

    static func lines(_ id: UUID, _ tenant: UUID) -> SQL {
        """
        SELECT external_id, title, sku, quantity, unit_price
          FROM order_lines
         WHERE tenant_id = \(tenant) AND order_id = \(id)
         ORDER BY position
        """
    }

    static func shipments(_ id: UUID, _ tenant: UUID) -> SQL {
        """
        SELECT shipments.id, shipments.external_id, carrier, tracking_number, tracking_url, shipments.status,
               shipments.status_raw, status_at, is_delayed, shipped_at, delivered_at,
               tracking_events.external_id, tracking_events.status, tracking_events.status_raw, message, happened_at,
               received_at
          FROM shipments
          LEFT JOIN tracking_events
            ON tracking_events.tenant_id = \(tenant) AND tracking_events.shipment_id = shipments.id
         WHERE shipments.tenant_id = \(tenant) AND order_id = \(id)
         ORDER BY shipments.id, happened_at, tracking_events.external_id
        """
    }

    static func refunds(_ id: UUID, _ tenant: UUID) -> SQL {
        """
        SELECT refund.id, refund.external_id, refund.state, refund.currency, refund.amount, refund.moved_amount,
               refund.recorded_at, refund.moved_at, refund.source_updated_at, refund.source_hash,
               payment.external_id AS payment_external_id, payment.refund_external_id, payment.is_original, payment.status,
               payment.status_raw, payment.gateway, payment.parent_external_id, payment.currency AS payment_currency,
               payment.amount AS payment_amount, payment.shop_currency, payment.shop_amount, payment.started_at,
               payment.processed_at, payment.succeeded_at, payment.failed_at,
               payment.source_updated_at AS payment_updated_at, payment.source_hash AS payment_hash
          FROM refunds AS refund
          LEFT JOIN refund_transactions AS payment
            ON payment.tenant_id = \(tenant) AND payment.order_id = \(id)
           AND payment.refund_external_id = refund.external_id
         WHERE refund.tenant_id = \(tenant) AND refund.order_id = \(id)
         ORDER BY refund.recorded_at, refund.id, payment.started_at, payment.external_id
        """
    }
}

private func write(_ store: Row, to object: inout JSONObjectWriter) throws {
    let (
        _, id, name, platform, zone, currency, locale, mode, testClock, from, escalation, version, createdAt, updatedAt
    ) =
        try store.decode(
            (
                UUID, UUID, String, String, String, String, String, String, Instant?, String?, String?, Int64, Instant,
                Instant
            ).self
        )
    object.member("id", id.uuidString)
    object.member("name", name)
    object.member("platform", platform)
    object.member("time_zone", zone)
    object.member("currency", currency)
    object.member("locale", locale)
    object.member("mode", mode)
    object.member("test_clock", testClock?.rfc3339)
    object.member("mail_from", from)
    object.member("escalation_email", escalation)
    object.member("version", version)
    object.member("created_at", createdAt.rfc3339)
    object.member("updated_at", updatedAt.rfc3339)
}

private func write(_ order: Row, _ lines: Rows, to object: inout JSONObjectWriter) throws {
    let (
        id, store, externalID, number, email, name, locale, currency, total, _, _, financial, financialRaw, fulfillment,
        fulfillmentRaw, lifecycle, cancelReason, returns, placedAt, isComplete, isHistorical, sourceUpdatedAt, version,
        createdAt, updatedAt
    ) = try order.decode(
        (
            UUID, UUID, String, String?, String?, String?, String?, String?, Int64?, String?, Int64?, String, String?,
            String, String?, String, String?, String, Instant?, Bool, Bool, Instant?, Int64, Instant, Instant
        ).self
    )
    object.member("id", id.uuidString)
    object.member("store_id", store.uuidString)
    object.member("external_id", externalID)
    object.member("number", number)
    object.member("email", email)
    object.member("customer_name", name)
    object.member("customer_locale", locale)
    object.member("is_complete", isComplete)
    object.member("historical", isHistorical)
    object.member("financial_status", financial)
    object.member("financial_status_raw", financialRaw)
    object.member("fulfillment_status", fulfillment)
    object.member("fulfillment_status_raw", fulfillmentRaw)
    object.member("lifecycle_status", lifecycle)
    object.member("cancel_reason", cancelReason)
    object.member("return_status", returns)
    object.member("currency", currency)
    object.member("total", total)
    object.member("placed_at", placedAt?.rfc3339)
    object.member("as_of", sourceUpdatedAt?.rfc3339)
    object.member("version", version)
    object.member("created_at", createdAt.rfc3339)
    object.member("updated_at", updatedAt.rfc3339)
    let lines = try lines.decode((String, String, String?, Int, Int64?).self)
    object.array("lines", lines) { writer, line in
        writer.object { object in
            object.member("external_id", line.0)
            object.member("title", line.1)
            object.member("sku", line.2)
            object.member("quantity", line.3)
            object.member("unit_price", line.4)
        }
    }
    // The measured orders have none yet.
    object.array("shipments") { _ in }
    object.array("refunds") { _ in }
}
