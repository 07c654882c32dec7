import FoundationEssentials
import Postgres
import Support
import Testing

@testable import Jobs

/// Row level security of the queue's tables.
@Suite(.serialized, .timeLimit(.minutes(1))) struct TenantTests {
    private func number(_ pool: Pool, _ settings: [LocalSetting], _ statement: SQL) async throws -> Int {
        try #require(try await pool.transaction(settings, statement)[0].first).decode(Int.self)
    }

    @Test func `the app sees and changes its own tenant's jobs only`() async throws {
        try await QueueDatabase.run { queue in
            let tenants = try await queue.tenants(2)
            let (own, foreign) = (tenants[0], tenants[1])
            try await queue.enqueue(3, of: own)
            try await queue.enqueue(5, of: foreign)
            let app = queue.database.app

            #expect(try await number(app, own.settings, "SELECT count(*) FROM jobs") == 3)
            #expect(try await number(app, [], "SELECT count(*) FROM jobs") == 0)
            let claim = QueueStore.claim(
                tenant: foreign.id,
                floor: .bottom,
                limit: 10,
                worker: UUID(),
                until: queue.clock.now()
            )
            #expect(try await app.transaction(own.settings, claim)[0].isEmpty)
            let page = ClaimPage(tenants: tenants.map(\.id), floors: [.bottom, .bottom], share: 10, limit: 10)
            let claimed = try await app.transaction(
                own.settings,
                QueueStore.claim(page, worker: UUID(), until: queue.clock.now())
            )
            #expect(claimed[0].count == 3)
            for statement in ["UPDATE jobs SET attempt = 9", "DELETE FROM jobs"] {
                let statement = SQL(unsafe: "\(statement) WHERE tenant_id = '\(foreign.id)'")
                #expect(try await app.transaction(own.settings, statement)[0].affected == 0)
            }
            let smuggled = JobStore.enqueue(queue.job(of: foreign), now: queue.past)
            let error = await #expect(throws: PostgresError.self) { try await app.transaction(own.settings, smuggled) }
            #expect(error?.sqlState == .insufficientPrivilege)
            #expect(try await queue.rows().count { $0.tenant == foreign.id && $0.state == "ready" } == 5)
        }
    }

    @Test func `a worker sees every tenant's queue, and nothing else without a tenant`() async throws {
        try await QueueDatabase.run { queue in
            let tenants = try await queue.tenants(2)
            for tenant in tenants { try await queue.enqueue(4, of: tenant) }
            let worker = queue.worker
            #expect(try await number(worker, [], "SELECT count(*) FROM jobs") == 8)
            #expect(try await number(worker, [], "SELECT count(*) FROM stores") == 0)
            #expect(try await number(worker, tenants[0].settings, "SELECT count(*) FROM stores") == 1)
            #expect(
                try await number(
                    worker,
                    tenants[0].settings,
                    "SELECT count(*) FROM stores WHERE tenant_id = \(tenants[1].id)"
                ) == 0
            )
        }
    }

    @Test func `a session of one store sees that store's jobs`() async throws {
        try await QueueDatabase.run { queue in
            let tenant = try await queue.tenant()
            try await queue.enqueue(2, of: tenant)
            let other = LocalSetting("app.store", UUID())
            let own = LocalSetting("app.store", tenant.store)
            let app = queue.database.app
            #expect(try await number(app, tenant.settings + [own], "SELECT count(*) FROM jobs") == 2)
            #expect(try await number(app, tenant.settings + [other], "SELECT count(*) FROM jobs") == 0)
        }
    }
}
