import Curl
import Foundation
import JSON
import Logging
import Postgres
import Support
import Synchronization
import Time

@testable import Aftercare

/// A shop whose orders go the whole walk, from signed webhooks to mails at a mail server, while the tests take the
/// program or its database away: what is posted, what is due, and what came of it.
struct WalkUnderFire: Sendable {
    /// Parcels of one order, each with a follow-up of its own.
    static let parcels = 5

    let database: MigratedDatabase
    let sink: MailSink
    let demo: DemoStore
    let port: Int
    let client = HTTPClient()
    private let environment: Environment

    /// As `aftercare_app`, so that sessions of `aftercare_worker` are the program's alone.
    init(_ database: MigratedDatabase, _ sink: MailSink) async throws {
        self.database = database
        self.sink = sink
        port = try FreePort.find()
        environment = try await Mailroom.environment(database.appURL, database)
        demo = try await DemoStore.create(environment)
        // Follow-ups leave at any hour, whenever the tests run.
        let policy = Policy(
            quietHours: nil,
            followUp: Policy.initial.followUp,
            refunds: .initial,
            expiresAfterHours: 720
        )
        _ = try await environment.pool.transaction(
            environment.settings(for: demo.tenant.uuid),
            PolicyStore.insert(
                PolicyVersion(version: 2, policy: policy),
                store: demo.store,
                tenant: demo.tenant,
                now: environment.clock.now()
            )
        )
        // A mail in doubt opens a ticket, which would hold back the follow-ups of the order's other parcels; and a mail
        // that tells the store's people of it would be one more to count.
        _ = try await database.superuser.execute("UPDATE stores SET escalation_email = NULL")
        _ = try await database.superuser.execute(
            """
            UPDATE workflow_versions
               SET definition = jsonb_set(definition, '{conditions}', '["not_cancelled", "not_refunded", "has_email"]')
             WHERE definition #>> '{trigger,fact}' = 'delivered'
            """
        )
    }

    func end() async { await environment.pool.shutDown() }

    func start(connections: Int = 2, failpoint: String = "") throws -> ProgramProcess {
        try ProgramProcess(
            port: port,
            settings: [
                "AFTERCARE_DATABASE_URL": database.workerURL,
                "AFTERCARE_SMTP_HOST": "127.0.0.1",
                "AFTERCARE_SMTP_PORT": "\(sink.port)",
                "AFTERCARE_SMTP_SECURITY": "none",
                "AFTERCARE_SMTP_CONNECTIONS": "\(connections)",
                "AFTERCARE_WORK_LEASE_SECONDS": "2",
                "AFTERCARE_FAILPOINT": failpoint,
            ]
        )
    }

    // MARK: Webhooks

    /// An order that was delivered yesterday, in several parcels, as Shopify tells of it.
    private func webhook(_ order: Int) -> [UInt8] {
        let time = (environment.clock.now() - .seconds(86_400)).rfc3339
        let fulfillments: [JSON] = (1...Self.parcels).map { parcel in
            [
                "id": .number(JSONNumber(order * 100 + parcel)), "status": "success", "shipment_status": "delivered",
                "created_at": .string(time), "updated_at": .string(time),
            ]
        }
        let body: JSON = [
            "id": .number(JSONNumber(order)), "name": .string("#\(order)"), "currency": "EUR", "total_price": "10.00",
            "email": .string("customer-\(order)@customer.example"), "financial_status": "paid",
            "fulfillment_status": "fulfilled", "created_at": .string(time), "updated_at": .string(time),
            "cancelled_at": nil, "closed_at": nil, "fulfillments": .array(fulfillments),
            "line_items": [["id": 1, "title": "Pen", "quantity": 1, "price": "10.00"]],
        ]
        return body.serializedBytes
    }

    /// Posts the orders' webhooks, several at once; those that got no 200, for a shop to post again.
    func post(_ orders: [Int]) async -> [Int] {
        await withTaskGroup(of: Int?.self) { group in
            var (rest, missed) = (orders[...], [Int]())
            for _ in 0..<4 {
                if let order = rest.popFirst() { group.addTask { await post(order) ? nil : order } }
            }
            for await order in group {
                if let order { missed.append(order) }
                if let next = rest.popFirst() { group.addTask { await post(next) ? nil : next } }
            }
            return missed
        }
    }

