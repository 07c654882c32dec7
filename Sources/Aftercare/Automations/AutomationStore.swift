import FoundationEssentials
import JSON
import Postgres
import Time

/// Workflows, and what decisions are made from, in the database. Runs are in `RunStore`.
enum AutomationStore {
    // MARK: Workflows

    /// A workflow and its first version.
    static func insert(
        _ workflow: WorkflowVersion,
        name: String,
        template: String,
        store: Store,
        now: Instant
    ) -> [SQL] {
        [
            """
            INSERT INTO workflows (tenant_id, id, store_id, name, template, version, rollout, created_at, updated_at)
                 VALUES (\(store.tenant.uuid), \(workflow.id.uuid), \(store.id.uuid), \(name), \(template),
                         \(workflow.version), \(workflow.rollout.rawValue), \(now), \(now))
            """,
            """
            INSERT INTO workflow_versions (tenant_id, workflow_id, version, store_id, definition, created_at)
                 VALUES (\(store.tenant.uuid), \(workflow.id.uuid), \(workflow.version), \(store.id.uuid),
                         \(JSONB(workflow.definition.json.serializedBytes)), \(now))
            """,
        ]
    }

    private static let workflows = """
        SELECT workflow.id, workflow.store_id, workflow.name, workflow.template, workflow.version, workflow.rollout,
               workflow.created_at, workflow.updated_at, published.definition
          FROM workflows AS workflow
          JOIN workflow_versions AS published
            ON published.tenant_id = workflow.tenant_id AND published.workflow_id = workflow.id
           AND published.version = workflow.version
        """

    /// Newest first, by `workflows_by_creation`; those of one store are a handful.
    static func workflows(_ page: Page, store: StoreID?, tenant: TenantID) -> SQL {
        guard let store else {
            return """
                \(unsafe: workflows)
                 WHERE workflow.tenant_id = \(tenant.uuid) AND published.tenant_id = \(tenant.uuid)
                   AND (workflow.created_at, workflow.id) < (\(page.createdAt), \(page.id))
                 ORDER BY workflow.created_at DESC, workflow.id DESC
                 LIMIT \(page.rowLimit)
                """
        }
        return """
            \(unsafe: workflows)
             WHERE workflow.tenant_id = \(tenant.uuid) AND published.tenant_id = \(tenant.uuid)
               AND workflow.store_id = \(store.uuid)
               AND (workflow.created_at, workflow.id) < (\(page.createdAt), \(page.id))
             ORDER BY workflow.created_at DESC, workflow.id DESC
             LIMIT \(page.rowLimit)
            """
    }

    static func workflow(_ id: WorkflowID, tenant: TenantID) -> SQL {
        """
        \(unsafe: workflows)
         WHERE workflow.tenant_id = \(tenant.uuid) AND published.tenant_id = \(tenant.uuid)
           AND workflow.id = \(id.uuid)
        """
    }

    static func decodeVersion(_ row: Row) throws -> WorkflowVersion {
        let definition: JSONB = try row("definition")
        guard let rollout = Workflow.Rollout(rawValue: try row("rollout")) else {
            throw UnreadableRow(table: "workflows")
        }
        return try WorkflowVersion(
            id: ID(row("id")),
            version: row("version"),
            rollout: rollout,
            definition: FieldReader.read(JSON(parsing: definition.text), Workflow.init)
        )
    }

    // MARK: What a decision is made from

    /// The row that asks for a decision, and through which everything else is found: so that all of it can be read
    /// in one round trip.
    struct Origin: Sendable {
        let tenant: UUID
        let id: UUID
        fileprivate let table: String
        fileprivate let key: String
        fileprivate let order: String

        static func fact(_ id: UUID, tenant: UUID) -> Origin {
            Origin(tenant: tenant, id: id, table: "facts", key: "id", order: "order_id")
        }

        static func due(_ id: UUID, tenant: UUID) -> Origin {
            Origin(tenant: tenant, id: id, table: "fired", key: "schedule_id", order: "subject_id")
        }
    }

    static func fact(_ id: UUID, tenant: UUID) -> SQL {
        "SELECT id, kind, episode, happened_at FROM facts WHERE tenant_id = \(tenant) AND id = \(id)"
    }

    /// Keeps a sandbox store's clock from being advanced while this transaction reckons by it. Live stores have no
    /// such clock, and many orders at once: their row is left alone.
    static func holdClock(_ origin: Origin) -> SQL {
        """
        SELECT id
          FROM stores
         WHERE tenant_id = \(origin.tenant) AND mode = 'sandbox'
           AND id = (SELECT store_id
                       FROM \(unsafe: origin.table)
                      WHERE tenant_id = \(origin.tenant) AND \(unsafe: origin.key) = \(origin.id))
           FOR SHARE
        """
    }

    /// Locks the order: decisions about one order come one after the other.
    static func lockOrder(_ origin: Origin) -> SQL {
        """
        SELECT id, number, email, customer_name, is_complete, historical, financial_status, fulfillment_status,
               lifecycle_status, return_status, risk_level, coalesce(source_updated_at, updated_at) AS as_of
          FROM orders
         WHERE tenant_id = \(origin.tenant)
           AND id = (SELECT \(unsafe: origin.order)
                       FROM \(unsafe: origin.table)
                      WHERE tenant_id = \(origin.tenant) AND \(unsafe: origin.key) = \(origin.id))
           FOR UPDATE
        """
    }

    static func parcels(_ origin: Origin) -> SQL {
        """
        SELECT external_id, status,
               CASE status WHEN 'delivered' THEN coalesce(delivered_at, status_at) END AS delivered_at,
               coalesce(status_at, source_updated_at, updated_at) AS as_of
          FROM shipments
         WHERE tenant_id = \(origin.tenant)
           AND order_id = (SELECT \(unsafe: origin.order)
                             FROM \(unsafe: origin.table)
                            WHERE tenant_id = \(origin.tenant) AND \(unsafe: origin.key) = \(origin.id))
         ORDER BY external_id
        """
    }

