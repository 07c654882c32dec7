import FoundationEssentials
import Time

/// Everything that decides whether a message that was decided on earlier may leave now. Read in the transaction that
/// marks it: what the shop tells after that comes too late.
struct SendQuestion: Sendable {
    let messageClass: MessageClass
    let notAfter: Instant?
    /// As it was when it decided, but for how far it is rolled out; nil where no workflow asked for the message.
    let workflow: WorkflowVersion?
    let financialStatus: String
    let lifecycleStatus: String
    /// Of the parcel the message is about, if it is about one.
    let parcelStatus: String?
    /// Of the refund the message is about, if it is about one.
    let refundState: RefundState?
    /// Whether somebody looks after the order; not where a person asked for this very message to be sent again.
    let hasOpenTicket: Bool
    /// Whether a payment of the order is disputed.
    let hasOpenDispute: Bool
    /// How risky the order is; nil where nobody has assessed it.
    var riskLevel: String?
    let quietHours: QuietHours?
    /// The store's zone and the store's time.
    let zone: Zone
    let now: Instant
    let isOnTestClock: Bool
}

enum SendDecision: Hashable, Sendable {
    case send
    /// It is quiet at the recipient's.
    case wait(until: Instant)
    /// Overtaken by time or by facts: it never leaves.
    case drop(DeclineReason)
}

/// Decides about a message once more, at the last moment: it may have waited for days, behind a mail server that was
/// away or for the end of the night. `decide` has said before that it should be sent.
func decideToSend(_ question: SendQuestion) -> SendDecision {
    // It tells the store's people of the very thing that may stand in a customer's way.
    if question.messageClass == .internal { return .send }
    if let reason = question.obstacle { return .drop(reason) }
    if let notAfter = question.notAfter, question.now > notAfter { return .drop(.expired) }
    // Quiet hours hold back what may wait, not a notice about the customer's money.
    guard question.messageClass == .followUp,
        let end = question.quietHours?.end(ifQuietAt: question.now, in: question.zone)
    else { return .send }
    if let notAfter = question.notAfter, end > notAfter { return .drop(.expired) }
    return .wait(until: end)
}

extension SendQuestion {
    fileprivate var obstacle: DeclineReason? {
        if OrderFacts.isDeleted(lifecycleStatus) { return .orderDeleted }
        // Whatever asked for it: no workflow and no person switches this off.
        if messageClass == .followUp, hasOpenDispute { return .disputeOpen }
        if messageClass == .followUp, OrderFacts.isFraudConcern(riskLevel) { return .fraudConcern }
        guard let workflow else { return nil }
        if workflow.rollout == .off || workflow.rollout == .shadow { return .workflowOff }
        let conditions = workflow.definition.conditions
        if conditions.contains(.notCancelled), OrderFacts.isCancelled(lifecycleStatus) { return .orderCancelled }
        if conditions.contains(.notRefunded) {
            if OrderFacts.isRefunded(financialStatus) { return .orderRefunded }
            // It cannot be said that it is not refunded.
            if OrderFacts.isPaymentUnknown(financialStatus) { return .paymentStatusUnknown }
        }
        if conditions.contains(.noOpenTicket), messageClass == .followUp, hasOpenTicket { return .ticketOpen }
        if let refundState, workflow.definition.trigger.isSuperseded(by: refundState) { return .superseded }
        // The carrier has taken it back, or the parcel is on its way back.
        if workflow.definition.trigger == .delivered, parcelStatus != nil, parcelStatus != "delivered" {
            return .notDelivered
        }
        return nil
    }
}
