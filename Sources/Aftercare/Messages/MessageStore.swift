import FoundationEssentials
import Postgres
import Time

/// Messages, what they say and how they were sent, in the database.
enum MessageStore {
    static func insert(_ message: Message, tenant: TenantID) -> SQL {
        """
        INSERT INTO messages (tenant_id, id, store_id, order_id, run_id, effect_key, channel, class, not_after, state,
                              reason, attempts, created_at, updated_at)
             VALUES (\(tenant.uuid), \(message.id.uuid), \(message.store.uuid), \(message.order?.uuid),
                     \(message.run?.uuid), \(message.effectKey), 'email', \(message.messageClass.rawValue),
                     \(message.notAfter), \(message.state.rawValue), \(message.reason), \(message.attempts),
                     \(message.createdAt), \(message.updatedAt))
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
        id, store_id, order_id, run_id, effect_key, class, not_after, state, reason, attempts, created_at, updated_at
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
        SELECT attempt, started_at, ended_at, outcome, detail, resolved_as, resolved_by, resolved_at, note
          FROM message_attempts
         WHERE tenant_id = \(tenant.uuid) AND message_id = \(id.uuid)
         ORDER BY attempt
        """
    }

    struct Filter: Sendable {
        var state: Message.State?
        var order: OrderID?
    }

    /// Newest first, by `messages_by_order`; by `messages_in_doubt` those that wait for a person, which are few; else
    /// by `messages_by_creation`.
    static func messages(_ page: Page, _ filter: Filter, tenant: TenantID) -> SQL {
        if let order = filter.order {
            """
            SELECT \(unsafe: columns)
              FROM messages
             WHERE tenant_id = \(tenant.uuid) AND order_id = \(order.uuid)
               AND (\(filter.state?.rawValue) IS NULL OR state = \(filter.state?.rawValue))
               AND (created_at, id) < (\(page.createdAt), \(page.id))
             ORDER BY created_at DESC, id DESC
             LIMIT \(page.rowLimit)
            """
        } else if let state = filter.state, state == .unknown || state == .failed {
            """
            SELECT \(unsafe: columns)
              FROM messages
             WHERE tenant_id = \(tenant.uuid) AND state IN ('unknown', 'failed') AND state = \(state.rawValue)
               AND (created_at, id) < (\(page.createdAt), \(page.id))
             ORDER BY created_at DESC, id DESC
             LIMIT \(page.rowLimit)
            """
        } else {
            """
            SELECT \(unsafe: columns)
              FROM messages
             WHERE tenant_id = \(tenant.uuid)
               AND (\(filter.state?.rawValue) IS NULL OR state = \(filter.state?.rawValue))
               AND (created_at, id) < (\(page.createdAt), \(page.id))
             ORDER BY created_at DESC, id DESC
             LIMIT \(page.rowLimit)
            """
        }
    }

    // MARK: Rows

    static func decode(_ row: Row) throws -> Message {
        let (messageClass, state): (String, String) = try (row("class"), row("state"))
        guard let messageClass = MessageClass(rawValue: messageClass), let state = Message.State(rawValue: state) else {
            throw UnreadableRow(table: "messages")
        }
        let (order, run): (UUID?, UUID?) = try (row("order_id"), row("run_id"))
        return try Message(
            id: ID(row("id")),
            store: ID(row("store_id")),
            order: order.map { ID($0) },
            run: run.map { ID($0) },
            effectKey: row("effect_key"),
            messageClass: messageClass,
            notAfter: row("not_after"),
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
            detail: row("detail"),
            resolution: row.personsWord(of: "message_attempts")
        )
    }
}
