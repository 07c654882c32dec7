import FoundationEssentials
import Jobs
import Postgres
import Time

extension Escalation {
    /// A command that did not succeed, or of which nobody knows. Nil for every other state.
    init?(_ command: Command) {
        let meaning: String
        switch command.state {
        case .refused: meaning = "It was not carried out. Tell the customer, or find another way."
        case .failed:
            meaning = "The shop was not told. Do it in the shop, or correct what stood in the way and ask again."
        case .unknown:
            meaning =
                "The shop may have carried it out and may not, so it is not sent again by itself. Look in the shop, and "
                + "say what became of it (POST /v1/commands/\(command.id)/resolve)."
        case .requested, .sending, .accepted, .acknowledged, .verified: return nil
        }
        kind = .commandFailed
        origin = .order(command.order, by: "\(command.id)")
        effectKey = "command:\(command.id)"
        evidenceKey = "\(command.id):\(command.version)"
        subject = "\(Ticket.Kind.commandFailed.title): \(command.kind.words)"
        let reason = command.reason.map { " \($0.sentence)" } ?? ""
        let said = command.detail.map { " (\($0.singleLine(limit: 500)))" } ?? ""
        summary =
            "The command \(command.id) to \(command.kind.words) ended as \(command.state.rawValue).\(reason)\(said)\n\n"
            + meaning
    }
}

extension Command.Kind {
    /// What it asks the shop to do.
    var words: String {
        switch self {
        case .cancelOrder: "cancel the order"
        case .changeShippingAddress: "change the shipping address"
        case .createReturn: "create a return"
        }
    }
}

extension Command {
    /// Stores its new state and all that comes with it: a ticket where a person has to hear of it, a look at the mirror
    /// where it is to be seen there. For the end of a transaction that holds the order and it.
    ///
    /// - Parameter personKnows: a person has just said so.
    func save(personKnows: Bool = false, tenant: TenantID, now: Instant) -> [SQL] {
        let escalation = personKnows ? nil : Escalation(self)
        var statements = [CommandStore.update(self, tenant: tenant)]
        if let escalation { statements += EscalationStore.open(escalation, tenant: tenant, now: now) }
        // These enqueue, and so come last.
        if let escalation { statements.append(EscalationStore.announce(escalation, tenant: tenant, now: now)) }
        if let look = FollowCommand.firstLook(at: self, tenant: tenant, now: now) {
            statements.append(JobStore.enqueueCoalescing(look, now: now))
        }
        return statements
    }
}
