/// Why a body cannot be understood; the event is quarantined under this name, to be applied again some day.
struct Poison: Error, Hashable, Sendable, CustomStringConvertible {
    enum Kind: String, CaseIterable, Sendable {
        case malformedJSON = "malformed_json"
        case notAnObject = "not_an_object"
        case missingID = "missing_id"
        case unreadableID = "unreadable_id"
        case unreadableText = "unreadable_text"
        case unreadableNumber = "unreadable_number"
        case unreadableTime = "unreadable_time"
        case unreadableAmount = "unreadable_amount"
        case unreadableList = "unreadable_list"
        /// What its topic would take away, its body does not tell of; see `BodyReader.refuse`.
        case otherTopic = "body_of_another_topic"
        /// It was understood, and broke a rule of the database all the same.
        case refusedByDatabase = "refused_by_database"
    }

    let kind: Kind
    /// The member it is about.
    var member: String?

    init(_ kind: Kind, _ member: String? = nil) {
        self.kind = kind
        self.member = member
    }

    /// `unreadable_time:updated_at`
    var description: String { member.map { "\(kind.rawValue):\($0)" } ?? kind.rawValue }
}
