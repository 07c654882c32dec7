import Curl
import Foundation
import JSON
import Postgres
import Support
import Testing
import Time

@testable import Aftercare

/// Real orders of a real marketplace, as a shop of any kind would import its past. `olist.py` makes lines of them, and
/// reckons from the source what they come to.
///
/// A part of them by default; `AFTERCARE_OLIST=full` takes all 22,944.
@Suite(.enabled(if: SharedData.isThere, "\(SharedData.absent)"), .serialized, .timeLimit(.minutes(10)))
struct OlistTests {
    private static let isFull = ProcessInfo.processInfo.environment["AFTERCARE_OLIST"] == "full"

    private static func olist(_ count: Int, _ mode: String) throws -> String {
        let script = "\(TestCluster.repository)/Tests/AftercareTests/Imports/olist.py"
        return try ChildProcess.output(
            of: MailSink.python,
            ["-B", script, SharedData.url("olist").path, "\(count)", mode]
        )
    }

    // domain.md 5, cases 16 and 25.
    @Test func `add up to the source exactly, start nothing, and change nothing the second time`() async throws {
        let count = Self.isFull ? 100_000 : 4000
        let tenant = try await TestTenant.make()
        let source = try JSON(parsing: try Self.olist(count, "totals"))
        let file = Array(try Self.olist(count, "lines").utf8)
        let orders = try #require(source["orders"]?.int64Value)
        let began = ContinuousClock.now
        let done = try await tenant.importFile(file, within: .seconds(400))
        print("    \(orders) orders imported in \(began.duration(to: .now))")
        #expect(done["state"] == "succeeded" && ImportFile.tally(done) == ["created": Int(orders)])
        try await expect(source, of: tenant)
        let before = try await versions(of: tenant)
        let again = try await tenant.importFile(file, within: .seconds(400))
        #expect(ImportFile.tally(again) == ["unchanged": Int(orders)])
        #expect(try await versions(of: tenant) == before)
        try await tenant.settle()
        try await tenant.advance(days: 60)
        for table in ["runs", "messages"] { #expect(try await tenant.get("/v1/\(table)")["data"] == []) }
    }

    private func expect(_ source: JSON, of tenant: TestTenant) async throws {
        let id = tenant.id.uuid
        let statuses = try await tenant.rows(
            "SELECT fulfillment_status_raw, count(*) FROM orders WHERE tenant_id = \(id) GROUP BY 1"
        ).decode((String, Int).self)
        let expected = source["statuses"]?.objectValue?.map { ($0.name, Int($0.value.int64Value ?? -1)) } ?? []
        #expect(Dictionary(uniqueKeysWithValues: statuses) == Dictionary(uniqueKeysWithValues: expected))
        let counts: [(String, SQL)] = [
            ("lines", "SELECT count(*) FROM order_lines WHERE tenant_id = \(id)"),
            (
                "without_lines",
                """
                SELECT count(*) FROM orders WHERE tenant_id = \(id)
                   AND NOT EXISTS (SELECT FROM order_lines WHERE tenant_id = \(id) AND order_id = orders.id)
                """
            ),
            ("prices", "SELECT sum(unit_price * quantity)::bigint FROM order_lines WHERE tenant_id = \(id)"),
            ("totals", "SELECT sum(total)::bigint FROM orders WHERE tenant_id = \(id) AND currency = 'BRL'"),
            ("with_delivery_time", "SELECT count(*) FROM tracking_events WHERE tenant_id = \(id)"),
            ("delivered", "SELECT count(*) FROM shipments WHERE tenant_id = \(id) AND status = 'delivered'"),
            ("delivered", "SELECT count(*) FROM facts WHERE tenant_id = \(id) AND kind = 'delivered'"),
            (
                "cancelled_and_delivered",
                """
                SELECT count(*) FROM orders JOIN shipments ON order_id = orders.id
                 WHERE orders.tenant_id = \(id) AND lifecycle_status = 'cancelled' AND delivered_at IS NOT NULL
                """
            ),
        ]
        for (name, statement) in counts {
            #expect(try await tenant.count(statement) == source[name]?.int64Value.map { Int($0) }, "\(name)")
        }
        // Handed over is also what was delivered and has no time of that.
        let handedOver = try #require(source["handed_over"]?.int64Value)
        #expect(
            try await tenant.count(
                "SELECT count(*) FROM shipments WHERE tenant_id = \(id) AND shipped_at IS NOT NULL"
            ) >= Int(handedOver)
        )
    }

    private func versions(of tenant: TestTenant) async throws -> [String] {
        try await tenant.rows(
            """
            SELECT md5(string_agg(external_id || version || updated_at, '' ORDER BY external_id))
              FROM orders WHERE tenant_id = \(tenant.id.uuid)
            """
        ).decode(String.self)
    }