    static func refunds(_ origin: Origin) -> SQL {
        """
        SELECT external_id, state, currency, amount, moved_amount, recorded_at, moved_at,
               greatest(coalesce(source_updated_at, updated_at),
                        (SELECT max(payment.source_updated_at)
                           FROM refund_transactions AS payment
                          WHERE payment.tenant_id = \(origin.tenant) AND payment.order_id = refunds.order_id
                            AND payment.refund_external_id = refunds.external_id)) AS as_of
          FROM refunds
         WHERE tenant_id = \(origin.tenant)
           AND order_id = (SELECT \(unsafe: origin.order)
                             FROM \(unsafe: origin.table)
                            WHERE tenant_id = \(origin.tenant) AND \(unsafe: origin.key) = \(origin.id))
         ORDER BY external_id
        """
    }

    static func store(_ origin: Origin) -> SQL {
        """
        SELECT tenant_id, id, name, platform, time_zone, currency, locale, mode, test_clock, mail_from,
               escalation_email, version, created_at, updated_at
          FROM stores
         WHERE tenant_id = \(origin.tenant)
           AND id = (SELECT store_id
                       FROM \(unsafe: origin.table)
                      WHERE tenant_id = \(origin.tenant) AND \(unsafe: origin.key) = \(origin.id))
        """
    }

    /// The newest version.
    static func policy(_ origin: Origin) -> SQL {
        """
        SELECT version, document
          FROM policies
         WHERE tenant_id = \(origin.tenant)
           AND store_id = (SELECT store_id
                             FROM \(unsafe: origin.table)
                            WHERE tenant_id = \(origin.tenant) AND \(unsafe: origin.key) = \(origin.id))
         ORDER BY version DESC
         LIMIT 1
        """
    }

    /// The kinds of the order's tickets that nobody has closed.
    static func openTickets(_ origin: Origin) -> SQL {
        """
        SELECT kind
          FROM tickets
         WHERE tenant_id = \(origin.tenant) AND state <> 'closed'
           AND order_id = (SELECT \(unsafe: origin.order)
                             FROM \(unsafe: origin.table)
                            WHERE tenant_id = \(origin.tenant) AND \(unsafe: origin.key) = \(origin.id))
         ORDER BY kind
        """
    }

    /// The order's disputes that are not over, by the source's ids.
    static func openDisputes(_ origin: Origin) -> SQL {
        """
        SELECT external_id
          FROM disputes
         WHERE tenant_id = \(origin.tenant) AND status IN ('needs_response', 'under_review', 'unknown')
           AND order_id = (SELECT \(unsafe: origin.order)
                             FROM \(unsafe: origin.table)
                            WHERE tenant_id = \(origin.tenant) AND \(unsafe: origin.key) = \(origin.id))
         ORDER BY external_id
        """
    }

    /// What was sent to this order's customer, by effect key.
    static func sent(_ origin: Origin) -> SQL {
        """
        SELECT effect_key
          FROM messages
         WHERE tenant_id = \(origin.tenant) AND class <> 'internal'
           AND order_id = (SELECT \(unsafe: origin.order)
                             FROM \(unsafe: origin.table)
                            WHERE tenant_id = \(origin.tenant) AND \(unsafe: origin.key) = \(origin.id))
        """
    }

    /// The store's workflows that a fact triggers, and whether each has been scheduled for it before.
    static func triggered(by fact: UUID, tenant: UUID) -> SQL {
        """
        SELECT workflow.id, workflow.version, workflow.rollout, published.definition,
               EXISTS (SELECT FROM schedule AS waiting
                        WHERE waiting.tenant_id = \(tenant) AND waiting.kind = \(RunDueWorkflow.kind)
                          AND waiting.rule_id = workflow.id AND waiting.subject_id = fact.order_id
                          AND waiting.occurrence = fact.episode)
            OR EXISTS (SELECT FROM fired AS past
                        WHERE past.tenant_id = \(tenant) AND past.kind = \(RunDueWorkflow.kind)
                          AND past.rule_id = workflow.id AND past.subject_id = fact.order_id
                          AND past.occurrence = fact.episode) AS is_scheduled
          FROM facts AS fact
          JOIN workflows AS workflow
            ON workflow.tenant_id = fact.tenant_id AND workflow.store_id = fact.store_id
          JOIN workflow_versions AS published
            ON published.tenant_id = workflow.tenant_id AND published.workflow_id = workflow.id
           AND published.version = workflow.version
         WHERE fact.tenant_id = \(tenant) AND workflow.tenant_id = \(tenant) AND published.tenant_id = \(tenant)
           AND fact.id = \(fact) AND published.definition -> 'trigger' ->> 'fact' = fact.kind
         ORDER BY workflow.id
        """
    }

    /// The workflow that asked for what has fallen due, as it is published now.
    static func due(_ schedule: UUID, tenant: UUID) -> SQL {
        """
        SELECT workflow.id, workflow.version, workflow.rollout, published.definition,
               fired.schedule_id, fired.occurrence, fired.not_after
          FROM fired
          JOIN workflows AS workflow
            ON workflow.tenant_id = fired.tenant_id AND workflow.id = fired.rule_id
          JOIN workflow_versions AS published
            ON published.tenant_id = workflow.tenant_id AND published.workflow_id = workflow.id
           AND published.version = workflow.version
         WHERE fired.tenant_id = \(tenant) AND workflow.tenant_id = \(tenant) AND published.tenant_id = \(tenant)
           AND fired.schedule_id = \(schedule)
        """
    }
}
