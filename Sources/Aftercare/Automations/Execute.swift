import FoundationEssentials
import Jobs
import Postgres
import Time

/// The only place where a decision becomes an effect: one run, and what it causes, in the transaction that also
/// deletes the job which asked.
struct Execute {
    let environment: Environment
    let store: Store
    /// Whom a message would go to. Not part of the facts.
    let customer: Customer
    let now: Instant

    struct Customer: Sendable {
        let email: String?
        let name: String?
    }

    /// Adds everything to the transaction, jobs last.
    ///
    /// The order is locked, and the facts say which effects there were before: an effect whose key exists was
    /// declined as `already_sent`. Should the unique key still be broken, the transaction fails as a whole, is tried
    /// again, and then says so.
    func add(_ decisions: [(question: Question, plan: Plan)], to transaction: Transaction) throws {
        var jobs: [SQL] = []
        for (question, plan) in decisions {
            guard let run = Run(question, plan, store: store.id, now: now), let evidence = run.evidence else {
                continue
            }
            transaction.add(RunStore.insert(run, evidence, tenant: store.tenant))
            // What is shadowed causes nothing, and what is off has nothing to cause.
            guard question.workflow.rollout == .live else { continue }
            for effect in plan.effects {
                switch effect {
                case .schedule(let due):
                    transaction.add(schedule(due, for: question))
                case .sendMessage(let template, let messageClass):
                    let (message, request) = try compose(template, messageClass, question, run)
                    transaction.add(MessageStore.insert(message, tenant: store.tenant))
                    transaction.add(MessageStore.insert(request, of: message, tenant: store.tenant))
                    jobs.append(JobStore.enqueue(delivery(of: message), now: now))
                case .escalate(let kind, let about):
                    let escalation = Escalation(kind, about: about, question, reason: run.reason, run: run.id)
                    for statement in EscalationStore.open(escalation, tenant: store.tenant, now: now) {
                        transaction.add(statement)
                    }
                    jobs.append(EscalationStore.announce(escalation, tenant: store.tenant, now: now))
                }
            }
        }
        for job in jobs { transaction.add(job) }
    }

    private func schedule(_ due: DueTime, for question: Question) -> SQL {
        // A test clock is stepped to what lies ahead of it. What is due by it already is nobody's next step, so the
        // ordinary promotion takes it, by real time.
        let isOverdueOnTestClock = store.testClock != nil && due.instant <= question.now
        let job = ScheduledJob(
            tenant: store.tenant.uuid,
            id: .v7(),
            store: store.id.uuid,
            kind: RunDueWorkflow.kind,
            rule: question.workflow.id.uuid,
            subject: question.facts.order.uuid,
            occurrence: question.trigger.episode,
            dueAt: isOverdueOnTestClock ? min(due.instant, now) : due.instant,
            intent: due.intent.map {
                .init(local: "\($0)", zone: question.zone.identifier, zoneData: Zone.dataVersion)
            },
            notAfter: due.notAfter,
            isOnTestClock: store.testClock != nil && !isOverdueOnTestClock
        )
        return JobStore.schedule(job, now: now)
    }

    private func compose(
        _ template: MessageTemplate,
        _ messageClass: MessageClass,
        _ question: Question,
        _ run: Run
    ) throws -> (Message, Message.Request) {
        guard let email = customer.email else { throw NoRecipient() }
        let sender = Mailbox(store.mailFrom ?? environment.mailFrom).named(store.name)
        let text = try render(
            template,
            RenderContext(
                customerName: customer.name,
                storeName: store.name,
                orderNumber: question.facts.number,
                deliveredAt: question.facts.parcel(question.trigger.episode)?.deliveredAt,
                refund: question.facts.refund(question.trigger.episode),
                bankTime: question.policy.policy.refunds.bankTime,
                asOf: question.facts.asOf,
                zone: question.zone
            )
        )
        let message = Message(
            id: .new(),
            store: store.id,
            order: question.facts.order,
            run: run.id,
            effectKey: question.effectKey,
            messageClass: messageClass,
            // A notice about the customer's money is late, and never too late.
            notAfter: messageClass == .followUp ? question.trigger.notAfter : nil,
            state: .queued,
            reason: nil,
            attempts: 0,
            createdAt: now,
            updatedAt: now
        )
        return (
            message,
            Message.Request(sender: "\(sender)", recipient: email, subject: text.subject, body: text.body)
        )
    }

    private func delivery(of message: Message) -> NewJob {
        NewJob(
            tenant: store.tenant.uuid,
            id: .v7(),
            store: store.id.uuid,
            kind: DeliverMessage.kind,
            subject: message.id.uuid,
            runAt: now
        )
    }

    /// A plan to send without an address: a mistake in `decide`.
    struct NoRecipient: Error {}
}
