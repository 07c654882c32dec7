import FoundationEssentials
import JSON
import Postgres
import Support
import Testing
import Time

@testable import Aftercare

/// How a connection is judged by what is kept of it. Without a database.
@Suite struct `The health of a connection` {
    private static let day: Int64 = 86_400
    /// A Monday at noon, UTC.
    private static let now = Instant(seconds: 1_780_315_200)

    private func connection(
        _ state: Connection.State = .active,
        _ reason: Connection.StateReason? = nil,
        changedDaysAgo days: Int64? = nil,
        madeDaysAgo made: Int64 = 100
    ) -> Connection {
        Connection(
            id: .new(),
            tenant: .new(),
            store: .new(),
            provider: .shopify,
            account: "a.myshopify.com",
            state: state,
            stateReason: reason,
            stateChangedAt: days.map { Self.now - .seconds($0 * Self.day) },
            version: 1,
            createdAt: Self.now - .seconds(made * Self.day),
            updatedAt: Self.now
        )
    }

    /// Four weeks until `end`, with so many events in each of these hours of a day, and none on a weekend.
    private func weeks(
        until end: Instant = now,
        hours: ClosedRange<Int64> = 8...19,
        each count: Int = 2
    )
        -> ConnectionHealth.Evidence
    {
        var found: [ConnectionHealth.Hour] = []
        var last: Instant?
        for hour in stride(from: Int64(-28 * 24), to: 0, by: 1) {
            let start = end.startOfHour + .seconds(hour * 3600)
            let ofDay = start.microseconds / 3_600_000_000 % 24
            // 1970-01-01 was a Thursday.
            let weekday = (start.microseconds / 86_400_000_000 + 3) % 7
            guard hours.contains(ofDay), weekday < 5 else { continue }
            found.append(.init(start: start, received: count, refused: 0))
            last = start + .seconds(1800)
        }
        return .init(hours: found, lastEventAt: last, latest: [])
    }

    private func reasons(_ health: ConnectionHealth) -> [ConnectionHealth.Reason] { health.findings.map(\.reason) }

    @Test func `a night and a weekend are no silence, and a day without a word is`() throws {
        let evidence = weeks()
        let last = try #require(evidence.lastEventAt)
        let rhythm = try #require(ConnectionHealth(connection(), evidence, now: Self.now).rhythm)
        // From Friday's last hour to Monday's first.
        #expect(rhythm.usualPause == .seconds(61 * 3600) && rhythm.eventsPerDay >= 20)
        for hours in [1, 14, 61, 91] as [Int64] {
            #expect(ConnectionHealth(connection(), evidence, now: last + .seconds(hours * 3600)).state == .healthy)
        }
        let silent = ConnectionHealth(connection(), evidence, now: last + .seconds(92 * 3600))
        #expect(silent.state == .unhealthy && reasons(silent) == [.silent] && silent.findings[0].since == last)
        #expect(silent.findings[0].detail.contains("92 hours"))
        // And stays so for as long as nothing comes, whatever the calendar says.
        #expect(ConnectionHealth(connection(), evidence, now: last + .seconds(200 * Self.day)).state == .unhealthy)
    }

    @Test func `a connection that never rests is missed after hours, and two odd days do not make it deaf`() throws {
        var evidence = weeks(hours: 0...23)
        evidence.hours = (0..<(28 * 24)).map { hour in
            .init(start: Self.now - .seconds(Int64(28 * 24 - hour) * 3600), received: 5, refused: 0)
        }
        evidence.hours.removeAll { hour in
            let age = (Self.now - hour.start).components.seconds / 3600
            return (100..<130).contains(age) || (300..<340).contains(age)
        }
        evidence.lastEventAt = Self.now
        let rhythm = try #require(ConnectionHealth.Rhythm(evidence.hours))
        #expect(rhythm.usualPause == .seconds(3600) && rhythm.silentAfter == .seconds(4 * 3600))
        #expect(ConnectionHealth(connection(), evidence, now: Self.now + .seconds(4 * 3600)).state == .healthy)
        #expect(ConnectionHealth(connection(), evidence, now: Self.now + .seconds(4 * 3600 + 1)).state == .unhealthy)
    }

