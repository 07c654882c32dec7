import FoundationEssentials
import JSON
import Postgres
import Time

/// Runs in the database; they are written once and never changed.
enum RunStore {
    static func insert(_ run: Run, _ evidence: Run.Evidence, tenant: TenantID) -> SQL {
        """
        INSERT INTO runs (tenant_id, id, store_id, order_id, workflow_id, workflow_version, policy_version, trigger,
                          trigger_id, outcome, reason, facts, facts_hash, plan, decided_at, created_at)
             VALUES (\(tenant.uuid), \(run.id.uuid), \(run.store.uuid), \(run.order.uuid), \(run.workflow.uuid),
                     \(run.workflowVersion), \(run.policyVersion), \(run.trigger), \(run.triggerID),
                     \(run.outcome.rawValue), \(run.reason), \(JSONB(evidence.facts.canonicalBytes)),
                     \(Bytea(evidence.factsHash)), \(JSONB(evidence.plan.canonicalBytes)), \(run.decidedAt),
                     \(run.createdAt))
        """
    }

    private static let columns = """
        id, store_id, order_id, workflow_id, workflow_version, policy_version, trigger, trigger_id, outcome, reason,
        decided_at, created_at
        """

    static func run(_ id: RunID, tenant: TenantID) -> SQL {
        """
        SELECT \(unsafe: columns), facts, facts_hash, plan
          FROM runs
         WHERE tenant_id = \(tenant.uuid) AND id = \(id.uuid)
        """
    }

    /// Newest first, by `runs_by_order` or `runs_by_creation`.
    static func runs(_ page: Page, order: OrderID?, tenant: TenantID) -> SQL {
        guard let order else {
            return """
                SELECT \(unsafe: columns)
                  FROM runs
                 WHERE tenant_id = \(tenant.uuid) AND (created_at, id) < (\(page.createdAt), \(page.id))
                 ORDER BY created_at DESC, id DESC
                 LIMIT \(page.rowLimit)
                """
        }
        return """
            SELECT \(unsafe: columns)
              FROM runs
             WHERE tenant_id = \(tenant.uuid) AND order_id = \(order.uuid)
               AND (created_at, id) < (\(page.createdAt), \(page.id))
             ORDER BY created_at DESC, id DESC
             LIMIT \(page.rowLimit)
            """
    }

    static func decode(_ row: Row) throws -> Run { try decode(row, evidence: nil) }

    static func decodeWithEvidence(_ row: Row) throws -> Run {
        let (facts, hash, plan): (JSONB, Bytea, JSONB) = try (row("facts"), row("facts_hash"), row("plan"))
        let evidence = try Run.Evidence(
            facts: JSON(parsing: facts.text),
            factsHash: hash.bytes,
            plan: JSON(parsing: plan.text)
        )
        return try decode(row, evidence: evidence)
    }

    private static func decode(_ row: Row, evidence: Run.Evidence?) throws -> Run {
        guard let outcome = Run.Outcome(rawValue: try row("outcome")) else { throw UnreadableRow(table: "runs") }
        return try Run(
            id: ID(row("id")),
            store: ID(row("store_id")),
            order: ID(row("order_id")),
            workflow: ID(row("workflow_id")),
            workflowVersion: row("workflow_version"),
            policyVersion: row("policy_version"),
            trigger: row("trigger"),
            triggerID: row("trigger_id"),
            outcome: outcome,
            reason: row("reason"),
            decidedAt: row("decided_at"),
            createdAt: row("created_at"),
            evidence: evidence
        )
    }
}
