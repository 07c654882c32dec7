import Curl
import Foundation
import Logging
import Observability
import Postgres
import Support
import Time

@testable import Aftercare
@testable import Jobs

/// A database of a test's own with a demo tenant in it, and workers that send its messages to a real mail server.
struct Mailroom: Sendable {
    let database: MigratedDatabase
    let environment: Environment
    let demo: DemoStore
    let sink: MailSink

    static func run<Result>(
        _ options: [String] = [],
        isolation: isolated (any Actor)? = #isolation,
        _ body: (Mailroom) async throws -> Result
    ) async throws -> Result {
        try await MailSink.run(options) { sink in
            try await MigratedDatabase.run { database in
                let environment = try await Self.environment(database.workerURL, database)
                let demo = try await DemoStore.create(environment)
                let room = Mailroom(database: database, environment: environment, demo: demo, sink: sink)
                let result = try await body(room)
                await environment.pool.shutDown()
                return result
            }
        }
    }

    /// Everything the program works with, by this way to the database.
    static func environment(_ url: String, _ database: MigratedDatabase) async throws -> Environment {
        let config = try TestServer.config(database, "/nonexistent", with: ["AFTERCARE_DATABASE_URL": url])
        let program = Program(config, logger: Logger(label: "mailroom") { _ in SwiftLogNoOpLogHandler() })
        let pool = program.pool()
        return try program.environment(pool, try await DatabaseClock(pool))
    }

    var tenant: TenantID { demo.tenant }

    // MARK: Sending

    func transport(
        _ security: SMTPClient.Security = .none,
        port: Int? = nil,
        user: String? = nil,
        password: String? = nil,
        trusting authorities: String? = nil,
        deadline: Duration = .seconds(30)
    ) -> SMTPTransport {
        let server = SMTPClient.Server(
            host: "127.0.0.1",
            port: port ?? sink.port,
            security: security,
            username: user,
            password: password,
            trustedAuthorities: authorities
        )
        return SMTPTransport(client: SMTPClient(server), deadline: deadline)
    }

    /// Runs a worker that sends, for the length of `body`.
    @discardableResult
    func sending<Result>(
        by transport: SMTPTransport? = nil,
        _ environment: Environment? = nil,
        isolation: isolated (any Actor)? = #isolation,
        _ body: () async throws -> Result
    ) async throws -> Result {
        var settings = Worker.Settings()
        settings.poll = .milliseconds(10)
        settings.sweep = .milliseconds(20)
        let environment = environment ?? self.environment
        let worker = Worker(
            pool: environment.pool,
            clock: environment.clock,
            handlers: [DeliverMessage(environment, transport: transport ?? self.transport()).handler],
            settings: settings,
            logger: environment.logger
        )
        return try await withThrowingDiscardingTaskGroup { group in
            group.addTask { await worker.run() }
            defer { worker.stop() }
            return try await body()
        }
    }

    // MARK: Looking

    /// The message and its tries.
    func look(_ id: MessageID) async throws -> (message: Message, attempts: [Message.Attempt]) {
        let rows = try await environment.pool.transaction(
            environment.settings(for: tenant.uuid),
            MessageStore.message(id, tenant: tenant),
            MessageStore.attempts(id, tenant: tenant)
        )
        guard let row = rows[0].first else { throw NeverHappened(description: "no message \(id)") }
        return (try MessageStore.decode(row), try rows[1].map(MessageStore.decodeAttempt))
    }

    /// Waits until the message is in this state.
    @discardableResult
    func wait(
        for id: MessageID,
        _ state: Message.State,
        tries: Int? = nil
    ) async throws -> (message: Message, attempts: [Message.Attempt]) {
        try await eventually {
            let (message, attempts) = try await look(id)
            return message.state == state && attempts.count == tries ?? attempts.count
                && attempts.allSatisfy { $0.outcome != nil }
        }
        return try await look(id)
    }

    /// The jobs about a message: their states and when they run.
    func jobs(_ id: MessageID) async throws -> [(state: String, runAt: Instant)] {
        try await database.superuser.execute(
            "SELECT state, run_at FROM jobs WHERE tenant_id = \(tenant.uuid) AND subject_id = \(id.uuid)"
        ).decode((String, Instant).self).map { (state: $0.0, runAt: $0.1) }
    }

    /// Something done behind the program's back.
    func execute(_ statement: SQL) async throws { _ = try await database.superuser.execute(statement) }

