import FoundationEssentials
import JSON
import Jobs
import Postgres
import Schema
import Support
import Testing
import Time

@testable import Aftercare

@Suite(.timeLimit(.minutes(2))) struct RetentionTests {
    // MARK: When

    @Test(arguments: ["Europe/Berlin", "America/New_York", "Pacific/Apia", "Asia/Kolkata", "America/Santiago"])
    func `a store's nights follow each other by local date, whatever the clock does`(
        name: String
    ) throws {
        let zone = try #require(Zone(name))
        let store = StoreID(UUID(bits: 0x2F))
        var now = try Instant.at("2011-12-01T12:00:00Z")
        var last: LocalDate?
        for _ in 0..<800 {
            let night = Retention.nextNight(of: store, in: zone, after: now, laterThan: last)
            #expect(night.due > now && night.due - now <= .seconds(50 * 3600))
            // Apia skipped a whole day: its night is the next one's, and they are one.
            let step = name == "Pacific/Apia" && last.map { "\($0)" } == "2011-12-30" ? 2 : 1
            if let last { #expect(night.date == last.adding(days: step)) }
            #expect("\(night.intent)".hasSuffix("T03:47:00"))
            (now, last) = (night.due, night.date)
        }
    }

    @Test func `missed nights are one, and a store that moves west has none twice`() throws {
        let store = StoreID(UUID(bits: 0))
        let (tokyo, honolulu) = (try #require(Zone("Asia/Tokyo")), try #require(Zone("Pacific/Honolulu")))
        let friday = try #require(LocalDate("2026-05-01"))
        let weekLater = try Instant.at("2026-05-08T12:00:00Z")
        let next = Retention.nextNight(of: store, in: tokyo, after: weekLater, laterThan: friday)
        #expect("\(next.date)" == "2026-05-09")
        // In Honolulu it is Thursday still when Friday's night is over in Tokyo.
        let due = try Instant.at("2026-04-30T18:00:00Z")
        let moved = Retention.nextNight(of: store, in: honolulu, after: due, laterThan: friday)
        #expect("\(moved.date)" == "2026-05-02" && moved.due.rfc3339 == "2026-05-02T13:00:00.000Z")
    }

    @Test func `an id made before an instant is less than the first one of it`() throws {
        let instant = try Instant.at("2026-05-01T00:00:00.123Z")
        let first = ID<JobKind>(UUID.firstV7(at: instant))
        #expect(first.uuid.v7Milliseconds == instant.microseconds / 1000)
        let before = UUIDv7Source { UInt64(instant.microseconds * 1000) - 1 }
        let after = UUIDv7Source { UInt64(instant.microseconds * 1000) }
        #expect(ID<JobKind>(before.next()) < first)
        #expect(first < ID<JobKind>(after.next()) || first == ID<JobKind>(after.next()))
    }

    // MARK: What

    @Test func `a new store has a first night, by real time, which its test clock leaves alone`() async throws {
        let tenant = try await TestTenant.make()
        let store = try await tenant.addStore([("mode", "sandbox")])
        for store in [tenant.store, store] {
            let nights = try await tenant.nights(of: store)
            try #require(nights.count == 1)
            #expect(nights[0].due > tenant.now && nights[0].due < tenant.now + .seconds(26 * 3600))
        }
        try await tenant.advance(days: 60)
        #expect(try await tenant.nights(of: tenant.store).map(\.isOnTestClock) == [false])
        let fired = try await tenant.rows(
            "SELECT schedule_id FROM fired WHERE tenant_id = \(tenant.id.uuid) AND kind = 'sweep_expired'"
        )
        #expect(fired.isEmpty)
    }

    /// Through the worker that runs beside every test: the night's row falls due, becomes a job, and the job deletes.
    @Test func `a night deletes what is old of its tenant alone, and schedules the next night`() async throws {
        let (tenant, other) = (try await TestTenant.make(), try await TestTenant.make())
        for tenant in [tenant, other] { try await tenant.addShortLived(keys: tenant.id == other.id ? 3 : 12_000) }
        let untouched = try await other.counts()
        let added = ["idempotency_keys": 6, "inbound_deliveries": 2, "sessions": 3, "fired": 3, "operations": 3]
        #expect(untouched == added)
        try await tenant.beginNight()
        try await eventually { try await tenant.counts()["operations"] == 2 }
        try await tenant.settle()
        // Of each the young ones; of sessions the owner's own too; of operations one that runs, however old.
        #expect(
            try await tenant.counts()
                == ["idempotency_keys": 12_000, "inbound_deliveries": 1, "sessions": 2, "fired": 2, "operations": 2]
        )
        let kept = try await tenant.rows(
            "SELECT DISTINCT key LIKE 'old%' FROM idempotency_keys WHERE tenant_id = \(tenant.id.uuid)"
        )
        #expect(try kept.decode(Bool.self) == [false])
        #expect(try await other.counts() == untouched)
        let nights = try await tenant.nights(of: tenant.store)
        #expect(nights.count == 1 && nights[0].due > tenant.now)
    }

    @Test func `a night that was fired before makes no second row`() async throws {
        let tenant = try await TestTenant.make()
        for _ in 0..<3 {
            try await tenant.beginNight()
            try await eventually { try await tenant.nights(of: tenant.store).contains { $0.due > tenant.now } }
            try await tenant.settle()
            #expect(try await tenant.nights(of: tenant.store).count == 1)
        }
    }

    @Test func `the migration gives every store there is its first night`() async throws {
        let database = try await MigratedDatabase.empty()
        let before = Migration.all.filter { $0.number < 9 }
        _ = try await Migrator(database.migrator, migrations: before).run()
        let (tenant, store) = (UUID.v7(), UUID.v7())
        let now = Instant(seconds: 1_800_000_000)
        _ = try await database.superuser.transaction(
            [],
            "INSERT INTO tenants (tenant_id, name, created_at) VALUES (\(tenant), 'T', \(now))",
            """
            INSERT INTO stores (tenant_id, id, name, platform, time_zone, currency, locale, mode, created_at, updated_at)
                 VALUES (\(tenant), \(store), 'S', 'other', 'UTC', 'EUR', 'en', 'live', \(now), \(now))
            """
        )
        _ = try await Migrator(database.migrator).run()
        let rows = try await database.superuser.execute(
            "SELECT tenant_id, store_id, rule_id, kind FROM schedule WHERE NOT on_test_clock"
        )
        let found = try rows.decode((UUID, UUID, UUID, String).self)
        #expect(found.count == 1 && found.allSatisfy { $0 == (tenant, store, store, "sweep_expired") })
        try await database.drop()
    }
}

extension TestTenant {
    fileprivate var now: Instant { server.environment.clock.now() }

    fileprivate func nights(of store: StoreID) async throws -> [(due: Instant, isOnTestClock: Bool)] {
        try await rows(
            """
            SELECT due_at, on_test_clock
              FROM schedule
             WHERE tenant_id = \(id.uuid) AND store_id = \(store.uuid) AND kind = 'sweep_expired'
            """
        ).decode((Instant, Bool).self).map { (due: $0.0, isOnTestClock: $0.1) }
    }

    /// Makes the store's next night now.
    fileprivate func beginNight() async throws {
        _ = try await rows(
            """
            UPDATE schedule SET due_at = \(now - .seconds(1))
             WHERE tenant_id = \(id.uuid) AND store_id = \(store.uuid) AND kind = 'sweep_expired'
            """
        )
    }

    fileprivate func counts() async throws -> [String: Int] {
        var counts: [String: Int] = [:]
        for table in ["idempotency_keys", "inbound_deliveries", "sessions", "operations"] {
            counts[table] = try await count(table)
        }
        counts["fired"] = try await rows(
            "SELECT count(*) FROM fired WHERE tenant_id = \(id.uuid) AND kind = 'follow_up_due'"
        ).first?.decode(Int.self)
        return counts
    }

    private func count(_ table: String) async throws -> Int? {
        try await rows("SELECT count(*) FROM \(unsafe: table) WHERE tenant_id = \(id.uuid)").first?.decode(Int.self)
    }

    /// Of everything that is swept something past its time, by a little, and something just within it.
    fileprivate func addShortLived(keys: Int) async throws {
        let (hour, day) = (3600, 86_400)
        func ago(_ seconds: Int) -> Instant { now - .seconds(seconds) }
        func made(_ seconds: Int) -> UUID {
            UUIDv7Source { [now] in UInt64((now - .seconds(seconds)).microseconds) * 1000 }.next()
        }
        var statements: [SQL] = []
        for (name, age) in [("old", 72 * hour + 60), ("new", 72 * hour - 600)] {
            statements.append(
                """
                INSERT INTO idempotency_keys (tenant_id, principal, operation, key, fingerprint, created_at)
                     SELECT \(id.uuid), 'key_x', 'POST /v1/x', \(name) || n, '\\x00', \(ago(age))
                       FROM generate_series(1, \(keys)) AS n
                """
            )
        }
        for (byte, age) in [(0, 14 * day + 60), (1, 14 * day - 600)] as [(UInt8, Int)] {
            statements.append(
                """
                INSERT INTO inbound_deliveries (tenant_id, connection_id, fingerprint, event_id, received_at)
                     VALUES (\(id.uuid), \(demo.connection.uuid), \(Bytea([byte])), \(UUID.v7()), \(ago(age)))
                """
            )
        }
        for age in [30 * day + 60, 30 * day - 600] {
            statements.append(
                """
                INSERT INTO sessions (tenant_id, id, user_id, secret_hash, created_at, idle_expires_at, expires_at)
                     VALUES (\(id.uuid), \(UUID.v7()), \(demo.owner.uuid), \(Bytea([UInt8](repeating: 0, count: 32))),
                             \(ago(age + 7 * day)), \(ago(age)), \(ago(age)))
                """
            )
        }
        // Old by both times; scheduled long ago and due of late; due long ago by a test clock and scheduled of late.
        let fired = [(500, 401, "old"), (500, 300, "due"), (300, 500, "made")]
        for (madeDays, dueDays, occurrence) in fired {
            statements.append(
                """
                INSERT INTO fired (tenant_id, schedule_id, store_id, kind, rule_id, subject_id, occurrence, due_at)
                     VALUES (\(id.uuid), \(made(madeDays * day)), \(store.uuid), 'follow_up_due', \(UUID.v7()),
                             \(UUID.v7()), \(occurrence), \(ago(dueDays * day)))
                """
            )
        }
        for (age, state) in [(91, "succeeded"), (89, "failed"), (91, "running")] {
            statements.append(
                """
                INSERT INTO operations (tenant_id, id, store_id, kind, state, created_at)
                     VALUES (\(id.uuid), \(made(age * day)), \(store.uuid), 'advance_test_clock', \(state),
                             \(ago(age * day)))
                """
            )
        }
        _ = try await server.environment.pool.transaction(settings, statements)
    }
}
