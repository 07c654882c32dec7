import Crypto
import FoundationEssentials
import JSON
import Time

/// One decision that was made: what asked, what was known, what was decided and why.
struct Run: Sendable {
    enum Outcome: String, CaseIterable, Sendable {
        case acted, declined
        /// Would have acted, were the workflow live.
        case shadowed
    }

    let id: RunID
    let store: StoreID
    let order: OrderID
    let workflow: WorkflowID
    let workflowVersion: Int
    let policyVersion: Int
    let trigger: String
    let triggerID: UUID
    let outcome: Outcome
    let reason: String
    /// The store's time it was decided for.
    let decidedAt: Instant
    let createdAt: Instant
    /// In full where one run is read; lists leave it out.
    let evidence: Evidence?

    struct Evidence: Sendable {
        let facts: JSON
        /// SHA-256 of the facts' canonical form.
        let factsHash: [UInt8]
        let plan: JSON

        init(facts: JSON, plan: JSON) {
            self.init(facts: facts, factsHash: Array(SHA256.hash(data: facts.canonicalBytes)), plan: plan)
        }

        init(facts: JSON, factsHash: [UInt8], plan: JSON) {
            self.facts = facts
            self.factsHash = factsHash
            self.plan = plan
        }
    }
}

extension Run {
    /// Nil where nothing is decided yet.
    init?(_ question: Question, _ plan: Plan, store: StoreID, now: Instant) {
        switch plan {
        case .act(_, let reason):
            outcome = question.workflow.rollout == .shadow ? .shadowed : .acted
            self.reason = reason.rawValue
        case .decline(let reason, _):
            outcome = .declined
            self.reason = reason.rawValue
        case .wait:
            return nil
        }
        id = .new()
        self.store = store
        order = question.facts.order
        workflow = question.workflow.id
        workflowVersion = question.workflow.version
        policyVersion = question.policy.version
        trigger = question.triggerName
        triggerID = question.trigger.id
        decidedAt = question.now
        createdAt = now
        evidence = Evidence(facts: question.json, plan: plan.json)
    }
}
