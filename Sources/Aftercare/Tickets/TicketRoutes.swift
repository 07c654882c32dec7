import FoundationEssentials
import HTTPTypes
import JSON
import Postgres
import Time

/// `/v1/tickets`: what people have to look at, and what they do with it.
struct TicketRoutes {
    let environment: Environment

    private static let filters: Set<String> = ["store_id", "order_id", "assignee_id", "state"]

    var routes: [Route] {
        [
            Route(.post, "/v1/tickets", .holder(of: .ticketsWrite), body: .json, create),
            Route(.get, "/v1/tickets", .holder(of: .ticketsRead), query: Page.parameters.union(Self.filters), list),
            Route(.get, "/v1/tickets/{ticket_id}", .holder(of: .ticketsRead), get),
            Route(.patch, "/v1/tickets/{ticket_id}", .holder(of: .ticketsWrite), body: .mergePatch, update),
            Route(.post, "/v1/tickets/{ticket_id}/comments", .holder(of: .ticketsWrite), body: .json, comment),
            Route(.post, "/v1/tickets/{ticket_id}/close", .holder(of: .ticketsWrite), body: .json, close),
            Route(.post, "/v1/tickets/{ticket_id}/reopen", .holder(of: .ticketsWrite), body: .json, reopen),
        ]
    }

    // MARK: Opening

    private struct NewTicket {
        let store: StoreID
        let subject: String
        let kind: Ticket.Kind
        let priority: Ticket.Priority?
        let body: String?
        let customerEmail: String?
        let customerName: String?
        let order: OrderID?

        init(_ ticket: inout FieldReader) throws(FieldErrors) {
            (store, subject, kind, priority, body, customerEmail, customerName, order) = try ticket.finish(
                ticket.required("store_id", .id()),
                ticket.required("subject", .string(1...200)),
                ticket.optional("kind", .choice()).map { $0 ?? .question },
                ticket.optional("priority", .choice()),
                ticket.optional("body", .string(TicketRoutes.length)),
                ticket.optional("customer_email", .mailAddress),
                ticket.optional("customer_name", .string(1...200)),
                ticket.optional("order_id", .id())
            )
        }
    }

    static let length = 1...10_000

    @Sendable private func create(_ call: Call) async throws -> Reply {
        let new = try call.decode(NewTicket.init)
        return try await environment.access.write(call) { transaction, principal in
            let rows = try await transaction.query(
                TicketStore.holdOrder(new.order, tenant: principal.tenant),
                TicketStore.nextNumber(of: new.store, tenant: principal.tenant)
            )
            guard let number = try rows[1].first?.decode(Int64.self) else {
                throw Problem.field("#/store_id", .unknownValue, "is no store this credential may see")
            }
            let orderStore = try rows[0].first?.decode(UUID.self)
            guard new.order == nil || orderStore == new.store.uuid else {
                throw Problem.field("#/order_id", .unknownValue, "is no order of this store")
            }
            let (actor, now) = (principal.actor, environment.clock.now())
            let ticket = Ticket(
                tenant: principal.tenant,
                store: new.store,
                number: number,
                subject: new.subject,
                kind: new.kind,
                priority: new.priority,
                customerEmail: new.customerEmail,
                customerName: new.customerName,
                order: new.order,
                by: actor,
                at: now
            )
            transaction.add(TicketStore.insert(ticket))
            transaction.add(TicketStore.insert(ticket.event(.opened, by: actor, at: now), of: ticket))
            if let body = new.body {
                let comment = Ticket.Comment(id: .new(), author: actor.name, body: body, createdAt: now)
                transaction.add(TicketStore.insert(comment, on: ticket))
            }
            return .created(at: "/v1/tickets/\(ticket.id)", version: ticket.version) { write(ticket, to: &$0) }
        }
    }

    // MARK: Reading