    @Test func `too little tells of no rhythm, and a new connection is given a day`() {
        var few = weeks(each: 1)
        few.hours = Array(few.hours.suffix(19))
        #expect(ConnectionHealth.Rhythm(few.hours) == nil)
        #expect(ConnectionHealth(connection(), few, now: Self.now + .seconds(60 * Self.day)).state == .healthy)
        let nothing = ConnectionHealth.Evidence(hours: [], lastEventAt: nil, latest: [])
        #expect(ConnectionHealth(connection(madeDaysAgo: 0), nothing, now: Self.now).state == .unknown)
        let unheard = ConnectionHealth(connection(madeDaysAgo: 1), nothing, now: Self.now)
        #expect(unheard.state == .degraded && reasons(unheard) == [.neverHeard])
        // Put to use again a moment ago, it has a day as well.
        #expect(ConnectionHealth(connection(changedDaysAgo: 0), nothing, now: Self.now).state == .unknown)
    }

    @Test func `a silence begins when a connection is put to use again`() throws {
        let evidence = weeks(until: Self.now - .seconds(20 * Self.day))
        #expect(ConnectionHealth(connection(), evidence, now: Self.now).state == .unhealthy)
        #expect(ConnectionHealth(connection(changedDaysAgo: 1), evidence, now: Self.now).state == .healthy)
        #expect(ConnectionHealth(connection(changedDaysAgo: 5), evidence, now: Self.now).state == .unhealthy)
    }

    // domain.md 5, Ingest 10 and 11.
    @Test func `one that is not in use says why, and nothing else`() {
        var evidence = weeks(until: Self.now - .seconds(20 * Self.day))
        evidence.hours.append(.init(start: Self.now - .seconds(3600), received: 0, refused: 500))
        for (reason, said) in [
            (Connection.StateReason.appUninstalled, ConnectionHealth.Reason.appUninstalled),
            (.disabledByUser, .disabledByUser),
        ] {
            let health = ConnectionHealth(connection(.disabled, reason, changedDaysAgo: 3), evidence, now: Self.now)
            #expect(health.state == .disabled && reasons(health) == [said])
            #expect(health.findings[0].since == Self.now - .seconds(3 * Self.day))
        }
    }

    @Test(arguments: [
        (2, 2, ConnectionHealth.State.healthy), (3, 3, .degraded), (3, 31, .healthy), (9, 9, .degraded),
        (10, 20, .unhealthy), (10, 21, .degraded), (19, 200, .healthy), (20, 200, .degraded), (200, 200, .unhealthy),
    ]) func `webhooks that could not be read count by their share, and a few are none`(
        quarantined: Int,
        of all: Int,
        state: ConnectionHealth.State
    ) {
        var evidence = weeks()
        evidence.latest = (0..<all).map { number in
            .init(isQuarantined: number < quarantined, receivedAt: Self.now - .seconds(Int64(number)))
        }
        let health = ConnectionHealth(connection(), evidence, now: Self.now)
        #expect(health.state == state)
        #expect(reasons(health) == (state == .healthy ? [] : [.quarantinedEvents]))
    }

    @Test func `wrong signatures, however many, degrade a connection and no more`() {
        var evidence = weeks()
        for (refused, state) in [(9, ConnectionHealth.State.healthy), (10, .degraded), (1_000_000, .degraded)] {
            evidence.hours.append(.init(start: Self.now - .seconds(7200), received: 0, refused: refused))
            #expect(ConnectionHealth(connection(), evidence, now: Self.now).state == state)
            // They are forgotten after a day.
            #expect(ConnectionHealth(connection(), evidence, now: Self.now + .seconds(Self.day)).refusedLastDay == 0)
            evidence.hours.removeLast()
        }
        let none = ConnectionHealth.Evidence(
            hours: [.init(start: Self.now, received: 0, refused: 1_000_000)],
            lastEventAt: nil,
            latest: []
        )
        #expect(ConnectionHealth(connection(madeDaysAgo: 0), none, now: Self.now).state == .degraded)
    }

