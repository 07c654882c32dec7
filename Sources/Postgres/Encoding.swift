public import FoundationEssentials
public import Time

/// A value that can be a statement's parameter, in PostgreSQL's binary format.
public protocol PostgresEncodable: Sendable {
    static var postgresType: PostgresType { get }
    var isNull: Bool { get }
    /// Appends the value's binary form. Not called when `isNull`.
    func encode(into bytes: inout [UInt8])
}

extension PostgresEncodable {
    public var isNull: Bool { false }
}

extension Array<UInt8> {
    @inline(__always)
    mutating func append(bigEndian value: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: value.bigEndian) { append(contentsOf: $0) }
    }

    /// Fills in a 32-bit length that was left open until the value after it was written.
    mutating func set(length: Int, at offset: Int) {
        for byte in 0..<4 { self[offset + byte] = UInt8(truncatingIfNeeded: length >> (24 - 8 * byte)) }
    }
}

extension Bool: PostgresEncodable {
    public static var postgresType: PostgresType { .bool }
    public func encode(into bytes: inout [UInt8]) { bytes.append(self ? 1 : 0) }
}

extension Int: PostgresEncodable {
    public static var postgresType: PostgresType { .int8 }
    public func encode(into bytes: inout [UInt8]) { bytes.append(bigEndian: Int64(self)) }
}

extension Int64: PostgresEncodable {
    public static var postgresType: PostgresType { .int8 }
    public func encode(into bytes: inout [UInt8]) { bytes.append(bigEndian: self) }
}

extension Int32: PostgresEncodable {
    public static var postgresType: PostgresType { .int4 }
    public func encode(into bytes: inout [UInt8]) { bytes.append(bigEndian: self) }
}

extension Int16: PostgresEncodable {
    public static var postgresType: PostgresType { .int2 }
    public func encode(into bytes: inout [UInt8]) { bytes.append(bigEndian: self) }
}

extension Double: PostgresEncodable {
    public static var postgresType: PostgresType { .float8 }
    public func encode(into bytes: inout [UInt8]) { bytes.append(bigEndian: bitPattern) }
}

extension String: PostgresEncodable {
    public static var postgresType: PostgresType { .text }
    public func encode(into bytes: inout [UInt8]) { bytes.append(contentsOf: utf8) }
}

extension UUID: PostgresEncodable {
    public static var postgresType: PostgresType { .uuid }
    public func encode(into bytes: inout [UInt8]) {
        withUnsafeBytes(of: uuid) { bytes.append(contentsOf: $0) }
    }
}

extension Instant: PostgresEncodable {
    /// PostgreSQL counts microseconds from 2000-01-01.
    static let postgresEpoch: Int64 = 946_684_800_000_000

    public static var postgresType: PostgresType { .timestamptz }
    /// The two extremes are PostgreSQL's infinity and -infinity, both ways.
    public func encode(into bytes: inout [UInt8]) {
        let (difference, overflow) = microseconds.subtractingReportingOverflow(Instant.postgresEpoch)
        bytes.append(bigEndian: overflow ? .min : microseconds == .max ? .max : difference)
    }
}

/// Bytes for a `bytea` parameter or column.
public struct Bytea: Hashable, PostgresEncodable {
    public var bytes: [UInt8]

    public init(_ bytes: some Sequence<UInt8>) {
        self.bytes = Array(bytes)
    }

    public static var postgresType: PostgresType { .bytea }
    public func encode(into bytes: inout [UInt8]) { bytes.append(contentsOf: self.bytes) }
}

/// JSON text for a `jsonb` parameter or column, as UTF-8 bytes. The server checks that it is JSON.
public struct JSONB: Hashable, PostgresEncodable {
    public var text: [UInt8]

    public init(_ text: some Sequence<UInt8>) {
        self.text = Array(text)
    }

    public static var postgresType: PostgresType { .jsonb }
    public func encode(into bytes: inout [UInt8]) {
        // The binary format of jsonb is a version byte, then the text.
        bytes.append(1)
        bytes.append(contentsOf: text)
    }
}

extension Optional: PostgresEncodable where Wrapped: PostgresEncodable {
    public static var postgresType: PostgresType { Wrapped.postgresType }
    public var isNull: Bool { self == nil }
    public func encode(into bytes: inout [UInt8]) { self?.encode(into: &bytes) }
}

/// One-dimensional arrays, also with NULL elements (`[String?]`); what `unnest` takes.
extension Array: PostgresEncodable where Element: PostgresEncodable {
    public static var postgresType: PostgresType {
        let element = Element.postgresType
        return PostgresType(name: element.name + "[]", oid: element.arrayOID, arrayOID: 0)
    }

    public func encode(into bytes: inout [UInt8]) {
        guard !isEmpty else {
            // No dimensions, no NULLs: how PostgreSQL itself writes an empty array.
            bytes.append(bigEndian: Int32(0))
            bytes.append(bigEndian: Int32(0))
            bytes.append(bigEndian: Element.postgresType.oid)
            return
        }
        bytes.append(bigEndian: Int32(1))
        bytes.append(bigEndian: Int32(contains(where: \.isNull) ? 1 : 0))
        bytes.append(bigEndian: Element.postgresType.oid)
        bytes.append(bigEndian: Int32(count))
        bytes.append(bigEndian: Int32(1))
        for element in self {
            guard !element.isNull else {
                bytes.append(bigEndian: Int32(-1))
                continue
            }
            let lengthAt = bytes.count
            bytes.append(bigEndian: Int32(0))
            element.encode(into: &bytes)
            bytes.set(length: bytes.count - lengthAt - 4, at: lengthAt)
        }
    }
}
