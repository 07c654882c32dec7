import FoundationEssentials
import Postgres
import Time

/// What an escalation does, in the database.
enum EscalationStore {
    /// Opens the ticket, or adds to the one there is. To be part of the transaction that found the exception, after
    /// the row the escalation comes from; `announce` goes to its end.
    static func open(_ escalation: Escalation, tenant: TenantID, now: Instant) -> [SQL] {
        let ticket = TicketID.new()
        return [
            holdOrder(escalation, tenant: tenant),
            insert(ticket, escalation, tenant: tenant, now: now),
            insertEvent(of: ticket, escalation, tenant: tenant, now: now),
            addEvidence(escalation, besides: ticket, tenant: tenant, now: now),
        ]
    }

    /// A message has ended. For the end of the transaction that settles it: nothing happens unless the row says that
    /// it failed or is in doubt, and went to a customer.
    static func messageEnded(
        _ message: MessageID,
        as state: Message.State,
        attempt: Int,
        detail: String,
        tenant: TenantID,
        now: Instant
    ) -> [SQL] {
        guard let escalation = Escalation(message, endedAs: state, attempt: attempt, detail: detail) else { return [] }
        return open(escalation, tenant: tenant, now: now) + [announce(escalation, tenant: tenant, now: now)]
    }

    // MARK: The ticket

    /// Before the counter: whoever decides about the order holds it, and may open a ticket too.
    private static func holdOrder(_ escalation: Escalation, tenant: TenantID) -> SQL {
        """
        SELECT id
          FROM orders
         WHERE tenant_id = \(tenant.uuid)
           AND id = (SELECT \(unsafe: escalation.origin.order)
                       FROM \(unsafe: escalation.origin.table)
                      WHERE tenant_id = \(tenant.uuid) AND id = \(escalation.origin.uuid))
           FOR KEY SHARE
        """
    }

    /// One ticket for each effect key. Two that come at once both take a number, and one of them is not used.
    private static func insert(_ ticket: TicketID, _ escalation: Escalation, tenant: TenantID, now: Instant) -> SQL {
        """
        WITH origin AS MATERIALIZED (
            SELECT store_id, \(unsafe: escalation.origin.order) AS order_id, \(unsafe: escalation.origin.run) AS run_id
              FROM \(unsafe: escalation.origin.table)
             WHERE tenant_id = \(tenant.uuid) AND id = \(escalation.origin.uuid) \(unsafe: escalation.origin.condition)
               AND NOT EXISTS (SELECT FROM tickets
                                WHERE tenant_id = \(tenant.uuid) AND effect_key = \(escalation.effectKey))
        ), counted AS (
            INSERT INTO ticket_counters (tenant_id, store_id, last_number)
                 SELECT \(tenant.uuid), store_id, 1
                   FROM origin
            ON CONFLICT (tenant_id, store_id) DO UPDATE SET last_number = ticket_counters.last_number + 1
              RETURNING last_number
        )
        INSERT INTO tickets (tenant_id, id, store_id, number, subject, kind, priority, order_id, run_id, message_id,
                             opened_by, effect_key, notification, respond_by, created_at, updated_at)
             SELECT \(tenant.uuid), \(ticket.uuid), store_id, last_number, \(escalation.subject),
                    \(escalation.kind.rawValue), \(escalation.kind.priority.rawValue), order_id, run_id,
                    \(escalation.origin.message), \(escalation.openedBy), \(escalation.effectKey), 'waiting',
                    \(escalation.kind.respondBy(openedAt: now)), \(now), \(now)
               FROM origin, counted
        ON CONFLICT (tenant_id, effect_key) WHERE effect_key IS NOT NULL DO NOTHING
        """
    }

    private static func insertEvent(
        of ticket: TicketID,
        _ escalation: Escalation,
        tenant: TenantID,
        now: Instant
    ) -> SQL {
        """
        INSERT INTO ticket_events (tenant_id, id, store_id, ticket_id, action, actor, created_at)
             SELECT \(tenant.uuid), \(TicketEventID.new().uuid), store_id, id, 'opened', opened_by, \(now)
               FROM tickets
              WHERE tenant_id = \(tenant.uuid) AND id = \(ticket.uuid)
        """
    }

