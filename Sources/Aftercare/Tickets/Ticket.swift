import FoundationEssentials
import Time

/// Something a person has to look at, until somebody closes it.
///
/// What it does in its states is drawn in the documentation (`Tickets.md`).
struct Ticket: Hashable, Sendable {
    enum State: String, CaseIterable, Sendable {
        case open
        /// Waits for somebody else: the customer, a carrier, a bank.
        case pending
        case closed
    }

    enum Priority: String, CaseIterable, Sendable { case low, normal, high, urgent }

    /// Whether the store's people were told of it by mail.
    enum Notification: String, CaseIterable, Sendable {
        /// A person or a program of the store opened it: nobody was to be told.
        case none
        case waiting
        /// The message says what became of it.
        case mailed
        /// The store names no escalation address.
        case noAddress = "no_address"
    }

    let id: TicketID
    let tenant: TenantID
    let store: StoreID
    /// What people call it by, within its store.
    let number: Int64
    var subject: String
    let kind: Kind
    private(set) var state: State
    var priority: Priority
    let customerEmail: String?
    let customerName: String?
    private(set) var assignee: UserID?
    let order: OrderID?
    let run: RunID?
    let message: MessageID?
    /// The public id of the person, key, run, message, event or order that opened it.
    let openedBy: String
    let notification: Notification
    let notificationMessage: MessageID?
    /// When a person is to have taken it.
    let respondBy: Instant
    /// When one first did.
    private(set) var takenAt: Instant?
    private(set) var closedAt: Instant?
    private(set) var version: Int64
    let createdAt: Instant
    private(set) var updatedAt: Instant
}

extension Ticket {
    struct Comment: Sendable {
        let id: TicketCommentID
        let author: String
        let body: String
        let createdAt: Instant
    }

    /// What was done with it, and by whom: kept, so that everybody can see it later.
    struct Event: Hashable, Sendable {
        enum Action: String, CaseIterable, Sendable {
            case opened, assigned, unassigned, pended, resumed, closed, reopened
        }

        let id: TicketEventID
        let action: Action
        let actor: String
        /// Whom it was assigned to.
        let assignee: UserID?
        let createdAt: Instant
    }
}

enum TicketCommentKind: IDKind { static let prefix = "tcm" }
enum TicketEventKind: IDKind { static let prefix = "tev" }

typealias TicketCommentID = ID<TicketCommentKind>
typealias TicketEventID = ID<TicketEventKind>

// MARK: The state machine

extension Ticket {
    enum Move: CaseIterable, Sendable {
        case pend, resume, close, reopen

        var action: Event.Action {
            switch self {
            case .pend: .pended
            case .resume: .resumed
            case .close: .closed
            case .reopen: .reopened
            }
        }
    }

    /// A move that this state does not have.
    struct IllegalMove: Error, Hashable {
        let move: Move
        let state: State
    }
}

extension Ticket.State {
    /// Nil where there is no such move.
    func after(_ move: Ticket.Move) -> Ticket.State? {
        switch (self, move) {
        case (.open, .pend): .pending
        case (.pending, .resume), (.closed, .reopen): .open
        case (.open, .close), (.pending, .close): .closed
        case (.open, .resume), (.open, .reopen), (.pending, .pend), (.pending, .reopen), (.closed, .pend),
            (.closed, .resume), (.closed, .close):
            nil
        }
    }
}

// MARK: What is done with it

extension Ticket {
    /// Who does something with a ticket.
    struct Actor: Hashable, Sendable {
        /// The public id.
        let name: String
        /// Nil for a program.
        let user: UserID?
    }

    /// A ticket somebody opens over the API.
    init(
        tenant: TenantID,
        store: StoreID,
        number: Int64,
        subject: String,
        kind: Kind,
        priority: Priority?,
        customerEmail: String?,
        customerName: String?,
        order: OrderID?,
        by actor: Actor,
        at now: Instant
    ) {
        self.init(
            id: .new(),
            tenant: tenant,
            store: store,
            number: number,
            subject: subject,
            kind: kind,
            state: .open,
            priority: priority ?? kind.priority,
            customerEmail: customerEmail,
            customerName: customerName,
            assignee: nil,
            order: order,
            run: nil,
            message: nil,
            openedBy: actor.name,
            notification: .none,
            notificationMessage: nil,
            respondBy: kind.respondBy(openedAt: now),
            takenAt: nil,
            closedAt: nil,
            version: 1,
            createdAt: now,
            updatedAt: now
        )
    }

    mutating func move(_ move: Move, by actor: Actor, at now: Instant) throws(IllegalMove) -> Event {
        guard let next = state.after(move) else { throw IllegalMove(move: move, state: state) }
        state = next
        closedAt = next == .closed ? now : nil
        // Whoever settles a ticket has taken it, whether or not it was theirs.
        if next == .closed, actor.user != nil { takenAt = takenAt ?? now }
        return event(move.action, by: actor, at: now)
    }

    /// Nil where nothing changes.
    mutating func assign(to assignee: UserID?, by actor: Actor, at now: Instant) -> Event? {
        guard self.assignee != assignee else { return nil }
        self.assignee = assignee
        return event(assignee == nil ? .unassigned : .assigned, assignee, by: actor, at: now)
    }

    /// Ends a change: counts it, and notes when the person it is assigned to first did something with it. To be given
    /// a ticket by somebody else is not to take it.
    mutating func changed(by actor: Actor, at now: Instant) {
        if let assignee, assignee == actor.user { takenAt = takenAt ?? now }
        version += 1
        updatedAt = now
    }

    func event(_ action: Event.Action, _ assignee: UserID? = nil, by actor: Actor, at now: Instant) -> Event {
        Event(id: .new(), action: action, actor: actor.name, assignee: assignee, createdAt: now)
    }
}
