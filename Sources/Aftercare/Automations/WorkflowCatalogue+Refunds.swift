import FoundationEssentials
import Time

/// The notices about refunds. They tell of the customer's own money, so quiet hours do not hold them; of several that
/// become due together only the latest is sent.
extension WorkflowCatalogue {
    static let refundRecorded = refundNotice(
        "refund_recorded",
        "Refund is recorded",
        trigger: .refundRecorded,
        sends: .refundRecorded,
        goal: "Tell the customer at once that their refund is on its way, how much it is and how long it takes.",
        avoids: "Customers write to ask where their money is while nothing is wrong."
    )

    static let refundSucceeded = refundNotice(
        "refund_succeeded",
        "Refund's money was sent",
        trigger: .refundSucceeded,
        sends: .refundSucceeded,
        goal: "Tell the customer when the money was sent, and that the rest is up to their bank.",
        avoids: "The shop says a refund is done when it is only recorded, and the bank's days look like the shop's."
    )

    static let refundFailed = refundNotice(
        "refund_failed",
        "Refund was refused",
        trigger: .refundFailed,
        sends: .refundFailed,
        escalating: .refundFailed,
        goal: "Tell the customer that their money was not sent, before they wait for it in vain.",
        avoids: "A refund that the payment provider refused is noticed by nobody but the customer."
    )

    static let refundDelayed = refundNotice(
        "refund_delayed",
        "Refund is late",
        trigger: .refundRecorded,
        schedule: .byPolicy(.refundDelay),
        sends: .refundDelayed,
        escalating: .refundDelayed,
        goal: "Tell the customer that the shop has noticed when a refund takes longer than it should.",
        avoids: "A refund that hangs at the payment provider is noticed by nobody but the customer."
    )

    private static func refundNotice(
        _ template: String,
        _ name: String,
        trigger: Workflow.FactKind,
        schedule: Workflow.Schedule = .atOnce,
        sends message: MessageTemplate,
        escalating kind: Ticket.Kind? = nil,
        goal: String,
        avoids failure: String
    ) -> ReadyMade {
        ReadyMade(template: template, name: name, rollout: .live) { today in
            Workflow(
                trigger: trigger,
                schedule: schedule,
                // Most cancelled orders are refunded: no condition about the order keeps this from its customer.
                conditions: [.hasEmail],
                action: .sendMessage(template: message, escalating: kind),
                messageClass: .transactional,
                charter: Workflow.Charter(
                    goal: goal,
                    failureAvoided: failure,
                    owner: "Customer care",
                    sourceOfTruth: "The shop's refund and its payment transactions, read again before sending.",
                    reviewOn: today.adding(days: reviewDays)
                )
            )
        }
    }
}
