import JSON
import Postgres
import Testing
import Time

@testable import Aftercare

/// Which facts make a job. Looked at in a transaction that is taken back, so that no worker comes before.
@Suite struct `Facts that are awaited` {
    private struct TakenBack: Error {}

    @Test func `a fact makes a job where a workflow of its store awaits it, be it off, and no other does`() async throws
    {
        let tenant = try await TestTenant.make()
        let put = try await tenant.put(PutBody.order)
        let order = try #require(put["order"]?["id"]?.stringValue.flatMap { OrderID($0) })
        let kinds: [Fact.Kind] = [.orderCancelled, .shipped, .delivered, .refundFailed, .returnRequested]
        await #expect(throws: TakenBack.self) {
            try await tenant.server.environment.pool.withTransaction(tenant.settings) { transaction in
                for (episode, rollout) in [("1", "live"), ("2", "shadow"), ("3", "off")] {
                    transaction.add("UPDATE workflows SET rollout = \(rollout) WHERE tenant_id = \(tenant.id.uuid)")
                    let now = tenant.server.environment.clock.now()
                    let facts = kinds.map { Fact(key: .init(kind: $0, episode: episode), happenedAt: now) }
                    // Raised again, it makes none.
                    for _ in 0..<2 {
                        let raise = OrderMirrorStore.raise(
                            [(order, facts, true)],
                            event: nil,
                            tenant: tenant.id,
                            store: tenant.store,
                            now: now
                        )
                        for statement in raise { transaction.add(statement) }
                    }
                    let rows = try await transaction.query(
                        """
                        SELECT facts.kind
                          FROM jobs
                          JOIN facts ON facts.tenant_id = jobs.tenant_id AND facts.id = jobs.subject_id
                         WHERE jobs.tenant_id = \(tenant.id.uuid) AND jobs.kind = 'run_workflows'
                           AND facts.episode = \(episode)
                         ORDER BY facts.kind
                        """
                    )
                    let awaited: [String] = try rows[0].decode(String.self)
                    #expect(awaited == ["delivered", "refund_failed"], "\(rollout)")
                }
                throw TakenBack()
            }
        }
    }
}