    @Test func `a pull that is refused counts as well, and the worst of all is the state`() {
        for (failure, state) in [
            (PullFailure.unauthorized, ConnectionHealth.State.unhealthy), (.unavailable("500"), .degraded),
        ] {
            var evidence = weeks()
            var pull = Pull(.sweep)
            pull.fail(failure, at: Self.now, delay: .seconds(60))
            // Of both kinds it is one finding.
            evidence.pulls = [pull, pull]
            let health = ConnectionHealth(connection(), evidence, now: Self.now)
            #expect(health.state == state && health.findings.map(\.state) == [state])
        }
    }
}

/// The same, of connections that are there.
@Suite(.timeLimit(.minutes(2))) struct ConnectionHealthTests {
    private func health(_ tenant: TestTenant) async throws -> Answer {
        try await tenant.get("/v1/connections/\(tenant.demo.connection)/health")
    }

    private func reasons(_ answer: Answer) -> [String] {
        answer["reasons"]?.arrayValue?.compactMap { $0["reason"]?.stringValue } ?? []
    }

    private func tickets(_ tenant: TestTenant) async throws -> [JSON] {
        try await tenant.get("/v1/tickets")["data"]?.arrayValue?.filter { $0["kind"] == "connection_unhealthy" } ?? []
    }

    /// Lets the connection's hour be over, and waits until it was looked at.
    private func passHour(_ tenant: TestTenant) async throws {
        let connection = tenant.demo.connection.uuid
        func checked() async throws -> Instant? {
            try await tenant.rows(
                """
                SELECT checked_at FROM connection_checks
                 WHERE tenant_id = \(tenant.id.uuid) AND connection_id = \(connection)
                """
            ).first?.decode(Instant.self)
        }
        let before = try await checked()
        _ = try await tenant.rows(
            """
            UPDATE schedule SET due_at = \(tenant.ago(days: 0) - .seconds(1))
             WHERE tenant_id = \(tenant.id.uuid) AND kind = 'check_connection' AND subject_id = \(connection)
            """
        )
        try await eventually { try await checked() != before }
        try await tenant.settle()
    }

    /// Ten events an hour, of three weeks until this long ago; the connection is as old as they are.
    private func lived(_ tenant: TestTenant, untilHoursAgo hours: Int) async throws {
        let now = tenant.ago(days: 0)
        _ = try await tenant.rows(
            """
            UPDATE connections SET created_at = \(now - .seconds(60 * 86_400))
             WHERE tenant_id = \(tenant.id.uuid) AND id = \(tenant.demo.connection.uuid)
            """
        )
        let ids = (0..<(21 * 24)).map { _ in UUID.v7() }
        _ = try await tenant.rows(
            """
            INSERT INTO inbound_events (tenant_id, id, store_id, connection_id, topic, body, state, received_at, settled_at)
                 SELECT \(tenant.id.uuid), id, \(tenant.store.uuid), \(tenant.demo.connection.uuid), 'orders/create', '{}',
                        'applied', \(now) - (n + \(hours) - 1) * interval '1 hour', \(now)
                   FROM unnest(\(ids)) WITH ORDINALITY AS event (id, n)
            """
        )
    }

    @Test func `a connection is unknown, then healthy, and its webhooks are counted after their hour`() async throws {
        let tenant = try await TestTenant.make()
        var answer = try await health(tenant)
        #expect(answer["state"] == "unknown" && answer["checked_at"] == .null && answer["last_event_at"] == .null)
        try await lived(tenant, untilHoursAgo: 1)
        try await passHour(tenant)
        answer = try await health(tenant)
        #expect(answer["state"] == "healthy" && answer["reasons"] == [])
        #expect(answer["events_per_day"]?.int64Value.map { (20...24).contains($0) } == true)
        #expect(answer["silent_after_seconds"] == 14_400 && answer["checked_at"]?.stringValue != nil)
        let counted = try await tenant.rows(
            "SELECT sum(received)::bigint, count(*) FROM connection_hours WHERE tenant_id = \(tenant.id.uuid)"
        )
        let sums = try #require(counted.first).decode((Int, Int).self)
        #expect((503...504).contains(sums.0) && sums.1 >= sums.0)
        // Once more counts nothing twice.
        try await passHour(tenant)
        let again = try await tenant.rows(
            "SELECT sum(received)::bigint FROM connection_hours WHERE tenant_id = \(tenant.id.uuid)"
        )
        #expect(try again.first?.decode(Int.self) == sums.0)
        #expect(try await tickets(tenant) == [])
        #expect(try await tenant.get("/v1/connections/\(ConnectionID.new())/health").status == 404)
        #expect(try await tenant.get("/v1/connections/none/health").status == 404)
    }

    @Test func `a silent connection tells people once for each time, and is well again with the next word`()
        async throws
    {
        let tenant = try await TestTenant.make()
        try await lived(tenant, untilHoursAgo: 30)
        try await passHour(tenant)
        let answer = try await health(tenant)
        #expect(answer["state"] == "unhealthy" && reasons(answer) == ["silent"])
        let first = try await tickets(tenant)
        #expect(first.count == 1 && first[0]["order_id"] == .null && first[0]["priority"] == "high")
        #expect(first[0]["opened_by"]?.stringValue == tenant.demo.connection.description)
        #expect(first[0]["notification"] == "mailed")
        try await passHour(tenant)
        #expect(try await tickets(tenant).count == 1)
        try await DemoOrder(tenant).post("orders/create")
        try await tenant.settle()
        #expect(try await health(tenant)["state"] == "healthy")
        try await passHour(tenant)
        // Silent anew.
        _ = try await tenant.rows(
            """
            UPDATE inbound_events SET received_at = received_at - interval '20 hours'
             WHERE tenant_id = \(tenant.id.uuid)
            """
        )
        try await passHour(tenant)
        #expect(try await tickets(tenant).count == 2)
        let nextLook = try await tenant.rows(
            "SELECT due_at FROM schedule WHERE tenant_id = \(tenant.id.uuid) AND kind = 'check_connection'"
        ).decode(Instant.self)
        #expect(nextLook.count == 1 && nextLook[0] > tenant.ago(days: 0))
    }

    @Test func `a disabled connection opens no ticket and says since when`() async throws {
        let tenant = try await TestTenant.make()
        try await lived(tenant, untilHoursAgo: 300)
        _ = try await tenant.send("PATCH", "/v1/connections/\(tenant.demo.connection)", ["state": "disabled"])
        try await passHour(tenant)
        let answer = try await health(tenant)
        #expect(answer["state"] == "disabled" && reasons(answer) == ["disabled_by_user"])
        #expect(try await tickets(tenant) == [])
    }

    @Test func `wrong signatures are counted in one row an hour, and store nothing`() async throws {
        let tenant = try await TestTenant.make()
        let demo = DemoOrder(tenant)
        try await demo.post("orders/create")
        for _ in 0..<30 { #expect(try await demo.post("orders/create", secret: "another one").status == 401) }
        try await eventually { try await health(tenant)["refused_last_day"] == 30 }
        let answer = try await health(tenant)
        #expect(answer["state"] == "degraded" && reasons(answer) == ["bad_signatures"])
        let rows = try await tenant.rows(
            "SELECT refused FROM connection_hours WHERE tenant_id = \(tenant.id.uuid) AND refused > 0"
        )
        // Two where the hour changed meanwhile.
        #expect(rows.count <= 2)
        try await tenant.settle()
        #expect(try await tenant.log("").count == 1)
        try await passHour(tenant)
        #expect(try await tickets(tenant) == [])
    }
}