    /// What was found becomes a comment, once. A ticket that was there before is opened again by it: somebody thought
    /// it was done, or that another's turn had come.
    private static func addEvidence(
        _ escalation: Escalation,
        besides ticket: TicketID,
        tenant: TenantID,
        now: Instant
    ) -> SQL {
        """
        WITH added AS (
            INSERT INTO ticket_comments (tenant_id, id, store_id, ticket_id, author, body, evidence_key, created_at)
                 SELECT \(tenant.uuid), \(TicketCommentID.new().uuid), store_id, id, \(escalation.openedBy),
                        \(escalation.summary), \(escalation.evidenceKey), \(now)
                   FROM tickets
                  WHERE tenant_id = \(tenant.uuid) AND effect_key = \(escalation.effectKey)
            ON CONFLICT (tenant_id, ticket_id, evidence_key) WHERE evidence_key IS NOT NULL DO NOTHING
              RETURNING ticket_id
        ), found AS MATERIALIZED (
            SELECT ticket.id, ticket.store_id, ticket.state
              FROM tickets AS ticket
              JOIN added ON added.ticket_id = ticket.id
             WHERE ticket.tenant_id = \(tenant.uuid) AND ticket.id <> \(ticket.uuid)
               FOR NO KEY UPDATE OF ticket
        ), told AS (
            INSERT INTO ticket_events (tenant_id, id, store_id, ticket_id, action, actor, created_at)
                 SELECT \(tenant.uuid), \(TicketEventID.new().uuid), store_id, id,
                        CASE state WHEN 'closed' THEN 'reopened' ELSE 'resumed' END, \(escalation.openedBy), \(now)
                   FROM found
                  WHERE state <> 'open'
        )
        UPDATE tickets
           SET state = 'open', closed_at = NULL, version = version + 1, updated_at = \(now),
               notification = CASE found.state WHEN 'closed' THEN 'waiting' ELSE notification END
          FROM found
         WHERE tickets.tenant_id = \(tenant.uuid) AND tickets.id = found.id
        """
    }

    // MARK: Telling people

    /// Enqueues `AnnounceTicket` where somebody is to be told. It finds nothing to do where it was faster than another.
    static func announce(_ escalation: Escalation, tenant: TenantID, now: Instant) -> SQL {
        """
        INSERT INTO jobs (tenant_id, id, store_id, kind, subject_id, run_at, created_at)
             SELECT \(tenant.uuid), \(JobID.new().uuid), store_id, \(AnnounceTicket.kind), id, \(now), \(now)
               FROM tickets
              WHERE tenant_id = \(tenant.uuid) AND effect_key = \(escalation.effectKey) AND notification = 'waiting'
        """
    }

    /// The order a ticket is about. Held before the ticket: whoever decides about the order may add to the ticket, and
    /// the mail's row holds the order too.
    static func holdOrder(of ticket: TicketID, tenant: TenantID) -> SQL {
        """
        SELECT number
          FROM orders
         WHERE tenant_id = \(tenant.uuid)
           AND id = (SELECT order_id FROM tickets WHERE tenant_id = \(tenant.uuid) AND id = \(ticket.uuid))
           FOR KEY SHARE
        """
    }

    /// Whether, and by which mail, somebody was told.
    static func note(
        _ notification: Ticket.Notification,
        by mail: MessageID?,
        on ticket: TicketID,
        tenant: TenantID,
        now: Instant
    ) -> SQL {
        """
        UPDATE tickets
           SET notification = \(notification.rawValue), notification_id = coalesce(\(mail?.uuid), notification_id),
               version = version + 1, updated_at = \(now)
         WHERE tenant_id = \(tenant.uuid) AND id = \(ticket.uuid)
        """
    }
}

extension Escalation.Origin {
    fileprivate var table: String {
        switch self {
        case .run: "runs"
        case .message: "messages"
        case .dispute: "disputes"
        case .return: "returns"
        case .connection: "connections"
        case .order: "orders"
        }
    }

    /// The column of the order.
    fileprivate var order: String {
        switch self {
        case .run, .message, .dispute, .return: "order_id"
        case .connection: "NULL::uuid"
        case .order: "id"
        }
    }

    /// The column of the run.
    fileprivate var run: String {
        switch self {
        case .run: "id"
        case .message: "run_id"
        case .dispute, .return, .connection, .order: "NULL::uuid"
        }
    }

    fileprivate var condition: String {
        switch self {
        case .run, .dispute, .return, .connection, .order: ""
        case .message: "AND class <> 'internal' AND state IN ('failed', 'unknown')"
        }
    }

    fileprivate var uuid: UUID {
        switch self {
        case .run(let run): run.uuid
        case .message(let message): message.uuid
        case .dispute(let dispute): dispute.uuid
        case .return(let `return`): `return`.uuid
        case .connection(let connection): connection.uuid
        case .order(let order, _): order.uuid
        }
    }

    fileprivate var message: UUID? {
        switch self {
        case .run, .dispute, .return, .connection, .order: nil
        case .message(let message): message.uuid
        }
    }
}
