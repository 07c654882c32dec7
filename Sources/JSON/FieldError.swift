/// What is wrong with one field of a request; one entry of `errors` in a problem response.
public struct FieldError: Error, Hashable, Sendable {
    /// The closed list of codes, part of the published API.
    public enum Code: String, Hashable, Sendable, CaseIterable {
        case required
        case invalidType = "invalid_type"
        case outOfRange = "out_of_range"
        case tooLong = "too_long"
        case tooShort = "too_short"
        case invalidFormat = "invalid_format"
        case unknownValue = "unknown_value"
        case unknownMember = "unknown_member"
        case notStorable = "not_storable"
    }

    /// A JSON Pointer as URI fragment (RFC 6901, section 6): `#/items/0/quantity`, `#` for the body itself.
    public let pointer: String
    public let code: Code
    /// A clause that follows the name of the field: `must be between 1 and 999`.
    public let detail: String

    public init(pointer: String, code: Code, detail: String) {
        self.pointer = pointer
        self.code = code
        self.detail = detail
    }
}

extension FieldError: JSONWritable {
    public func write(to writer: inout JSONWriter) {
        writer.object {
            $0.member("pointer", pointer)
            $0.member("code", code.rawValue)
            $0.member("detail", detail)
        }
    }
}

/// All that is wrong with a request body, in the order it was read; never empty when thrown.
public struct FieldErrors: Error, Hashable, Sendable {
    /// A body of a megabyte can hold a hundred thousand faults; the answer names this many.
    public static let limit = 100

    public private(set) var errors: [FieldError] = []
    /// Whether there were more than ``limit``.
    public private(set) var isTruncated = false

    public init() {}

    public init(_ errors: [FieldError]) {
        for error in errors { append(error) }
    }

    public var isEmpty: Bool { errors.isEmpty }

    public mutating func append(_ error: FieldError) {
        if errors.count < FieldErrors.limit { errors.append(error) } else { isTruncated = true }
    }

    public mutating func append(contentsOf other: FieldErrors) {
        for error in other.errors { append(error) }
        isTruncated = isTruncated || other.isTruncated
    }
}

/// Where a value stands in the body. The pointer is spelled only when there is an error to report.
public struct FieldLocation: Sendable {
    private let parent: String
    private let token: String?

    /// The body itself.
    public static let root = FieldLocation(parent: "#", token: nil)

    private init(parent: String, token: String?) {
        self.parent = parent
        self.token = token
    }

    public func member(_ name: String) -> FieldLocation { FieldLocation(parent: pointer, token: name) }

    public func element(_ index: Int) -> FieldLocation { FieldLocation(parent: pointer, token: String(index)) }

    /// The JSON Pointer as URI fragment: `~` and `/` within a name become `~0` and `~1`, and what RFC 3986 does not
    /// allow in a fragment is percent-encoded.
    public var pointer: String {
        guard let token else { return parent }
        var bytes = Array(parent.utf8)
        bytes.append(0x2F)
        for byte in token.utf8 {
            switch byte {
            case 0x7E: bytes.append(contentsOf: "~0".utf8)
            case 0x2F: bytes.append(contentsOf: "~1".utf8)
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: bytes.append(byte)
            case _ where FieldLocation.marks.contains(byte): bytes.append(byte)
            default:
                bytes.append(0x25)
                bytes.append(FieldLocation.hex[Int(byte >> 4)])
                bytes.append(FieldLocation.hex[Int(byte & 0xF)])
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static let hex = Array("0123456789ABCDEF".utf8)
    private static let marks = Array("-._!$&'()*+,;=:@?".utf8)
}
