import FoundationEssentials
import Postgres
import Time

/// The ready-made workflows, and what a new store starts with.
enum WorkflowCatalogue {
    /// A ready-made workflow before it belongs to a store.
    struct ReadyMade: Sendable {
        let template: String
        let name: String
        let rollout: Workflow.Rollout
        let definition: @Sendable (_ today: LocalDate) -> Workflow
    }

    static let all = [postPurchaseFollowUp, refundRecorded, refundSucceeded, refundFailed, refundDelayed]

    static let postPurchaseFollowUp = ReadyMade(
        template: "post_purchase_follow_up",
        name: "Follow-up after delivery",
        rollout: .live
    ) { today in
        Workflow(
            trigger: .delivered,
            schedule: .byPolicy(.followUp),
            conditions: [.notCancelled, .notRefunded, .hasEmail, .noOpenTicket],
            action: .sendMessage(template: .followUp),
            messageClass: .followUp,
            charter: Workflow.Charter(
                goal: "Learn a few days after a delivery whether something is wrong, while it is easy to put right.",
                failureAvoided: "Customers who got a damaged or wrong item say nothing, and the shop loses them.",
                owner: "Customer care",
                sourceOfTruth: "The carrier's delivery event and the shop's order, read again before sending.",
                reviewOn: today.adding(days: reviewDays)
            )
        )
    }

    /// Ready-made workflows are looked at again after half a year.
    static let reviewDays = 182

    /// Version 1 of the store's policy and of every ready-made workflow.
    static func install(for store: Store, now: Instant) -> [SQL] {
        let policy = PolicyVersion(version: 1, policy: .initial)
        let today = store.zone.local(at: now).date
        return [PolicyStore.insert(policy, store: store.id, tenant: store.tenant, now: now)]
            + all.flatMap { ready in
                AutomationStore.insert(
                    WorkflowVersion(
                        id: .new(),
                        version: 1,
                        rollout: ready.rollout,
                        definition: ready.definition(today)
                    ),
                    name: ready.name,
                    template: ready.template,
                    store: store,
                    now: now
                )
            }
    }
}