    private func post(_ order: Int) async -> Bool {
        let body = webhook(order)
        let headers = [
            ("Content-Type", "application/json"), ("X-Shopify-Topic", "orders/create"),
            ("X-Shopify-Hmac-Sha256", DemoOrder.signature(body, secret: demo.webhookSecret)),
            ("X-Shopify-Webhook-Id", "order-\(order)"),
        ]
        let url = "http://127.0.0.1:\(port)/v1/hooks/\(demo.tenant)/\(demo.connection)"
        let answer = try? await client.send(.init("POST", url, headers: headers, body: body), deadline: .seconds(20))
        return answer?.status == 200
    }

    // MARK: Time

    /// Lets so many of the follow-ups fall due now that would in some days.
    func makeDue(_ count: Int) async throws {
        let now = environment.clock.now()
        _ = try await database.superuser.execute(
            """
            UPDATE schedule
               SET due_at = \(now)
             WHERE id IN (SELECT id
                            FROM schedule
                           WHERE kind = \(RunDueWorkflow.kind) AND due_at > \(now)
                           ORDER BY id
                           LIMIT \(count))
            """
        )
    }

    // MARK: Looking

    func number(_ statement: SQL) async throws -> Int {
        guard let row = try await database.superuser.execute(statement).first else { return 0 }
        return try row.decode(Int.self)
    }

    /// Waits until nothing of a program that was killed is at the database any more.
    func waitForSessions() async throws {
        try await eventually {
            try await number(
                """
                SELECT count(*) FROM pg_stat_activity
                 WHERE datname = current_database() AND usename = 'aftercare_worker'
                """
            ) == 0
        }
    }

    func messages(in state: Message.State) async throws -> Set<String> {
        let rows = try await database.superuser.execute("SELECT id FROM messages WHERE state = \(state.rawValue)")
        return Set(try rows.decode(UUID.self).map { MessageID($0).description })
    }

    /// Waits until every order's follow-ups have ended, whatever the end.
    func settle(orders: Int, within limit: Duration) async throws {
        do {
            try await eventually(within: limit) {
                try await makeDue(1_000_000)
                let ended = try await number("SELECT count(*) FROM messages WHERE state NOT IN ('queued', 'sending')")
                let open = try await number("SELECT count(*) FROM jobs WHERE state <> 'failed'")
                return ended == orders * Self.parcels && open == 0
            }
        } catch is NeverHappened {
            let jobs = try await database.superuser.execute(
                "SELECT kind || ' ' || state || ' ' || coalesce(last_error, ''), count(*) FROM jobs GROUP BY 1 ORDER BY 1"
            ).decode((String, Int).self)
            let waiting = try await number("SELECT count(*) FROM schedule")
            let losses = try await losses(orders: orders)
            throw NeverHappened(description: "not settled: \(losses), jobs \(jobs), scheduled \(waiting)")
        }
    }

    /// What was to come of so many orders, and did not.
    func losses(orders: Int) async throws -> [String] {
        let expected = [
            "orders": (try await number("SELECT count(*) FROM orders WHERE is_complete"), orders),
            "applied webhooks": (
                try await number("SELECT count(DISTINCT order_id) FROM inbound_events WHERE state = 'applied'"), orders
            ),
            "webhooks nobody applied": (
                try await number("SELECT count(*) FROM inbound_events WHERE state <> 'applied'"), 0
            ),
            "deliveries": (
                try await number("SELECT count(*) FROM facts WHERE kind = 'delivered'"), orders * Self.parcels
            ),
            "messages": (try await number("SELECT count(*) FROM messages"), orders * Self.parcels),
            "failed jobs": (try await number("SELECT count(*) FROM jobs WHERE state = 'failed'"), 0),
        ]
        return expected.filter { $0.value.0 != $0.value.1 }.map { "\($0.key): \($0.value.0) and not \($0.value.1)" }
    }

    /// The messages the mail server took more than once.
    var sentTwice: [String] {
        sink.taken.reduce(into: [String: Int]()) { $0[$1, default: 0] += 1 }.filter { $0.value > 1 }.map(\.key)
    }
}
