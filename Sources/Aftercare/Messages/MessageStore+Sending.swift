import FoundationEssentials
import JSON
import Postgres
import Time

/// What changes a message while it is sent, and after.
extension MessageStore {
    // MARK: May it leave?

    /// What `decideToSend` goes by, in one row, each table by its primary key or a unique one.
    static func circumstances(_ id: MessageID, tenant: TenantID) -> SQL {
        """
        SELECT stores.time_zone, stores.test_clock, coalesce(orders.financial_status, 'unknown') AS financial_status,
               coalesce(orders.lifecycle_status, 'open') AS lifecycle_status, orders.risk_level,
               parcel.status AS parcel_status, refund.state AS refund_state, policy.document,
               EXISTS (SELECT FROM tickets
                        WHERE tenant_id = \(tenant.uuid) AND order_id = message.order_id AND state <> 'closed')
           AND NOT EXISTS (SELECT FROM message_attempts
                            WHERE tenant_id = \(tenant.uuid) AND message_id = message.id AND resolved_as = 'queued')
               AS has_open_ticket,
               EXISTS (SELECT FROM disputes
                        WHERE tenant_id = \(tenant.uuid) AND order_id = message.order_id
                          AND status IN ('needs_response', 'under_review', 'unknown')) AS has_open_dispute,
               workflow.id, workflow.rollout, decided.version, decided.definition
          FROM messages AS message
          JOIN stores
            ON stores.tenant_id = \(tenant.uuid) AND stores.id = message.store_id
          LEFT JOIN orders
            ON orders.tenant_id = \(tenant.uuid) AND orders.id = message.order_id
          LEFT JOIN runs AS run
            ON run.tenant_id = \(tenant.uuid) AND run.id = message.run_id
          LEFT JOIN workflows AS workflow
            ON workflow.tenant_id = \(tenant.uuid) AND workflow.id = run.workflow_id
          LEFT JOIN workflow_versions AS decided
            ON decided.tenant_id = \(tenant.uuid) AND decided.workflow_id = run.workflow_id
           AND decided.version = run.workflow_version
          LEFT JOIN fired
            ON fired.tenant_id = \(tenant.uuid) AND fired.schedule_id = run.trigger_id
          LEFT JOIN facts AS fact
            ON fact.tenant_id = \(tenant.uuid) AND fact.id = run.trigger_id
          LEFT JOIN refunds AS refund
            ON refund.tenant_id = \(tenant.uuid) AND refund.order_id = message.order_id
           AND refund.external_id = coalesce(fired.occurrence, fact.episode)
          LEFT JOIN shipments AS parcel
            ON parcel.tenant_id = \(tenant.uuid) AND parcel.order_id = message.order_id
           AND parcel.external_id = coalesce(fired.occurrence, fact.episode)
          LEFT JOIN LATERAL (SELECT document
                               FROM policies
                              WHERE tenant_id = \(tenant.uuid) AND store_id = message.store_id
                              ORDER BY version DESC
                              LIMIT 1) AS policy
            ON true
         WHERE message.tenant_id = \(tenant.uuid) AND message.id = \(id.uuid)
        """
    }

    static func decodeQuestion(_ row: Row, about message: Message, now: Instant) throws -> SendQuestion {
        let (zone, testClock): (String, Instant?) = try (row("time_zone"), row("test_clock"))
        guard let zone = Zone(zone) else { throw UnreadableRow(table: "stores") }
        let (workflow, policy, refund): (UUID?, JSONB?, String?) = try (
            row("id"), row("document"), row("refund_state")
        )
        return try SendQuestion(
            messageClass: message.messageClass,
            notAfter: message.notAfter,
            workflow: workflow == nil ? nil : AutomationStore.decodeVersion(row),
            financialStatus: row("financial_status"),
            lifecycleStatus: row("lifecycle_status"),
            parcelStatus: row("parcel_status"),
            refundState: refund.map { text in
                guard let state = RefundState(rawValue: text) else { throw UnreadableRow(table: "refunds") }
                return state
            },
            hasOpenTicket: row("has_open_ticket"),
            hasOpenDispute: row("has_open_dispute"),
            riskLevel: row("risk_level"),
            quietHours: policy.flatMap { try FieldReader.read(JSON(parsing: $0.text), Policy.init).quietHours },
            zone: zone,
            now: testClock ?? now,
            isOnTestClock: testClock != nil
        )
    }

