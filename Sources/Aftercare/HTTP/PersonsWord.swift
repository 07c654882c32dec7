import JSON
import Postgres
import Time

/// A person's word on something that was sent, and of which nobody knew what became of it: a message, a command.
struct PersonsWord<Verdict: RawRepresentable<String> & CaseIterable & Hashable & Sendable>: Hashable, Sendable {
    let verdict: Verdict
    /// `usr_…` or `key_…`.
    let by: String
    let at: Instant
    let note: String?

    /// As it is told: the body of `…/resolve`.
    struct Told: Sendable {
        let verdict: Verdict
        let note: String?
        /// The try it is about; the last one where absent.
        let attempt: Int?

        init(_ body: inout FieldReader) throws(FieldErrors) {
            (verdict, note, attempt) = try body.finish(
                body.required("as", .choice()),
                body.optional("note", .string(1...2000)),
                body.optional("attempt", .int(1...Int(Int32.max)))
            )
        }

        func word(by principal: String, at now: Instant) -> PersonsWord {
            PersonsWord(verdict: verdict, by: principal, at: now, note: note)
        }
    }
}

extension Row {
    /// Of the columns `resolved_as`, `resolved_by`, `resolved_at` and `note`; nil where nobody has said anything.
    func personsWord<Verdict>(of table: String) throws -> PersonsWord<Verdict>? {
        let (verdict, by, at): (String?, String?, Instant?) = try (
            self("resolved_as"), self("resolved_by"), self("resolved_at")
        )
        guard let verdict else { return nil }
        guard let verdict = Verdict(rawValue: verdict), let by, let at else { throw UnreadableRow(table: table) }
        return try PersonsWord(verdict: verdict, by: by, at: at, note: self("note"))
    }
}

extension JSONObjectWriter {
    mutating func member<Verdict>(_ name: String, _ word: PersonsWord<Verdict>?) {
        member(name) { writer in
            guard let word else { return writer.null() }
            writer.object { object in
                object.member("as", word.verdict.rawValue)
                object.member("by", word.by)
                object.member("at", word.at)
                object.member("note", word.note)
            }
        }
    }
}
