import FoundationEssentials
import JSON
import Time

/// A return as a shop without a connector, or a warehouse, puts it, in our words. Pure.
///
/// Other than of an order, what a body leaves out it says nothing of: the shop tells of what was announced, and the
/// warehouse counts what came back.
struct PutReturn: Hashable, Sendable {
    /// When it was like this. What decides between two bodies.
    let asOf: Instant
    /// Told as history: it starts no workflow.
    let isHistorical: Bool
    /// The order's id in the shop.
    let order: String?
    let requestedAt: Instant?
    let told: Set<ReturnField>
    let values: ReturnValues
    let receipts: [String: Int]

    var statement: ReturnStatement {
        ReturnStatement(
            stamp: Stamp(at: asOf, json: json),
            told: told,
            values: values,
            receipts: receipts,
            requestedAt: requestedAt
        )
    }

    /// What became of it, by what the return was before and is now.
    func outcome(_ before: Return?, _ after: Return) -> PutOrder.Outcome {
        guard let before else { return .created }
        if before != after { return .updated }
        let stamp = statement.stamp
        let isKnown =
            told.allSatisfy { after.provenance.stamp(of: $0) == stamp }
            && receipts.keys.allSatisfy { after.receipts[$0]?.stamp == stamp }
        return isKnown ? .unchanged : .stale
    }

    private var json: JSON {
        [
            "order": .text(order),
            "requested_at": .time(requestedAt),
            "told": .array(told.map(\.rawValue).sorted().map { .string($0) }),
            "name": .text(values.name),
            "state": .array([.text(values.reported?.rawValue), .text(values.reportedRaw)]),
            "outcome": .text(values.outcome?.rawValue),
            "decline_reason": .text(values.declineReason),
            "tracking": .array([.text(values.carrier), .text(values.trackingNumber), .text(values.trackingURL)]),
            "label_url": .text(values.labelURL),
            "announced": .array(
                values.announced.map { line in
                    [
                        "external_id": .string(line.externalID),
                        "order_line": .text(line.orderLine),
                        "quantity": .number(JSONNumber(Int64(line.quantity))),
                        "reason": .text(line.reason),
                        "note": .text(line.note),
                    ]
                }
            ),
            "receipts": .array(
                receipts.sorted { $0.key < $1.key }
                    .map { .array([.string($0.key), .number(JSONNumber(Int64($0.value)))]) }
            ),
        ]
    }
}

// MARK: The body of PUT …/returns/by-external-id/{external_id}, read. Everything wrong with it is found at once.

extension PutReturn {
    init(_ body: inout FieldReader) throws(FieldErrors) {
        let lines = body.optional("lines", .lines).map { $0 ?? [] }
        let names = (body.optional("name", .string(1...255)), body.optional("decline_reason", .word))
        let reported = body.optional("state", .choice(ReturnState.self))
        let raw = body.optional("state_raw", .word)
        let outcome = body.optional("outcome", .choice(ReturnOutcome.self))
        let parcel = (
            body.optional("carrier", .string(1...255)), body.optional("tracking_number", .string(1...255)),
            body.optional("tracking_url", .webAddress), body.optional("label_url", .webAddress)
        )
        if case .some(.none) = reported, case .some(.some) = raw {
            body.report("state_raw", .unknownValue, "must be absent without a state")
        }
        for (index, line) in (lines ?? []).enumerated() where line.quantity == nil && line.received == nil {
            body.report(at: ["lines", "\(index)", "quantity"], .required, "is required without a received_quantity")
        }
        (
            asOf, isHistorical, order, requestedAt, told, values, receipts
        ) = try body.finish(
            body.required("as_of", .time),
            body.optional("historical", .bool).map { $0 ?? false },
            body.optional("order_external_id", .externalID),
            body.optional("requested_at", .time),
            Self.told(names.0, names.1, reported, outcome, parcel.0, parcel.1, parcel.2, parcel.3, lines),
            Self.values(names.0, names.1, reported, raw, outcome, parcel.0, parcel.1, parcel.2, parcel.3, lines),
            lines.map { lines in
                Dictionary(lines.compactMap { line in line.received.map { (line.externalID, $0) } }) { first, _ in first
                }
            }
        )
    }

    /// What is there. Nil where some of it is wrong; `finish` then says what.
    private static func told(
        _ name: String??,
        _ declineReason: String??,
        _ state: ReturnState??,
        _ outcome: ReturnOutcome??,
        _ carrier: String??,
        _ number: String??,
        _ url: String??,
        _ label: String??,
        _ lines: [PutReturnLine]?
    ) -> Set<ReturnField>? {
        guard let name, let declineReason, let state, let outcome, let carrier, let number, let url, let label,
            let lines
        else { return nil }
        var told: Set<ReturnField> = []
        if name != nil { told.insert(.name) }
        if declineReason != nil { told.insert(.declineReason) }
        if state != nil { told.insert(.reported) }
        if outcome != nil { told.insert(.outcome) }
        if carrier != nil || number != nil || url != nil { told.insert(.tracking) }
        if label != nil { told.insert(.label) }
        if lines.contains(where: { $0.quantity != nil }) { told.insert(.announced) }
        return told
    }

    private static func values(
        _ name: String??,
        _ declineReason: String??,
        _ state: ReturnState??,
        _ raw: String??,
        _ outcome: ReturnOutcome??,
        _ carrier: String??,
        _ number: String??,
        _ url: String??,
        _ label: String??,
        _ lines: [PutReturnLine]?
    ) -> ReturnValues? {
        guard let name, let declineReason, let state, let raw, let outcome, let carrier, let number, let url,
            let label, let lines
        else { return nil }
        return ReturnValues(
            name: name,
            reported: state,
            reportedRaw: raw,
            outcome: outcome,
            declineReason: declineReason,
            carrier: carrier,
            trackingNumber: number,
            trackingURL: url,
            labelURL: label,
            announced: lines.compactMap(\.announced)
        )
    }
}

/// A line that was announced, came back, or both.
private struct PutReturnLine: Sendable {
    let externalID: String
    let orderLine: String?
    let quantity: Int?
    let reason: String?
    let note: String?
    let received: Int?

    init(_ body: inout FieldReader) throws(FieldErrors) {
        (externalID, orderLine, quantity, reason, note, received) = try body.finish(
            body.required("external_id", .externalID),
            body.optional("order_line_external_id", .externalID),
            body.optional("quantity", .int(0...1_000_000)),
            body.optional("reason", .word),
            body.optional("note", .string(0...1000)),
            body.optional("received_quantity", .int(0...1_000_000))
        )
    }

    var announced: AnnouncedLine? {
        quantity.map {
            AnnouncedLine(externalID: externalID, orderLine: orderLine, quantity: $0, reason: reason, note: note)
        }
    }
}

extension FieldRule<[PutReturnLine]> {
    /// The source's ids tell lines apart, so each is there once.
    fileprivate static var lines: Self {
        .array(count: 0...1000, of: .object(PutReturnLine.init), withDistinct: "external_id", \.externalID)
    }
}

extension JSON {
    fileprivate static func text(_ text: String?) -> JSON { text.map { .string($0) } ?? nil }

    fileprivate static func time(_ instant: Instant?) -> JSON {
        instant.map { .number(JSONNumber($0.microseconds)) } ?? nil
    }
}
