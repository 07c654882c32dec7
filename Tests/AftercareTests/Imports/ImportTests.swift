import Foundation
import JSON
import Jobs
import Postgres
import Support
import Testing
import Time

@testable import Aftercare

/// `POST /v1/stores/{store_id}/imports`, over real HTTP and the worker beside it.
@Suite(.timeLimit(.minutes(3))) struct ImportTests {
    private func order(_ id: String, _ changes: [(String, JSON)] = []) -> JSON {
        changes.reduce(PutBody.order.with("external_id", .string(id))) { $0.with($1.0, $1.1) }
    }

    private static func at(_ day: Int) -> JSON { .string("2026-05-\(day < 10 ? "0" : "")\(day)T10:00:00Z") }

    // domain.md 5, case 25.
    @Test func `it starts nothing, then or later`() async throws {
        let tenant = try await TestTenant.make()
        let now = tenant.server.environment.clock.now()
        let delivered = PutBody.delivered(at: now - .seconds(90_000), asOf: now - .seconds(80_000))
        let lines = (1...700).map { delivered.with("external_id", .string("H-\($0)")) }
        #expect(ImportFile.tally(try await tenant.importOrders(lines)) == ["created": 700])
        try await tenant.settle()
        #expect(try await tenant.count("SELECT count(*) FROM facts WHERE tenant_id = \(tenant.id.uuid)") == 2800)
        try await tenant.advance(days: 60)
        for table in ["runs", "messages"] { #expect(try await tenant.get("/v1/\(table)")["data"] == []) }
        let scheduled: SQL = """
            SELECT count(*) FROM schedule
             WHERE tenant_id = \(tenant.id.uuid) AND kind NOT IN ('sweep_expired', 'check_connection')
            """
        #expect(try await tenant.count(scheduled) == 0)
        // Nor does it make a living order one of the past.
        let living = try await TestTenant.make()
        _ = try await living.put(PutBody.order)
        let newer = order("A-1", [("as_of", Self.at(9)), ("number", "A-2")])
        #expect(ImportFile.tally(try await living.importOrders([newer])) == ["updated": 1])
        let answer = try await living.get("/v1/stores/\(living.store)/orders/by-external-id/A-1")
        #expect(answer["historical"] == false && answer["number"] == "A-2" && answer["version"] == 2)
    }

    @Test func `the same file again changes nothing at all`() async throws {
        let tenant = try await TestTenant.make()
        let file = ImportFile.lines((1...40).map { order("A-\($0)") } + [order("A-7", [("as_of", Self.at(5))])])
        #expect(ImportFile.tally(try await tenant.importFile(file)) == ["created": 40, "updated": 1])
        func rows() async throws -> [String] {
            let rows = try await tenant.server.database.superuser.execute(
                "SELECT t::text || t.xmin::text FROM orders AS t WHERE tenant_id = \(tenant.id.uuid) ORDER BY 1"
            )
            return try rows.decode(String.self)
        }
        let before = try await rows()
        let again = try await tenant.importFile(file)
        #expect(ImportFile.tally(again) == ["unchanged": 40, "stale": 1])
        #expect(try await rows() == before, "not even written anew")
        #expect(try await tenant.count("SELECT count(*) FROM import_chunks WHERE tenant_id = \(tenant.id.uuid)") == 0)
    }

    // MARK: What is wrong

    @Test func `lines that are wrong do not stop the others, and can be looked up page by page`() async throws {
        let tenant = try await TestTenant.make()
        var lines: [String] = []
        for number in 1...1200 {
            switch number % 100 {
            case 0: lines.append("{\"external_id\": \"B-\(number)\", \"as_of\": 3")
            case 50: lines.append(order("B-\(number)", [("total", nil), ("colour", "red")]).serialized)
            case 60: lines.append("")
            default: lines.append(order("B-\(number)").serialized)
            }
        }
        let done = try await tenant.importFile(Array(lines.joined(separator: "\n").utf8))
        #expect(ImportFile.tally(done) == ["created": 1164, "rejected": 24])
        #expect(done["lines"] == 1188 && done["state"] == "succeeded")
        let path = "/v1/imports/\(done["id"]?.stringValue ?? "")/errors"
        var (found, next): ([JSON], String?) = ([], "\(path)?limit=7")
        while let target = next {
            let page = try await tenant.get(target)
            found += page["data"]?.arrayValue ?? []
            next = page["next_cursor"]?.stringValue.map { "\(path)?limit=7&cursor=\($0)" }
        }
        #expect(found.compactMap { $0["line"]?.int64Value } == (1...24).map { $0 * 50 })
        #expect(found[0]["code"] == "validation_failed" && found[0]["external_id"] == "B-50")
        #expect(found[0]["errors"]?.arrayValue?.compactMap { $0["pointer"]?.stringValue } == ["#/total", "#/colour"])
        #expect(found[1]["code"] == "malformed_json" && found[1]["external_id"] == .null && found[1]["errors"] == [])
        let operation = try await tenant.get("/v1/operations/\(done["operation_id"]?.stringValue ?? "")")
        #expect(operation["state"] == "succeeded" && operation["progress"] == 1188)
        #expect(operation["kind"] == "import_orders")
    }

    /// None of which anybody knows is left, so the database is given one more rule for this tenant: of a line's title
    /// there may be one.
    @Test func `a line that the database does not take is found, and does not stop the others`() async throws {
        let tenant = try await TestTenant.make()
        let refused: JSON = [["external_id": "1", "title": "Refused", "quantity": 1]]
        #expect(try await tenant.put(PutBody.order.with("lines", refused)).status == 201)
        let name = "refused_\(tenant.id.uuid.uuidString.lowercased().replacing("-", with: "_"))"
        try await tenant.server.database.superuser.script(
            """
            CREATE UNIQUE INDEX \(name) ON order_lines (tenant_id, title)
             WHERE tenant_id = '\(tenant.id.uuid)' AND title = 'Refused'
            """
        )
        var lines = (1...60).map { order("D-\($0)") }
        for place in [0, 17, 59] { lines[place] = lines[place].with("lines", refused) }
        let done = try await tenant.importOrders(lines)
        #expect(done["state"] == "succeeded")
        #expect(ImportFile.tally(done) == ["created": 57, "rejected": 3])
        let errors = try await tenant.get("/v1/imports/\(done["id"]?.stringValue ?? "")/errors")
        #expect(errors["data"]?.arrayValue?.compactMap { $0["line"]?.int64Value } == [1, 18, 60])
        #expect(errors["data"]?[0]?["external_id"] == "D-1" && errors["data"]?[0]?["code"] == "internal")
    }

    @Test func `an empty file, another media type and a file that is too large are refused`() async throws {
        let tenant = try await TestTenant.make()
        for empty in ["", "\n \r\n"] {
            let refused = try await tenant.upload(Array(empty.utf8))
            #expect(refused.status == 422 && refused.pointers == ["#"])
        }
        let path = "/v1/stores/\(tenant.store)/imports"
        #expect(try await tenant.send("POST", path, [:]).status == 415)
        #expect(try await tenant.upload(Array("{}".utf8), store: .new()).status == 404)
        let large = [UInt8](repeating: UInt8(ascii: "\n"), count: Import.maximumBytes + 1)
        #expect(try await tenant.upload(large).status == 413)
        #expect(try await tenant.get("/v1/imports")["data"] == [], "nothing is left of them")
        #expect(try await tenant.count("SELECT count(*) FROM import_chunks WHERE tenant_id = \(tenant.id.uuid)") == 0)
    }

    @Test func `an upload that breaks off leaves nothing, however its length was told`() async throws {
        let tenant = try await TestTenant.make()
        let line = order("A-1").serialized + "\n"
        let chunk = "\(String(line.utf8.count, radix: 16))\r\n\(line)\r\n"
        let port = try #require(Int(tenant.server.baseURL.split(separator: ":").last ?? ""))
        for (header, body) in [("Content-Length: 100000", line), ("Transfer-Encoding: chunked", chunk)] {
            do {
                let socket = try RawSocket(port: port)
                #expect(
                    socket.send(
                        "POST /v1/stores/\(tenant.store)/imports HTTP/1.1\r\nHost: a\r\n\(header)\r\n"
                            + "Authorization: Bearer \(tenant.owner)\r\nContent-Type: application/x-ndjson\r\n\r\n\(body)"
                    )
                )
                try await eventually { try await tenant.get("/v1/imports")["data"]?.arrayValue?.count == 1 }
            }
            try await eventually { try await tenant.get("/v1/imports")["data"] == [] }
        }
        #expect(try await tenant.get("/v1/orders")["data"] == [])
    }

    @Test func `an upload that takes too long is told so, and leaves nothing`() async throws {
        let tenant = try await TestTenant.make()
        try await OwnServer.run(["AFTERCARE_HTTP_BODY_SECONDS": "1"]) { server in
            let socket = try RawSocket(port: server.port)
            let head =
                "POST /v1/stores/\(tenant.store)/imports HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n"
                + "Authorization: Bearer \(tenant.owner)\r\nContent-Type: application/x-ndjson\r\n\r\n"
            #expect(socket.send(head + order("A-1").serialized + "\n"))
            let (text, _) = try await socket.untilClosed(within: .seconds(20))
            #expect(text.hasPrefix("HTTP/1.1 408") && text.contains("request_timeout"), "\(text)")
        }
        try await eventually { try await tenant.get("/v1/imports")["data"] == [] }
    }

    @Test func `what broken uploads left and old imports are swept, and nothing of what runs`() async throws {
        let tenant = try await TestTenant.make()
        let (now, day) = (tenant.server.environment.clock.now(), 86_400)
        var statements: [SQL] = []
        var ids: [String: UUID] = [:]
        let imports = [
            ("broken", "uploading", 2), ("runs", "running", 2), ("old", "succeeded", 91), ("new", "failed", 89),
        ]
        for (name, state, age) in imports {
            let madeAt = now - .seconds(age * day)
            let id = UUIDv7Source { UInt64(madeAt.microseconds) * 1000 }.next()
            let isOver = age > 2
            ids[name] = id
            statements += [
                """
                INSERT INTO imports (tenant_id, id, store_id, state, error, created_at, finished_at)
                     VALUES (\(tenant.id.uuid), \(id), \(tenant.store.uuid), \(state),
                             \(state == "failed" ? "E" : nil), \(madeAt), \(isOver ? madeAt : nil))
                """,
                isOver
                    ? """
                    INSERT INTO import_errors (tenant_id, import_id, line, store_id, code, detail, errors)
                         VALUES (\(tenant.id.uuid), \(id), 1, \(tenant.store.uuid), 'internal', '', '[]')
                    """
                    : """
                    INSERT INTO import_chunks (tenant_id, import_id, number, store_id, first_line, bytes)
                         VALUES (\(tenant.id.uuid), \(id), 0, \(tenant.store.uuid), 1, \(Bytea([10])))
                    """,
            ]
        }
        _ = try await tenant.server.environment.pool.transaction(tenant.settings, statements)
        for subject in [Retention.Subject.importChunks, .importErrors, .imports] {
            let end = now - subject.kept(bodies: .zero)
            let swept = try await tenant.rows(
                RetentionStore.delete(subject, tenant: tenant.id.uuid, before: end, limit: 10, now: now)
            )
            #expect(swept.affected == 1, "\(subject)")
        }
        func left(_ table: String, _ column: String) async throws -> Set<UUID> {
            let rows = try await tenant.rows(
                "SELECT \(unsafe: column) FROM \(unsafe: table) WHERE tenant_id = \(tenant.id.uuid)"
            )
            return Set(try rows.decode(UUID.self))
        }
        #expect(try await left("imports", "id") == Set(["broken", "runs", "new"].compactMap { ids[$0] }))
        #expect(try await left("import_chunks", "import_id") == Set([ids["runs"]].compactMap { $0 }))
        #expect(try await left("import_errors", "import_id") == Set([ids["new"]].compactMap { $0 }))
    }

    // MARK: Once

    @Test func `with an Idempotency-Key the first answer is given again, and another file is refused`() async throws {
        let tenant = try await TestTenant.make()
        let (file, key) = (ImportFile.lines([order("A-1")]), [("Idempotency-Key", "one")])
        let first = try await tenant.upload(file, headers: key)
        let again = try await tenant.upload(file, headers: key)
        #expect(first.status == 202 && again.status == 202 && again.json == first.json)
        #expect(again.header("Idempotent-Replayed") == "true" && again.header("Location") == first.header("Location"))
        let other = try await tenant.upload(ImportFile.lines([order("A-2")]), headers: key)
        #expect(other.status == 422 && other.code == "idempotency_key_reused")
        for _ in 0..<2 {
            let empty = try await tenant.upload([], headers: [("Idempotency-Key", "two")])
            #expect(empty.status == 422 && empty.pointers == ["#"])
        }
        #expect(try await tenant.get("/v1/imports")["data"]?.arrayValue?.count == 1)
        try await tenant.settle()
        #expect(try await tenant.get("/v1/orders")["data"]?.arrayValue?.count == 1)
    }

    @Test func `one at a time runs for a store, and one that nobody goes on with is no more`() async throws {
        let tenant = try await TestTenant.make()
        let file = ImportFile.lines([order("A-1")])
        _ = try await tenant.importFile(file)
        // As a worker leaves it that died under it time after time: running, and its job set aside.
        let pool = tenant.server.environment.pool
        func leave(_ state: String, _ id: UUID) -> [SQL] {
            [
                """
                INSERT INTO operations (tenant_id, id, store_id, kind, state, created_at)
                     VALUES (\(tenant.id.uuid), \(id), \(tenant.store.uuid), 'import_orders', 'running',
                             \(Instant(seconds: 1_800_000_000)))
                """,
                """
                INSERT INTO imports (tenant_id, id, store_id, state, created_at)
                     VALUES (\(tenant.id.uuid), \(id), \(tenant.store.uuid), 'running', \(Instant(seconds: 1_800_000_000)))
                """,
                """
                INSERT INTO jobs (tenant_id, id, store_id, kind, subject_id, run_at, created_at, state)
                     VALUES (\(tenant.id.uuid), \(UUID.v7()), \(tenant.store.uuid), 'import_orders', \(id),
                             \(Instant(seconds: 4_000_000_000)), \(Instant(seconds: 1_800_000_000)), \(state))
                """,
            ]
        }
        let id = UUID.v7()
        _ = try await pool.transaction(tenant.settings, leave("ready", id))
        for key in [[], [("Idempotency-Key", "one")]] {
            let refused = try await tenant.upload(file, headers: key)
            #expect(refused.status == 409 && refused.code == "state_conflict")
            #expect(refused.header("Retry-After") == "10")
        }
        _ = try await tenant.rows("UPDATE jobs SET state = 'failed' WHERE tenant_id = \(tenant.id.uuid)")
        // That one ran is not kept as the answer.
        let begun = try await tenant.upload(file, headers: [("Idempotency-Key", "one")])
        #expect(begun.status == 202)
        _ = try await tenant.rows("DELETE FROM jobs WHERE tenant_id = \(tenant.id.uuid) AND state = 'failed'")
        try await tenant.settle()
        #expect(try await tenant.get(begun.header("Location") ?? "")["state"] == "succeeded")
        let left = try await tenant.get("/v1/imports/\(ImportID(id))")
        #expect(left["state"] == "failed" && left["error"]?.stringValue?.isEmpty == false)
    }

    @Test func `two workers at one import take turns, and no piece is taken twice`() async throws {
        let tenant = try await TestTenant.make()
        let lines = (1...2600).map { order("W-\($0)") }
        let begun = try await tenant.upload(ImportFile.lines(lines))
        let id = try #require(begun["id"]?.stringValue.flatMap { ImportID($0) })
        // A second job for the same import: what a worker is that lost its lease and does not know.
        let job = ImportOrders.job(
            for: Import(
                id: id,
                store: tenant.store,
                state: .running,
                byteCount: 0,
                lineCount: 0,
                tally: .init(),
                createdAt: Instant(seconds: 0)
            ),
            tenant.id,
            now: tenant.server.environment.clock.now()
        )
        _ = try await tenant.rows(JobStore.enqueue(job, now: job.runAt))
        try await tenant.settle()
        let done = try await tenant.get("/v1/imports/\(id)")
        #expect(done["state"] == "succeeded" && ImportFile.tally(done.json) == ["created": 2600])
        #expect(try await tenant.count("SELECT count(*) FROM orders WHERE tenant_id = \(tenant.id.uuid)") == 2600)
    }

    @Test func `a key of another store sees nothing of it, and who may only read sends nothing`() async throws {
        let tenant = try await TestTenant.make()
        let done = try await tenant.importOrders([order("A-1"), ["external_id": "A-2"]])
        let path = "/v1/imports/\(done["id"]?.stringValue ?? "")"
        let other = try await tenant.addStore()
        let bound = try await tenant.key([.ordersRead, .ordersWrite], store: other)
        #expect(try await tenant.get(path, as: bound).status == 404)
        #expect(try await tenant.get("\(path)/errors", as: bound).status == 404)
        #expect(try await tenant.get("/v1/imports", as: bound)["data"] == [])
        #expect(try await tenant.upload(ImportFile.lines([order("A-3")]), as: bound).status == 404)
        let reader = try await tenant.key([.ordersRead])
        #expect(try await tenant.upload(ImportFile.lines([order("A-3")]), as: reader).code == "insufficient_scope")
        let listed = try await tenant.get("/v1/imports?store_id=\(tenant.store)", as: reader)
        #expect(listed["data"]?[0]?["id"] == done["id"])
        #expect(try await tenant.get("/v1/imports?store_id=\(other)", as: reader)["data"] == [])
    }
}
