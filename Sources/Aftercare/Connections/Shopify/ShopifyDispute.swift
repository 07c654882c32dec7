import FoundationEssentials
import JSON
import Time

/// The body of Shopify's `disputes/create` and `disputes/update`, read. Pure.
///
/// It is the whole dispute and does not say when it was like this, so it counts from when the shop sent it.
enum ShopifyDispute {
    static func change(_ body: BodyReader, saidAt: Instant) throws(Poison) -> DisputeChange {
        var statement = DisputeStatement(stamp: body.stamp(members, at: try body.time("updated_at") ?? saidAt))
        statement.typeRaw = try body.text("type")
        statement.type = type(statement.typeRaw)
        statement.statusRaw = try body.text("status")
        statement.status = status(statement.statusRaw)
        statement.amount = try body.money("amount", in: body.text("currency"))?.magnitude
        statement.reason = try body.text("reason")?.lowercased()
        statement.networkReasonCode = try body.text("network_reason_code")
        statement.initiatedAt = try body.time("initiated_at")
        statement.evidenceDueBy = try body.time("evidence_due_by")
        statement.evidenceSentAt = try body.time("evidence_sent_on")
        statement.finalizedAt = try body.time("finalized_on")
        return DisputeChange(
            externalID: try body.id("id"),
            order: body.object["order_id"]?.isNull == false ? try body.id("order_id") : nil,
            statement: statement
        )
    }

    private static let members = [
        "id", "order_id", "type", "status", "amount", "currency", "reason", "network_reason_code", "initiated_at",
        "evidence_due_by", "evidence_sent_on", "finalized_on",
    ]

    static func type(_ raw: String?) -> DisputeType {
        switch raw?.lowercased() {
        case "inquiry": .inquiry
        case "chargeback": .chargeback
        default: .unknown
        }
    }

    /// REST's words, and GraphQL's.
    static func status(_ raw: String?) -> DisputeStatus {
        switch raw?.lowercased() {
        case "needs_response": .needsResponse
        case "under_review": .underReview
        case "accepted": .accepted
        case "won": .won
        case "lost": .lost
        case "prevented": .prevented
        case "charge_refunded": .chargeRefunded
        default: .unknown
        }
    }
}
