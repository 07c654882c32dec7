import FoundationEssentials
import JSON
import Time

/// A dispute as a shop without a connector, or its payment provider, puts it: all of it, in our words. Pure.
struct PutDispute: Hashable, Sendable {
    /// When it was like this. What decides between two bodies.
    let asOf: Instant
    /// Told as history: it starts no workflow.
    let isHistorical: Bool
    /// The order's id in the shop.
    let order: String?
    private let values: DisputeStatement

    var statement: DisputeStatement {
        var statement = DisputeStatement(stamp: Stamp(at: asOf, json: json))
        (statement.type, statement.typeRaw) = (values.type, values.typeRaw)
        (statement.status, statement.statusRaw) = (values.status, values.statusRaw)
        (statement.amount, statement.reason) = (values.amount, values.reason)
        statement.networkReasonCode = values.networkReasonCode
        (statement.initiatedAt, statement.finalizedAt) = (values.initiatedAt, values.finalizedAt)
        (statement.evidenceDueBy, statement.evidenceSentAt) = (values.evidenceDueBy, values.evidenceSentAt)
        return statement
    }

    /// What became of it, by what the dispute was before.
    func outcome(_ before: Dispute?) -> PutOrder.Outcome {
        guard let before else { return .created }
        let statement = statement
        if before.word.stamp == statement.stamp { return .unchanged }
        return before.word.precedes(statement) ? .updated : .stale
    }

    init(_ body: inout FieldReader) throws(FieldErrors) {
        var values = DisputeStatement(stamp: Stamp(at: nil, hash: []))
        (
            asOf, isHistorical, order, values.type, values.typeRaw, values.status, values.statusRaw, values.amount,
            values.reason, values.networkReasonCode, values.initiatedAt, values.evidenceDueBy, values.evidenceSentAt,
            values.finalizedAt
        ) = try body.finish(
            body.required("as_of", .time),
            body.optional("historical", .bool).map { $0 ?? false },
            body.optional("order_external_id", .externalID),
            body.required("type", .choice()),
            body.optional("type_raw", .word),
            body.required("status", .choice()),
            body.optional("status_raw", .word),
            body.optional("amount", .money(.positive)),
            body.optional("reason", .word),
            body.optional("network_reason_code", .word),
            body.optional("initiated_at", .time),
            body.optional("evidence_due_by", .time),
            body.optional("evidence_sent_at", .time),
            body.optional("finalized_at", .time)
        )
        self.values = values
    }

    private var json: JSON {
        func time(_ instant: Instant?) -> JSON { instant.map { .number(JSONNumber($0.microseconds)) } ?? nil }
        func text(_ text: String?) -> JSON { text.map { .string($0) } ?? nil }
        return [
            "type": .array([.string(values.type.rawValue), text(values.typeRaw)]),
            "status": .array([.string(values.status.rawValue), text(values.statusRaw)]),
            "amount": values.amount.map { .array([.number(JSONNumber($0.amount)), .string($0.currency)]) } ?? nil,
            "reason": .array([text(values.reason), text(values.networkReasonCode)]),
            "times": .array(
                [values.initiatedAt, values.evidenceDueBy, values.evidenceSentAt, values.finalizedAt].map(time)
            ),
        ]
    }
}
