import FoundationEssentials
import HTTPTypes
import JSON
import Postgres
import Time

/// What people and programs do with a ticket that is there.
extension TicketRoutes {
    private struct Changes {
        /// Closing and opening again have operations of their own.
        enum State: String, CaseIterable { case open, pending }

        let subject: String?
        let priority: Ticket.Priority?
        let state: State?
        let assignee: Patch<UserID>

        init(_ body: inout FieldReader) throws(FieldErrors) {
            (subject, priority, state, assignee) = try body.finish(
                body.change("subject", .string(1...200)),
                body.change("priority", .choice()),
                body.change("state", .choice()),
                body.patch("assignee_id", .id())
            )
        }
    }

    @Sendable func update(_ call: Call) async throws -> Reply {
        let id = try call.id("ticket_id", TicketKind.self)
        let changes = try call.decode(Changes.init)
        return try await environment.access.write(call) { transaction, principal in
            var ticket: Ticket
            if case .value(let assignee) = changes.assignee {
                ticket = try await hold(id, call, principal, assigning: assignee, in: transaction)
            } else {
                ticket = try await hold(id, call, principal, in: transaction)
            }
            let (actor, now) = (principal.actor, environment.clock.now())
            ticket.subject = changes.subject ?? ticket.subject
            ticket.priority = changes.priority ?? ticket.priority
            switch changes.state {
            case .pending where ticket.state != .pending: try move(.pend, &ticket, actor, now, in: transaction)
            case .open where ticket.state != .open: try move(.resume, &ticket, actor, now, in: transaction)
            case .pending, .open, nil: break
            }
            let assignee = changes.assignee.applied(to: ticket.assignee)
            if let event = ticket.assign(to: assignee, by: actor, at: now) {
                transaction.add(TicketStore.insert(event, of: ticket))
            }
            return save(&ticket, actor, now, in: transaction)
        }
    }

    private struct Note {
        let comment: String?

        init(_ body: inout FieldReader) throws(FieldErrors) {
            comment = try body.finish(body.optional("comment", .string(TicketRoutes.length)))
        }
    }

    @Sendable func close(_ call: Call) async throws -> Reply { try await move(.close, call) }

    @Sendable func reopen(_ call: Call) async throws -> Reply { try await move(.reopen, call) }

    private func move(_ move: Ticket.Move, _ call: Call) async throws -> Reply {
        let id = try call.id("ticket_id", TicketKind.self)
        let note = try call.decode(Note.init)
        return try await environment.access.write(call) { transaction, principal in
            var ticket = try await hold(id, call, principal, in: transaction)
            let (actor, now) = (principal.actor, environment.clock.now())
            try self.move(move, &ticket, actor, now, in: transaction)
            if let body = note.comment { add(body, to: ticket, actor, now, in: transaction) }
            return save(&ticket, actor, now, in: transaction)
        }
    }

    private struct NewComment {
        let body: String

        init(_ comment: inout FieldReader) throws(FieldErrors) {
            body = try comment.finish(comment.required("body", .string(TicketRoutes.length)))
        }
    }

    @Sendable func comment(_ call: Call) async throws -> Reply {
        let id = try call.id("ticket_id", TicketKind.self)
        let new = try call.decode(NewComment.init)
        return try await environment.access.write(call) { transaction, principal in
            var ticket = try await hold(id, call, principal, in: transaction)
            let (actor, now) = (principal.actor, environment.clock.now())
            let comment = add(new.body, to: ticket, actor, now, in: transaction)
            _ = save(&ticket, actor, now, in: transaction)
            return .created(at: "/v1/tickets/\(ticket.id)", version: ticket.version) { write(comment, to: &$0) }
        }
    }

    // MARK: Steps

    /// The ticket, locked, as the client knows it; whom it is to be assigned to can work on it.
    private func hold(
        _ id: TicketID,
        _ call: Call,
        _ principal: Principal,
        assigning assignee: UserID? = nil,
        in transaction: Transaction
    ) async throws -> Ticket {
        let rows = try await transaction.query(
            TicketStore.lock(id, tenant: principal.tenant),
            UserStore.find(assignee, tenant: principal.tenant)
        )
        guard let ticket = try rows[0].first.map(TicketStore.decode) else { throw Problem.notFound }
        try call.checkMatch(version: ticket.version)
        if assignee != nil {
            let user = try rows[1].first.map(UserStore.decode)
            guard let user, user.disabledAt == nil, user.role.scopes.contains(.ticketsWrite) else {
                throw Problem.field("#/assignee_id", .unknownValue, "is nobody who can work on tickets")
            }
        }
        return ticket
    }

    private func move(
        _ move: Ticket.Move,
        _ ticket: inout Ticket,
        _ actor: Ticket.Actor,
        _ now: Instant,
        in transaction: Transaction
    ) throws {
        do throws(Ticket.IllegalMove) {
            transaction.add(TicketStore.insert(try ticket.move(move, by: actor, at: now), of: ticket))
        } catch {
            let (state, action) = (error.state.rawValue, move.action.rawValue)
            throw Problem(.stateConflict, "The ticket is \(state) and cannot be \(action).")
        }
    }

    @discardableResult private func add(
        _ body: String,
        to ticket: Ticket,
        _ actor: Ticket.Actor,
        _ now: Instant,
        in transaction: Transaction
    ) -> Ticket.Comment {
        let comment = Ticket.Comment(id: .new(), author: actor.name, body: body, createdAt: now)
        transaction.add(TicketStore.insert(comment, on: ticket))
        return comment
    }

    private func save(
        _ ticket: inout Ticket,
        _ actor: Ticket.Actor,
        _ now: Instant,
        in transaction: Transaction
    ) -> Reply {
        ticket.changed(by: actor, at: now)
        transaction.add(TicketStore.update(ticket))
        return .json(version: ticket.version) { write(ticket, to: &$0) }
    }
}
