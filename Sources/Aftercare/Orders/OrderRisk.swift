import FoundationEssentials
import JSON
import Time

/// How likely it is that an order is fraudulent.
enum RiskLevel: String, CaseIterable, Sendable {
    /// It was looked at, and nothing was found.
    case none
    case low, medium, high
    /// It is still looked at, or told in a word this program does not know.
    case unknown

    /// How bad it is: of several assessments the worst counts.
    fileprivate var rank: Int {
        switch self {
        case .none: 0
        case .low: 1
        case .unknown: 2
        case .medium: 3
        case .high: 4
        }
    }
}

/// What one source says of an order's risk. The newest counts.
struct RiskAssessment: Hashable, Sendable {
    var level: RiskLevel
    var levelRaw: String?
    /// In the source's own words.
    var reasons: [String] = []
    var assessedAt: Instant?
    var stamp: Stamp
}

/// What was said of an order's risk at one time.
struct RiskStatement: Hashable, Sendable {
    /// Who assessed it: a shop, a fraud app.
    let source: String
    let assessment: RiskAssessment
}

extension OrderState {
    /// The source of what a person says over the API.
    static let person = "person"

    mutating func apply(_ statement: RiskStatement) {
        if let known = risks[statement.source], known.stamp >= statement.assessment.stamp { return }
        risks[statement.source] = statement.assessment
    }

    /// The worst of the assessments that count: a person's word settles what was said before it. Nil where nobody has
    /// assessed it.
    var riskLevel: RiskLevel? { countedRisks.map(\.assessment.level).max { $0.rank < $1.rank } }

    /// By their source.
    fileprivate var countedRisks: [RiskStatement] {
        let word = risks[Self.person]?.stamp
        return risks.filter { source, assessment in
            source == Self.person || word.map { $0 < assessment.stamp } ?? true
        }
        .sorted { $0.key < $1.key }.map { RiskStatement(source: $0.key, assessment: $0.value) }
    }

    /// After everything that was said of it so far, and never before now.
    func timeOfPersonsWord(_ now: Instant) -> Instant {
        max(now, risks.values.compactMap(\.stamp.at).max().map { $0 + .microseconds(1) } ?? now)
    }
}

// MARK: As it is kept

extension [String: RiskAssessment] {
    var json: JSON {
        var object = JSONObject()
        for (source, risk) in sorted(by: { $0.key < $1.key }) {
            object[source] = [
                "level": .string(risk.level.rawValue),
                "raw": risk.levelRaw.map { .string($0) } ?? nil,
                "reasons": .array(risk.reasons.map { .string($0) }),
                "assessed": risk.assessedAt.map { .number(JSONNumber($0.microseconds)) } ?? nil,
                "at": risk.stamp.at.map { .number(JSONNumber($0.microseconds)) } ?? nil,
                "hash": .string(Base64URL.encode(risk.stamp.hash)),
            ]
        }
        return .object(object)
    }

    init(kept json: JSON) {
        self = [:]
        for member in json.objectValue ?? [:] {
            let value = member.value
            guard let hash = value["hash"]?.stringValue.flatMap({ Base64URL.decode($0.utf8) }) else { continue }
            self[member.name] = RiskAssessment(
                // A word of a newer version of the program is none we know.
                level: value["level"]?.stringValue.flatMap { RiskLevel(rawValue: $0) } ?? .unknown,
                levelRaw: value["raw"]?.stringValue,
                reasons: value["reasons"]?.arrayValue?.compactMap(\.stringValue) ?? [],
                assessedAt: value["assessed"]?.int64Value.map { Instant(microseconds: $0) },
                stamp: Stamp(at: value["at"]?.int64Value.map { Instant(microseconds: $0) }, hash: hash)
            )
        }
    }
}

// MARK: For a person

extension Escalation {
    /// An order has come to be a high risk. Nil where it was one before, and for what was only told as history: one
    /// ticket for an order, and a comment for each time it becomes one.
    init?(riskOf state: OrderState, over known: OrderState?, _ order: OrderID, by origin: String) {
        guard !state.isHistorical, state.riskLevel == .high, known?.riskLevel != .high else { return nil }
        let high = state.countedRisks.filter { $0.assessment.level == .high }
        let name = state.values.number?.singleLine(limit: 40) ?? "\(order)"
        self.init(
            kind: .fraudConcern,
            origin: .order(order, by: origin),
            effectKey: "\(Ticket.Kind.fraudConcern.rawValue):\(order)",
            evidenceKey: (["risk"] + high.map { "\($0.source):\($0.assessment.stamp.at?.microseconds ?? 0)" })
                .joined(separator: ":"),
            subject: "\(Ticket.Kind.fraudConcern.title): order \(name)",
            summary: (["The order is assessed as a high risk."] + high.flatMap(\.lines) + [
                "",
                "While it is, no follow-up goes out about it. Say what you found with PATCH /v1/orders/\(order).",
            ]).joined(separator: "\n")
        )
    }
}

extension RiskStatement {
    fileprivate var lines: [String] {
        let raw = assessment.levelRaw.map { " (\($0.singleLine(limit: 100)))" } ?? ""
        let at = assessment.assessedAt.map { " at \($0.rfc3339)" } ?? ""
        return ["\(source.singleLine(limit: 100)): \(assessment.level.rawValue)\(raw)\(at)."]
            + assessment.reasons.prefix(20).map { "- \($0.singleLine(limit: 300))" }
    }
}
