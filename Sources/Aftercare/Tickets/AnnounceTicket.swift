import FoundationEssentials
import Jobs
import Postgres
import Time

/// An escalation opened a ticket, or opened one again: tells the store's people by mail. The job's subject is the
/// ticket.
struct AnnounceTicket {
    static let kind = "announce_ticket"

    let environment: Environment

    var handler: JobHandler { JobHandler(Self.kind, run: run) }

    @Sendable private func run(_ job: Job) async throws -> JobOutcome {
        let (tenant, id) = (TenantID(job.tenant), TicketID(job.subject))
        guard let store = job.store.map({ StoreID($0) }) else { return .done }
        try await environment.pool.withTransaction(environment.settings(for: job.tenant)) { transaction in
            let now = environment.clock.now()
            try await JobStore.finish(job, in: transaction, now: now)
            let rows = try await transaction.query(
                EscalationStore.holdOrder(of: id, tenant: tenant),
                TicketStore.lock(id, tenant: tenant),
                TenantStore.store(store, tenant: tenant),
                TicketStore.comments(id, tenant: tenant),
                TicketStore.context(id, tenant: tenant)
            )
            guard let ticket = try rows[1].first.map(TicketStore.decode), ticket.notification == .waiting,
                let store = try rows[2].first.map(TenantStore.decode)
            else { return }
            let number: String? = try rows[0].first?("number")
            let latest = try rows[3].map(TicketStore.decodeComment).last
            let context = try TicketStore.decodeContext(rows[4])
            guard let mail = mail(about: ticket, number, latest, context, of: store, now: now) else {
                transaction.add(EscalationStore.note(.noAddress, by: nil, on: id, tenant: tenant, now: now))
                return
            }
            transaction.add(MessageStore.insert(mail.message, tenant: tenant))
            transaction.add(MessageStore.insert(mail.request, of: mail.message, tenant: tenant))
            transaction.add(EscalationStore.note(.mailed, by: mail.message.id, on: id, tenant: tenant, now: now))
            transaction.add(JobStore.enqueue(delivery(of: mail.message, tenant: tenant, now: now), now: now))
        }
        environment.wakeWorker()
        return .finished
    }

    /// Nil where there is nobody to tell. What no decision found has no run, and perhaps no order.
    private func mail(
        about ticket: Ticket,
        _ orderNumber: String?,
        _ latest: Ticket.Comment?,
        _ context: TicketContext,
        of store: Store,
        now: Instant
    ) -> (message: Message, request: Message.Request)? {
        guard let address = store.escalationEmail else { return nil }
        let message = Message(
            id: .new(),
            store: store.id,
            order: ticket.order,
            run: ticket.run,
            // One for each time it was opened: the version is another when it is opened again.
            effectKey: "ticket:\(ticket.id):v\(ticket.version)",
            messageClass: .internal,
            state: .queued,
            reason: nil,
            attempts: 0,
            createdAt: now,
            updatedAt: now
        )
        let text = announce(ticket, orderNumber: orderNumber, latest, context, of: store, at: environment.publicURL)
        let sender = Mailbox(store.mailFrom ?? environment.mailFrom).named(store.name)
        return (
            message,
            Message.Request(sender: "\(sender)", recipient: address, subject: text.subject, body: text.body)
        )
    }

    private func delivery(of message: Message, tenant: TenantID, now: Instant) -> NewJob {
        NewJob(
            tenant: tenant.uuid,
            id: .v7(),
            store: message.store.uuid,
            kind: DeliverMessage.kind,
            subject: message.id.uuid,
            runAt: now
        )
    }
}

/// What the store's people are told. What customers and mail servers wrote stays text, on lines of its own.
func announce(
    _ ticket: Ticket,
    orderNumber: String?,
    _ latest: Ticket.Comment?,
    _ context: TicketContext = TicketContext(),
    of store: Store,
    at publicURL: String
) -> RenderedText {
    let subject = ticket.subject.singleLine(limit: 160)
    let order = orderNumber.map { " (order \($0.singleLine(limit: 40)))" } ?? ""
    let vip = context.isVIP ? " The customer is a VIP." : ""
    let body = """
        \(ticket.kind.title)\(order). A person at \(store.name.singleLine(limit: 100)) is needed.\(vip)

        \(latest?.body ?? subject)

        What happens next: a person takes ticket \(ticket.number), by \(ticket.respondBy.written(in: store.zone)). \
        Until it is closed, follow-ups about its order are left out where their workflow says so. Notices about \
        deliveries and money go out as always.

        The ticket: \(publicURL)/v1/tickets/\(ticket.id)

        This message was sent automatically, to the escalation address of \(store.name.singleLine(limit: 100)).
        """
    return RenderedText(subject: "[Ticket \(ticket.number)] \(subject)", body: body)
}
