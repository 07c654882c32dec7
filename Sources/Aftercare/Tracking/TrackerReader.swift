import FoundationEssentials
import JSON
import Time

/// Reads a JSON object of a tracking provider's. What is missing, `null` or of another type than it should be is not
/// there: providers pass on what carriers send, and one strange member must not lose a delivery. Only what a body is
/// nothing without (`requiredText`, `requiredMember`) makes it unreadable.
struct TrackerReader {
    let object: JSONObject

    init(_ body: [UInt8]) throws(Poison) {
        let json: JSON
        do throws(JSONParseError) {
            json = try JSON(parsing: body, limits: .foreign)
        } catch {
            throw Poison(.malformedJSON)
        }
        guard let object = json.objectValue else { throw Poison(.notAnObject) }
        self.object = object
    }

    init(_ object: JSONObject) { self.object = object }

    /// Text without U+0000, which PostgreSQL does not store, cut to what anybody would write. Nil for an empty one.
    func text(_ name: String, limit: Int = 255) -> String? {
        let text: String
        switch object[name] {
        case .string(let string)?: text = string
        case .number(let number)?: text = number.text
        default: return nil
        }
        let kept = String(String.UnicodeScalarView(text.unicodeScalars.lazy.filter { $0 != "\0" }.prefix(limit)))
        return kept.isEmpty ? nil : kept
    }

    /// With an offset, or nothing.
    func time(_ name: String) -> Instant? { text(name).flatMap { Instant(rfc3339: $0) } }

    /// The date that a date, or a date and time, begins with.
    func date(_ name: String) -> LocalDate? { text(name).flatMap { LocalDate(String($0.prefix(10))) } }

    func isTrue(_ name: String) -> Bool { object[name]?.boolValue ?? false }

    func member(_ name: String) -> TrackerReader? { object[name]?.objectValue.map { TrackerReader($0) } }

    /// The objects of an array.
    func list(_ name: String) -> [TrackerReader] {
        (object[name]?.arrayValue ?? []).compactMap { $0.objectValue.map { TrackerReader($0) } }
    }

    func requiredMember(_ name: String) throws(Poison) -> TrackerReader {
        guard let member = member(name) else { throw Poison(.notAnObject, name) }
        return member
    }

    func number(_ name: String) throws(Poison) -> TrackingNumber {
        guard let text = text(name, limit: 1000) else { throw Poison(.missingID, name) }
        guard let number = TrackingNumber(text) else { throw Poison(.unreadableID, name) }
        return number
    }

    /// `HOUSTON, TX, 77063, US`, of the members that are there.
    func place(_ names: String...) -> String? {
        let parts = names.compactMap { text($0, limit: 100) }
        return parts.isEmpty ? nil : parts.joined(separator: ", ")
    }
}