    // MARK: Sending

    /// The mark: from here on the message may have left. For a transaction that holds the message and its job.
    static func beginAttempt(_ attempt: Int, of message: Message, tenant: TenantID, now: Instant) -> [SQL] {
        [
            """
            UPDATE messages
               SET state = 'sending', attempts = \(attempt), updated_at = \(now)
             WHERE tenant_id = \(tenant.uuid) AND id = \(message.id.uuid) AND state = 'queued'
            """,
            """
            INSERT INTO message_attempts (tenant_id, message_id, attempt, store_id, started_at)
                 VALUES (\(tenant.uuid), \(message.id.uuid), \(attempt), \(message.store.uuid), \(now))
            """,
        ]
    }

    /// What became of a try. Also of one that was taken for lost meanwhile, or that a person has passed a word on:
    /// what a mail server said stays true.
    static func endAttempt(
        _ attempt: Int,
        of message: MessageID,
        tenant: TenantID,
        _ outcome: Message.Attempt.Outcome,
        detail: String,
        now: Instant
    ) -> SQL {
        """
        UPDATE message_attempts
           SET ended_at = \(now), outcome = \(outcome.rawValue), detail = \(detail)
         WHERE tenant_id = \(tenant.uuid) AND message_id = \(message.uuid) AND attempt = \(attempt)
           AND (outcome IS NULL OR outcome = 'unknown')
        """
    }

    /// Where the message stands after its try number `attempt`; one row if that was open until now. A try that was
    /// accepted also stops a message that somebody wants to send again and that has not left again yet.
    static func settle(
        _ message: MessageID,
        tenant: TenantID,
        after attempt: Int,
        as state: Message.State,
        reason: String,
        now: Instant
    ) -> SQL {
        """
        UPDATE messages
           SET state = \(state.rawValue), reason = \(reason), updated_at = \(now)
         WHERE tenant_id = \(tenant.uuid) AND id = \(message.uuid) AND attempts = \(attempt)
           AND (state IN ('sending', 'unknown') OR (state = 'queued' AND \(state == .accepted)))
        RETURNING id
        """
    }

    /// Ends a message that is not to be sent, or says why it waits (`queued`).
    static func setAside(
        _ message: Message,
        tenant: TenantID,
        as state: Message.State,
        reason: String,
        now: Instant
    ) -> SQL {
        """
        UPDATE messages
           SET state = \(state.rawValue), reason = \(reason), updated_at = \(now)
         WHERE tenant_id = \(tenant.uuid) AND id = \(message.id.uuid) AND state = 'queued'
        """
    }

    // MARK: Resolving

    /// A person's word on the message's last try, beside what is known of that. For a transaction that holds the
    /// message.
    static func resolve(_ message: Message, tenant: TenantID, _ resolution: Message.Resolution) -> [SQL] {
        [
            """
            UPDATE messages
               SET state = \(resolution.verdict.state.rawValue), reason = \(resolution.reason),
                   updated_at = \(resolution.at)
             WHERE tenant_id = \(tenant.uuid) AND id = \(message.id.uuid) AND state = 'unknown'
            """,
            """
            UPDATE message_attempts
               SET resolved_as = \(resolution.verdict.rawValue), resolved_by = \(resolution.by),
                   resolved_at = \(resolution.at), note = \(resolution.note)
             WHERE tenant_id = \(tenant.uuid) AND message_id = \(message.id.uuid) AND attempt = \(message.attempts)
            """,
        ]
    }
}