    func setClock(_ text: String) async throws {
        let instant = try Instant.at(text)
        try await execute("UPDATE stores SET test_clock = \(instant) WHERE tenant_id = \(tenant.uuid)")
    }

    func makeDue() async throws {
        try await execute("UPDATE jobs SET run_at = \(environment.clock.now()) WHERE state = 'ready'")
    }
}

/// A message as a run of the demo store's workflow leaves it: queued, with a job that sends it.
struct MessageSeed {
    var recipient = "ada@customer.example"
    var messageClass = MessageClass.transactional
    var notAfter: Instant?
    var sender = "Demo Store <help@demo.example>"
    var subject = "About your order"
    var body = "Hello,\n\n.a line that begins with a dot\n"
    /// The parcel it is about, and that parcel's status.
    var parcel: (id: String, status: String)?
    /// As a crash leaves it: marked.
    var isInterrupted = false
    /// Nobody knew of its last try.
    var isUnknown = false
    var hasJob = true

    func insert(_ demo: DemoStore, _ environment: Environment) async throws -> MessageID {
        let (tenant, store, now) = (demo.tenant, demo.store, environment.clock.now())
        let (order, run, trigger) = (OrderID.new(), RunID.new(), UUID.v7())
        let message = Message(
            id: .new(),
            store: store,
            order: order,
            run: run,
            effectKey: "seed:\(order)",
            messageClass: messageClass,
            notAfter: notAfter,
            state: .queued,
            reason: nil,
            attempts: 0,
            createdAt: now,
            updatedAt: now
        )
        var statements: [SQL] = [
            """
            INSERT INTO orders (tenant_id, id, store_id, external_id, financial_status, created_at, updated_at)
                 VALUES (\(tenant.uuid), \(order.uuid), \(store.uuid), \(order.description), 'paid', \(now), \(now))
            """,
            """
            INSERT INTO runs (tenant_id, id, store_id, order_id, workflow_id, workflow_version, policy_version, trigger,
                              trigger_id, outcome, reason, facts, facts_hash, plan, decided_at, created_at)
                 SELECT tenant_id, \(run.uuid), store_id, \(order.uuid), id, version, 1, 'schedule:follow_up',
                        \(trigger), 'acted', 'due', '{}', '', '{}', \(now), \(now)
                   FROM workflows
                  WHERE tenant_id = \(tenant.uuid) AND template = 'post_purchase_follow_up'
            """,
            MessageStore.insert(message, tenant: tenant),
            MessageStore.insert(
                Message.Request(sender: sender, recipient: recipient, subject: subject, body: body),
                of: message,
                tenant: tenant
            ),
        ]
        if let parcel {
            statements += [
                """
                INSERT INTO fired (tenant_id, schedule_id, store_id, kind, rule_id, subject_id, occurrence, due_at)
                     VALUES (\(tenant.uuid), \(trigger), \(store.uuid), 'follow_up_due', \(run.uuid), \(order.uuid),
                             \(parcel.id), \(now))
                """,
                """
                INSERT INTO shipments (tenant_id, id, store_id, order_id, external_id, status, created_at, updated_at)
                     VALUES (\(tenant.uuid), \(UUID.v7()), \(store.uuid), \(order.uuid), \(parcel.id),
                             \(parcel.status), \(now), \(now))
                """,
            ]
        }
        if isUnknown || isInterrupted {
            statements += MessageStore.beginAttempt(1, of: message, tenant: tenant, now: now)
        }
        if isUnknown {
            let id = message.id
            statements += [
                MessageStore.settle(id, tenant: tenant, after: 1, as: .unknown, reason: "timedOut", now: now),
                MessageStore.endAttempt(1, of: id, tenant: tenant, .unknown, detail: "timedOut", now: now),
            ]
        }
        if hasJob { statements.append(JobStore.enqueue(DeliverMessage.job(for: message, tenant, at: now), now: now)) }
        _ = try await environment.pool.transaction(environment.settings(for: tenant.uuid), statements)
        return message.id
    }
}

extension Mailroom {
    func message(_ change: (inout MessageSeed) -> Void = { _ in }) async throws -> MessageID {
        var seed = MessageSeed()
        change(&seed)
        return try await seed.insert(demo, environment)
    }

    func message(to recipient: String) async throws -> MessageID {
        try await message { $0.recipient = "\(recipient)@customer.example" }
    }
}
