import FoundationEssentials
import Postgres
import Time

/// Messages, what they say and how they were sent, in the database.
enum MessageStore {
    static func insert(_ message: Message, tenant: TenantID) -> SQL {
        """
        INSERT INTO messages (tenant_id, id, store_id, order_id, run_id, effect_key, channel, class, state, reason,
                              attempts, created_at, updated_at)
             VALUES (\(tenant.uuid), \(message.id.uuid), \(message.store.uuid), \(message.order.uuid),
                     \(message.run.uuid), \(message.effectKey), 'email', \(message.messageClass.rawValue),
                     \(message.state.rawValue), \(message.reason), \(message.attempts), \(message.createdAt),
                     \(message.updatedAt))
        """
    }

    static func insert(_ request: Message.Request, of message: Message, tenant: TenantID) -> SQL {
        """
        INSERT INTO message_requests (tenant_id, message_id, store_id, sender, recipient, subject, body)
             VALUES (\(tenant.uuid), \(message.id.uuid), \(message.store.uuid), \(request.sender),
                     \(request.recipient), \(request.subject), \(request.body))
        """
    }

    // MARK: Reading

    private static let columns = """
        id, store_id, order_id, run_id, effect_key, class, state, reason, attempts, created_at, updated_at
        """

    static func message(_ id: MessageID, tenant: TenantID) -> SQL {
        "SELECT \(unsafe: columns) FROM messages WHERE tenant_id = \(tenant.uuid) AND id = \(id.uuid)"
    }

    /// The same, kept from changing until the transaction ends.
    static func lock(_ id: MessageID, tenant: TenantID) -> SQL {
        "SELECT \(unsafe: columns) FROM messages WHERE tenant_id = \(tenant.uuid) AND id = \(id.uuid) FOR UPDATE"
    }

    static func request(_ id: MessageID, tenant: TenantID) -> SQL {
        """
        SELECT sender, recipient, subject, body
          FROM message_requests
         WHERE tenant_id = \(tenant.uuid) AND message_id = \(id.uuid)
        """
    }

    static func attempts(_ id: MessageID, tenant: TenantID) -> SQL {
        """
        SELECT attempt, started_at, ended_at, outcome, detail
          FROM message_attempts
         WHERE tenant_id = \(tenant.uuid) AND message_id = \(id.uuid)
         ORDER BY attempt
        """
    }

    /// Newest first, by `messages_by_order` or `messages_by_creation`.
    static func messages(_ page: Page, order: OrderID?, tenant: TenantID) -> SQL {
        guard let order else {
            return """
                SELECT \(unsafe: columns)
                  FROM messages
                 WHERE tenant_id = \(tenant.uuid) AND (created_at, id) < (\(page.createdAt), \(page.id))
                 ORDER BY created_at DESC, id DESC
                 LIMIT \(page.rowLimit)
                """
        }
        return """
            SELECT \(unsafe: columns)
              FROM messages
             WHERE tenant_id = \(tenant.uuid) AND order_id = \(order.uuid)
               AND (created_at, id) < (\(page.createdAt), \(page.id))
             ORDER BY created_at DESC, id DESC
             LIMIT \(page.rowLimit)
            """
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

    /// What became of a try. Also of one that was taken for lost meanwhile: what a mail server said stays true.
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

    /// Where the message stands after its try number `attempt`, if there was none since.
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
           AND state IN ('sending', 'unknown')
        """
    }

    /// Ends a message that cannot be sent.
    static func fail(_ message: Message, tenant: TenantID, reason: String, now: Instant) -> SQL {
        """
        UPDATE messages
           SET state = 'failed', reason = \(reason), updated_at = \(now)
         WHERE tenant_id = \(tenant.uuid) AND id = \(message.id.uuid) AND state = 'queued'
        """
    }

    // MARK: Rows

    static func decode(_ row: Row) throws -> Message {
        let (messageClass, state): (String, String) = try (row("class"), row("state"))
        guard let messageClass = MessageClass(rawValue: messageClass), let state = Message.State(rawValue: state) else {
            throw UnreadableRow(table: "messages")
        }
        return try Message(
            id: ID(row("id")),
            store: ID(row("store_id")),
            order: ID(row("order_id")),
            run: ID(row("run_id")),
            effectKey: row("effect_key"),
            messageClass: messageClass,
            state: state,
            reason: row("reason"),
            attempts: row("attempts"),
            createdAt: row("created_at"),
            updatedAt: row("updated_at")
        )
    }

    static func decodeRequest(_ row: Row) throws -> Message.Request {
        try Message.Request(
            sender: row("sender"),
            recipient: row("recipient"),
            subject: row("subject"),
            body: row("body")
        )
    }

    static func decodeAttempt(_ row: Row) throws -> Message.Attempt {
        let outcome: String? = try row("outcome")
        return try Message.Attempt(
            number: row("attempt"),
            startedAt: row("started_at"),
            endedAt: row("ended_at"),
            outcome: outcome.map { text in
                guard let outcome = Message.Attempt.Outcome(rawValue: text) else {
                    throw UnreadableRow(table: "message_attempts")
                }
                return outcome
            },
            detail: row("detail")
        )
    }
}
