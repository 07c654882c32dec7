import FoundationEssentials
import Postgres
import Time

/// Tickets in the database. Lists are in `TicketStore+List`, what escalations do in `EscalationStore`.
enum TicketStore {
    // MARK: Opening

    /// The order a ticket is to be about, and its store. Kept from being decided about until the ticket is there, and
    /// locked before the counter, as everywhere.
    static func holdOrder(_ id: OrderID?, tenant: TenantID) -> SQL {
        """
        SELECT store_id
          FROM orders
         WHERE tenant_id = \(tenant.uuid) AND id = \(id?.uuid)
           FOR KEY SHARE
        """
    }

    /// The number of the store's next ticket; no row if there is no such store.
    static func nextNumber(of store: StoreID, tenant: TenantID) -> SQL {
        """
        INSERT INTO ticket_counters (tenant_id, store_id, last_number)
             SELECT tenant_id, id, 1
               FROM stores
              WHERE tenant_id = \(tenant.uuid) AND id = \(store.uuid)
        ON CONFLICT (tenant_id, store_id) DO UPDATE SET last_number = ticket_counters.last_number + 1
          RETURNING last_number
        """
    }

    static func insert(_ ticket: Ticket) -> SQL {
        """
        INSERT INTO tickets (tenant_id, id, store_id, number, subject, kind, state, priority, customer_email,
                             customer_name, assignee_id, order_id, opened_by, respond_by, version, created_at,
                             updated_at)
             VALUES (\(ticket.tenant.uuid), \(ticket.id.uuid), \(ticket.store.uuid), \(ticket.number),
                     \(ticket.subject), \(ticket.kind.rawValue), \(ticket.state.rawValue),
                     \(ticket.priority.rawValue), \(ticket.customerEmail), \(ticket.customerName),
                     \(ticket.assignee?.uuid), \(ticket.order?.uuid), \(ticket.openedBy), \(ticket.respondBy),
                     \(ticket.version), \(ticket.createdAt), \(ticket.updatedAt))
        """
    }

    static func insert(_ comment: Ticket.Comment, on ticket: Ticket) -> SQL {
        """
        INSERT INTO ticket_comments (tenant_id, id, store_id, ticket_id, author, body, created_at)
             VALUES (\(ticket.tenant.uuid), \(comment.id.uuid), \(ticket.store.uuid), \(ticket.id.uuid),
                     \(comment.author), \(comment.body), \(comment.createdAt))
        """
    }

    static func insert(_ event: Ticket.Event, of ticket: Ticket) -> SQL {
        """
        INSERT INTO ticket_events (tenant_id, id, store_id, ticket_id, action, actor, assignee_id, created_at)
             VALUES (\(ticket.tenant.uuid), \(event.id.uuid), \(ticket.store.uuid), \(ticket.id.uuid),
                     \(event.action.rawValue), \(event.actor), \(event.assignee?.uuid), \(event.createdAt))
        """
    }

    // MARK: Reading and changing

    static let columns = """
        tenant_id, id, store_id, number, subject, kind, state, priority, customer_email, customer_name, assignee_id,
        order_id, run_id, message_id, opened_by, notification, notification_id, respond_by, taken_at, closed_at,
        version, created_at, updated_at
        """

    static func ticket(_ id: TicketID, tenant: TenantID) -> SQL {
        "SELECT \(unsafe: columns) FROM tickets WHERE tenant_id = \(tenant.uuid) AND id = \(id.uuid)"
    }

    /// The same, kept from changing until the transaction ends.
    static func lock(_ id: TicketID, tenant: TenantID) -> SQL {
        """
        SELECT \(unsafe: columns)
          FROM tickets
         WHERE tenant_id = \(tenant.uuid) AND id = \(id.uuid)
           FOR NO KEY UPDATE
        """
    }

    static func update(_ ticket: Ticket) -> SQL {
        """
        UPDATE tickets
           SET subject = \(ticket.subject), state = \(ticket.state.rawValue), priority = \(ticket.priority.rawValue),
               assignee_id = \(ticket.assignee?.uuid), taken_at = \(ticket.takenAt), closed_at = \(ticket.closedAt),
               version = \(ticket.version), updated_at = \(ticket.updatedAt)
         WHERE tenant_id = \(ticket.tenant.uuid) AND id = \(ticket.id.uuid)
        """
    }

    /// How many comments and events a ticket is shown with: the latest.
    static let shown = 200

    /// The first one first, of the latest.
    static func comments(_ id: TicketID, tenant: TenantID) -> SQL {
        """
        SELECT id, author, body, created_at
          FROM (SELECT id, author, body, created_at
                  FROM ticket_comments
                 WHERE tenant_id = \(tenant.uuid) AND ticket_id = \(id.uuid)
                 ORDER BY created_at DESC, id DESC
                 LIMIT \(shown)) AS latest
         ORDER BY created_at, id
        """
    }

    static func events(_ id: TicketID, tenant: TenantID) -> SQL {
        """
        SELECT id, action, actor, assignee_id, created_at
          FROM (SELECT id, action, actor, assignee_id, created_at
                  FROM ticket_events
                 WHERE tenant_id = \(tenant.uuid) AND ticket_id = \(id.uuid)
                 ORDER BY created_at DESC, id DESC
                 LIMIT \(shown)) AS latest
         ORDER BY created_at, id
        """
    }

    // MARK: Rows

    static func decode(_ row: Row) throws -> Ticket {
        let (kind, state, priority, notification): (String, String, String, String) =
            try (row("kind"), row("state"), row("priority"), row("notification"))
        guard let kind = Ticket.Kind(rawValue: kind), let state = Ticket.State(rawValue: state),
            let priority = Ticket.Priority(rawValue: priority),
            let notification = Ticket.Notification(rawValue: notification)
        else { throw UnreadableRow(table: "tickets") }
        return try Ticket(
            id: ID(row("id")),
            tenant: ID(row("tenant_id")),
            store: ID(row("store_id")),
            number: row("number"),
            subject: row("subject"),
            kind: kind,
            state: state,
            priority: priority,
            customerEmail: row("customer_email"),
            customerName: row("customer_name"),
            assignee: id(row, "assignee_id"),
            order: id(row, "order_id"),
            run: id(row, "run_id"),
            message: id(row, "message_id"),
            openedBy: row("opened_by"),
            notification: notification,
            notificationMessage: id(row, "notification_id"),
            respondBy: row("respond_by"),
            takenAt: row("taken_at"),
            closedAt: row("closed_at"),
            version: row("version"),
            createdAt: row("created_at"),
            updatedAt: row("updated_at")
        )
    }

    static func decodeComment(_ row: Row) throws -> Ticket.Comment {
        try Ticket.Comment(
            id: ID(row("id")),
            author: row("author"),
            body: row("body"),
            createdAt: row("created_at")
        )
    }

    static func decodeEvent(_ row: Row) throws -> Ticket.Event {
        guard let action = Ticket.Event.Action(rawValue: try row("action")) else {
            throw UnreadableRow(table: "ticket_events")
        }
        return try Ticket.Event(
            id: ID(row("id")),
            action: action,
            actor: row("actor"),
            assignee: id(row, "assignee_id"),
            createdAt: row("created_at")
        )
    }

    private static func id<Kind>(_ row: Row, _ column: StaticString) throws -> ID<Kind>? {
        let uuid: UUID? = try row(column)
        return uuid.map { ID($0) }
    }
}
