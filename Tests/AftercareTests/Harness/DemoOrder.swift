import Crypto
import Foundation
import JSON
import Postgres
import Support
import Time

@testable import Aftercare

/// The demo's webhooks (deploy/demo), posted as Shopify posts them.
struct DemoOrder: Sendable {
    let tenant: TestTenant
    /// Stands in the payloads for 1001, in ids too: another number is another order.
    let number: String

    init(_ tenant: TestTenant, number: Int = 1001) {
        self.tenant = tenant
        self.number = String(number)
    }

    static let topics = ["orders/create", "fulfillments/create", "fulfillment_events/create"]

    func body(_ topic: String) throws -> [UInt8] {
        let name = topic.replacing("/", with: "-").replacing("_", with: "-")
        let file = URL(filePath: TestCluster.repository).appending(path: "deploy/demo/\(name).json")
        let text = try String(contentsOf: file, encoding: .utf8).replacing("1001", with: number)
        // Placed three days ago, delivered yesterday.
        let today = Zone.utc.local(at: tenant.server.environment.clock.now()).date
        return Array(
            text.replacing("2026-05-04", with: "\(today.adding(days: -3))")
                .replacing("2026-05-05", with: "\(today.adding(days: -2))")
                .replacing("2026-05-06", with: "\(today.adding(days: -1))").utf8
        )
    }

    var hook: String { "/v1/hooks/\(tenant.id)/\(tenant.demo.connection)" }

    static func signature(_ body: [UInt8], secret: String) -> String {
        let key = SymmetricKey(data: Array(secret.utf8))
        return Data(HMAC<SHA256>.authenticationCode(for: body, using: key)).base64EncodedString()
    }

    @discardableResult
    func post(
        _ topic: String,
        body: [UInt8]? = nil,
        secret: String? = nil,
        delivery: String = UUID().uuidString,
        triggeredAt: Instant? = nil,
        headers others: [(String, String)] = []
    ) async throws -> Answer {
        let body = try body ?? self.body(topic)
        var headers =
            [
                ("Content-Type", "application/json"),
                ("X-Shopify-Topic", topic),
                ("X-Shopify-Hmac-Sha256", Self.signature(body, secret: secret ?? tenant.demo.webhookSecret)),
                ("X-Shopify-Shop-Domain", "demo.myshopify.com"),
                ("X-Shopify-API-Version", "2026-07"),
                ("X-Shopify-Webhook-Id", delivery),
            ] + others
        if let triggeredAt { headers.append(("X-Shopify-Triggered-At", triggeredAt.rfc3339)) }
        return try await tenant.server.send("POST", hook, headers: headers, raw: body)
    }

    /// The order as the API shows it, once it is there.
    func order() async throws -> JSON {
        let page = try await tenant.get("/v1/orders")
        guard
            let order = page["data"]?.arrayValue?.first(where: { $0["number"]?.stringValue?.hasSuffix(number) == true })
        else { throw Unexpected(page) }
        return order
    }
}

extension TestTenant {
    /// Waits until nothing of this tenant waits to be done. A connection's next pull waits for its time.
    func settle() async throws {
        do {
            try await eventually { try await unsettled().isEmpty }
        } catch let error as NeverHappened {
            let jobs = try await unsettled().decode((String, String, String?).self)
            throw NeverHappened(description: "\(error.description), for \(jobs)")
        }
        let failed = try await rows(
            "SELECT kind, last_error FROM jobs WHERE tenant_id = \(id.uuid) AND state = 'failed'"
        )
        guard failed.isEmpty else {
            throw NeverHappened(description: "failed jobs: \(try failed.decode((String, String?).self))")
        }
    }

    private func unsettled() async throws -> Rows {
        try await rows(
            """
            SELECT kind, state, last_error FROM jobs
             WHERE tenant_id = \(id.uuid) AND state IN ('ready', 'leased')
               AND NOT (kind IN ('reconcile_orders', 'sweep_orders') AND state = 'ready'
                        AND run_at > \(server.environment.clock.now() + .milliseconds(500)))
            """
        )
    }

    /// Advances the store's clock and waits until what fell due is done.
    func advance(days: Int) async throws {
        let instant = (server.environment.clock.now() + .seconds(days * 24 * 3600)).rfc3339
        let started = try await send("POST", "/v1/stores/\(store)/test-clock/advance", ["to": instant.json])
        guard started.status == 202, let location = started.header("Location") else { throw Unexpected(started) }
        try await eventually {
            let operation = try await get(location)
            if operation["state"] == "failed" { throw Unexpected(operation) }
            return operation["state"] == "succeeded"
        }
        try await settle()
    }
}
