/// A JSON value (RFC 8259), as received or about to be sent.
///
/// Numbers keep the text they were written with, and objects keep the order of their members, so that what was stored
/// can be written again as it came. Two values are equal when their ``canonicalBytes`` are: whatever the order of
/// members, with numbers compared by their text (`12` is not `12.0`) and strings by their bytes.
public enum JSON: Hashable, Sendable {
    case null
    case bool(Bool)
    case number(JSONNumber)
    case string(String)
    case array([JSON])
    case object(JSONObject)

    public static func == (a: JSON, b: JSON) -> Bool {
        switch (a, b) {
        case (.null, .null): true
        case (.bool(let a), .bool(let b)): a == b
        case (.number(let a), .number(let b)): a == b
        case (.string(let a), .string(let b)): sameBytes(a, b)
        case (.array(let a), .array(let b)): a == b
        case (.object(let a), .object(let b)): a == b
        default: false
        }
    }
}

extension JSON {
    /// The member with this name; nil when it is missing or when this is no object.
    public subscript(name: String) -> JSON? { objectValue?[name] }

    /// The element at this index; nil when there is none or when this is no array.
    public subscript(index: Int) -> JSON? {
        guard case .array(let elements) = self, elements.indices.contains(index) else { return nil }
        return elements[index]
    }

    public var isNull: Bool { self == .null }

    public var boolValue: Bool? {
        guard case .bool(let value) = self else { return nil }
        return value
    }

    public var stringValue: String? {
        guard case .string(let value) = self else { return nil }
        return value
    }

    public var numberValue: JSONNumber? {
        guard case .number(let value) = self else { return nil }
        return value
    }

    /// The number, when it is written as an integer and fits; see ``JSONNumber/int64``.
    public var int64Value: Int64? { numberValue?.int64 }

    public var doubleValue: Double? { numberValue?.double }

    public var arrayValue: [JSON]? {
        guard case .array(let value) = self else { return nil }
        return value
    }

    public var objectValue: JSONObject? {
        guard case .object(let value) = self else { return nil }
        return value
    }

    /// Whether any string or member name within holds U+0000, which PostgreSQL stores neither in `text` nor in `jsonb`.
    ///
    /// This walks the tree; for a value just parsed, ``JSONDocument/containsNUL`` has the answer already.
    public var containsNUL: Bool {
        switch self {
        case .null, .bool, .number: false
        case .string(let text): text.utf8.contains(0)
        case .array(let elements): elements.contains { $0.containsNUL }
        case .object(let object): object.contains { $0.name.utf8.contains(0) || $0.value.containsNUL }
        }
    }
}

extension JSON: ExpressibleByNilLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral,
    ExpressibleByFloatLiteral, ExpressibleByStringInterpolation, ExpressibleByArrayLiteral,
    ExpressibleByDictionaryLiteral
{
    public init(nilLiteral: ()) { self = .null }
    public init(booleanLiteral value: Bool) { self = .bool(value) }
    public init(integerLiteral value: Int64) { self = .number(JSONNumber(value)) }
    public init(stringLiteral value: String) { self = .string(value) }
    public init(arrayLiteral elements: JSON...) { self = .array(elements) }

    /// A literal that is not finite becomes `null`, since JSON has no such number.
    public init(floatLiteral value: Double) { self = JSONNumber(value).map(JSON.number) ?? .null }

    /// Of two members with one name, the later value stays, in the earlier place.
    public init(dictionaryLiteral elements: (String, JSON)...) {
        var object = JSONObject()
        for (name, value) in elements { object[name] = value }
        self = .object(object)
    }
}

extension JSON: CustomStringConvertible {
    /// The compact text, as ``serialized`` gives it.
    public var description: String { serialized }
}