    @Sendable private func list(_ call: Call) async throws -> Reply {
        let page = try Page(call, filters: Self.filters, key: environment.masterKey.cursors)
        let states = Ticket.State.allCases.map(\.rawValue).joined(separator: ", ")
        let filter = TicketStore.Filter(
            store: try call.query.id("store_id"),
            order: try call.query.id("order_id"),
            assignee: try call.query.id("assignee_id"),
            state: try call.query.value("state", "one of \(states)") { Ticket.State(rawValue: $0) }
        )
        let (_, rows) = try await environment.access.read(call) {
            [TicketStore.tickets(page, filter, tenant: $0.tenant)]
        }
        let tickets = try rows[0].map(TicketStore.decode)
        return page.reply(tickets, position: { ($0.createdAt, $0.id.uuid) }, write)
    }

    @Sendable private func get(_ call: Call) async throws -> Reply {
        let id = try call.id("ticket_id", TicketKind.self)
        let (_, rows) = try await environment.access.find(call) {
            [
                TicketStore.ticket(id, tenant: $0.tenant),
                TicketStore.comments(id, tenant: $0.tenant),
                TicketStore.events(id, tenant: $0.tenant),
                TicketStore.context(id, tenant: $0.tenant),
            ]
        }
        guard let ticket = try rows[0].first.map(TicketStore.decode) else { throw Problem.notFound }
        let comments = try rows[1].map(TicketStore.decodeComment)
        let events = try rows[2].map(TicketStore.decodeEvent)
        let context = try TicketStore.decodeContext(rows[3])
        let reply = Reply.json(version: ticket.version) { object in
            write(ticket, to: &object)
            object.member("order_risk_level", context.risk?.rawValue)
            object.member("customer_is_vip", context.isVIP)
            object.array("comments", comments) { writer, comment in writer.object { write(comment, to: &$0) } }
            object.array("events", events) { writer, event in writer.object { write(event, to: &$0) } }
        }
        return call.unlessMatching(version: ticket.version, reply)
    }

    // MARK: Writing

    func write(_ ticket: Ticket, to object: inout JSONObjectWriter) {
        object.member("id", ticket.id)
        object.member("store_id", ticket.store)
        object.member("number", ticket.number)
        object.member("subject", ticket.subject)
        object.member("kind", ticket.kind.rawValue)
        object.member("state", ticket.state.rawValue)
        object.member("priority", ticket.priority.rawValue)
        object.member("customer_email", ticket.customerEmail)
        object.member("customer_name", ticket.customerName)
        object.member("assignee_id", ticket.assignee)
        object.member("order_id", ticket.order)
        object.member("run_id", ticket.run)
        object.member("message_id", ticket.message)
        object.member("opened_by", ticket.openedBy)
        object.member("notification", ticket.notification.rawValue)
        object.member("notification_message_id", ticket.notificationMessage)
        object.member("respond_by", ticket.respondBy)
        object.member("taken_at", ticket.takenAt)
        object.member("closed_at", ticket.closedAt)
        object.member("version", ticket.version)
        object.member("created_at", ticket.createdAt)
        object.member("updated_at", ticket.updatedAt)
    }

    func write(_ comment: Ticket.Comment, to object: inout JSONObjectWriter) {
        object.member("id", comment.id)
        object.member("author", comment.author)
        object.member("visibility", "internal")
        object.member("body", comment.body)
        object.member("created_at", comment.createdAt)
    }

    private func write(_ event: Ticket.Event, to object: inout JSONObjectWriter) {
        object.member("id", event.id)
        object.member("action", event.action.rawValue)
        object.member("actor", event.actor)
        object.member("assignee_id", event.assignee)
        object.member("created_at", event.createdAt)
    }
}

extension Principal {
    var actor: Ticket.Actor {
        switch identity {
        case .apiKey: Ticket.Actor(name: name, user: nil)
        case .user(let user, _, _): Ticket.Actor(name: name, user: user)
        }
    }
}
