import FoundationEssentials
import Postgres
import Time

/// Raising facts of one order, or of many: each once, with a job for each that is new and that some workflow of the store
/// waits for. Most facts are of use to those who read them only, and cost no job.
extension OrderMirrorStore {
    /// Facts of which it has turned out that they happened at another time; one statement, or none. What was decided on
    /// them stays as it is, and its runs say on what.
    static func correct(factsOf orders: [(held: Held, state: OrderState)], tenant: TenantID) -> [SQL] {
        let corrected = orders.flatMap { held, state in
            (held.state?.facts ?? [:]).compactMap { key, formerly in
                state.facts[key].flatMap { $0 == formerly ? nil : (order: held.id.uuid, key: key, happenedAt: $0) }
            }
        }
        guard !corrected.isEmpty else { return [] }
        return [
            // By facts_are_raised_once; the orders are said once more by themselves, so that it is looked into for them and
            // not for each row of the tenant's.
            """
            UPDATE facts
               SET happened_at = corrected.happened_at
              FROM unnest(\(corrected.map(\.order)), \(corrected.map(\.key.kind.rawValue)),
                          \(corrected.map(\.key.episode)), \(corrected.map(\.happenedAt)))
                   AS corrected (order_id, kind, episode, happened_at)
             WHERE facts.tenant_id = \(tenant.uuid) AND facts.order_id = ANY (\(Array(Set(corrected.map(\.order)))))
               AND facts.order_id = corrected.order_id
               AND facts.kind = corrected.kind AND facts.episode = corrected.episode
            """
        ]
    }

    /// None for what was told as history. A transaction's last statement.
    static func raise(_ facts: [Fact], of held: Held, isHistorical: Bool, event: InboundEventID?, now: Instant) -> SQL?
    {
        raise([(held.id, facts, !isHistorical)], event: event, tenant: held.tenant, store: held.store, now: now).first
    }

    /// One statement, or none where there are no facts.
    static func raise(
        _ told: [(order: OrderID, facts: [Fact], starts: Bool)],
        event: InboundEventID?,
        tenant: TenantID,
        store: StoreID,
        now: Instant
    ) -> [SQL] {
        let facts = told.flatMap { told in
            told.facts.map { (id: FactID.new().uuid, order: told.order.uuid, fact: $0, starts: told.starts) }
        }
        guard !facts.isEmpty else { return [] }
        let starting = facts.filter(\.starts).map(\.id)
        return [
            """
            WITH raised AS (
                INSERT INTO facts (tenant_id, id, store_id, order_id, kind, episode, happened_at, recorded_at, event_id)
                     SELECT \(tenant.uuid), id, \(store.uuid), order_id, kind, episode, happened_at, \(now),
                            \(event?.uuid)
                       FROM unnest(\(facts.map(\.id)), \(facts.map(\.order)), \(facts.map(\.fact.key.kind.rawValue)),
                                   \(facts.map(\.fact.key.episode)), \(facts.map(\.fact.happenedAt)))
                            AS fact (id, order_id, kind, episode, happened_at)
                ON CONFLICT (tenant_id, order_id, kind, episode) DO NOTHING
                  RETURNING id, kind
            ), awaited AS MATERIALIZED (
                -- A handful, by workflows_by_store; one that is off too, for it says so in a run.
                SELECT published.definition -> 'trigger' ->> 'fact' AS kind
                  FROM workflows AS workflow
                  JOIN workflow_versions AS published
                    ON published.tenant_id = workflow.tenant_id AND published.workflow_id = workflow.id
                   AND published.version = workflow.version
                 WHERE workflow.tenant_id = \(tenant.uuid) AND published.tenant_id = \(tenant.uuid)
                   AND workflow.store_id = \(store.uuid)
            )
            INSERT INTO jobs (tenant_id, id, store_id, kind, subject_id, run_at, created_at)
                 SELECT \(tenant.uuid), job.id, \(store.uuid), 'run_workflows', raised.id, \(now), \(now)
                   FROM raised
                   JOIN unnest(\(starting), \(starting.map { _ in JobID.new().uuid })) AS job (fact_id, id)
                     ON job.fact_id = raised.id
                  WHERE raised.kind IN (SELECT kind FROM awaited)
            """
        ]
    }
}