    // domain.md 5, case 22.
    @Test func `killed on the way and started again, the import ends as if nothing had happened`() async throws {
        let count = Self.isFull ? 22_944 : 3000
        let file = Array(try Self.olist(count, "lines").utf8)
        try await MigratedDatabase.run { database in
            let shop = try await ImportingShop(database)
            // Before and after a piece is written, and at any moment.
            for end in ["import_before_commit:2", "import_after_commit:2", "import_before_commit:1", ""] {
                let program = try shop.start(failpoint: end)
                defer { program.strike() }
                #expect(try await program.isReady(shop.client))
                try await shop.upload(file, unlessRunning: true)
                if end.isEmpty {
                    try await Task.sleep(for: .milliseconds(300))
                } else {
                    #expect(try await program.dies(within: .seconds(30)), "\(end)")
                }
                await program.kill()
            }
            let survivor = try shop.start()
            defer { survivor.strike() }
            #expect(try await survivor.isReady(shop.client))
            let done = try await shop.finished()
            #expect(done["state"] == "succeeded" && ImportFile.tally(done) == ["created": count], "\(done)")
            // An import of another shop, by the same program, that nobody disturbs.
            let other = try await ImportingShop(database, port: shop.port)
            try await other.upload(file, unlessRunning: false)
            #expect(ImportFile.tally(try await other.finished()) == ["created": count])
            let (disturbed, undisturbed) = (
                try await ImportFile.mirror(of: shop.demo.tenant, in: database),
                try await ImportFile.mirror(of: other.demo.tenant, in: database)
            )
            for (table, rows) in undisturbed { #expect(disturbed[table] == rows, "\(table)") }
            try await shop.upload(file, unlessRunning: false)
            #expect(ImportFile.tally(try await shop.finished()) == ["unchanged": count])
            for table in ["runs", "messages", "jobs", "import_chunks"] {
                let rows = try await database.superuser.execute("SELECT count(*) FROM \(unsafe: table)")
                let left: Int = try rows.first?.decode(Int.self) ?? -1
                #expect(left == 0, "\(table)")
            }
            await survivor.kill()
            await shop.end()
            await other.end()
        }
    }
}

/// A shop that imports through the built program, in a process of its own.
private struct ImportingShop: Sendable {
    let database: MigratedDatabase
    let demo: DemoStore
    let port: Int
    let client = HTTPClient()
    private let environment: Environment
    private let token: String

    init(_ database: MigratedDatabase, port: Int? = nil) async throws {
        self.database = database
        self.port = try port ?? FreePort.find()
        environment = try await Mailroom.environment(database.appURL, database)
        demo = try await DemoStore.create(environment)
        token = demo.apiKey
    }

    func end() async { await environment.pool.shutDown() }

    func start(failpoint: String = "") throws -> ProgramProcess {
        try ProgramProcess(
            port: port,
            settings: [
                "AFTERCARE_DATABASE_URL": database.workerURL,
                "AFTERCARE_MAIL_DIRECTORY": "/nonexistent",
                "AFTERCARE_WORK_LEASE_SECONDS": "2",
                // The tests look at it again and again.
                "AFTERCARE_RATE_KEY_PER_MINUTE": "1000000",
                "AFTERCARE_FAILPOINT": failpoint,
            ]
        )
    }

    private func send(_ method: String, _ path: String, body: [UInt8] = []) async throws -> Answer {
        var headers = [("Authorization", "Bearer \(token)")]
        if !body.isEmpty { headers.append(("Content-Type", "application/x-ndjson")) }
        let request = HTTPClient.Request(method, "http://127.0.0.1:\(port)\(path)", headers: headers, body: body)
        return Answer(try await client.send(request, deadline: .seconds(30)))
    }

    /// Sends the file; a program may have died before it had all of it, or may be at it still.
    func upload(_ file: [UInt8], unlessRunning isResuming: Bool) async throws {
        if isResuming, try await latest()?["state"] == "running" { return }
        let answer = try? await send("POST", "/v1/stores/\(demo.store)/imports", body: file)
        if !isResuming, answer?.status != 202 { throw NeverHappened(description: "\(answer?.json ?? .null)") }
    }

    private func latest() async throws -> JSON? {
        try await send("GET", "/v1/imports?limit=1")["data"]?[0]
    }

    func finished() async throws -> JSON {
        var found: JSON = .null
        try await eventually(within: .seconds(300)) {
            found = try await latest() ?? .null
            return found["state"] == "succeeded" || found["state"] == "failed"
        }
        return found
    }
}
