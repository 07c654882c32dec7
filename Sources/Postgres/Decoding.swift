public import FoundationEssentials
public import Time

/// One field of a row, in PostgreSQL's binary format. Valid only while the row it was read from lives.
public struct Cell {
    @usableFromInline let bytes: UnsafeRawBufferPointer
    @usableFromInline let type: UInt32

    func integer<Value: FixedWidthInteger>(_: Value.Type) -> Value? {
        bytes.count == MemoryLayout<Value>.size ? Value(bigEndian: bytes.loadUnaligned(as: Value.self)) : nil
    }
}

/// A value that can be read from a column.
public protocol PostgresDecodable {
    /// The value of a field that is not NULL, or nil if the field's type is another one.
    static func decode(_ cell: Cell) -> Self?
    /// The value of a NULL field, or nil if this type has none.
    static var null: Self? { get }
    /// The value of a row's column; throws if that is of another type.
    ///
    /// A requirement, and no generic function: in a tuple of columns the types are known only when the program runs.
    static func decode(_ column: Int32, of row: Row) throws(PostgresError) -> Self
}

extension PostgresDecodable {
    @inlinable public static var null: Self? { nil }

    @inlinable
    public static func decode(_ column: Int32, of row: Row) throws(PostgresError) -> Self {
        guard let cell = try row.cell(column),
            // Inlined where it is called, the row would otherwise be free to end before its bytes are read.
            let value = withExtendedLifetime(row, { decode(cell) })
        else { throw row.mismatch(column, Self.self) }
        return value
    }
}

extension Optional: PostgresDecodable where Wrapped: PostgresDecodable {
    @inlinable
    public static func decode(_ cell: Cell) -> Wrapped?? {
        guard let value = Wrapped.decode(cell) else { return nil }
        return .some(value)
    }

    @inlinable public static var null: Wrapped?? { .some(nil) }

    @inlinable
    public static func decode(_ column: Int32, of row: Row) throws(PostgresError) -> Wrapped? {
        try row.isNull(column) ? nil : try Wrapped.decode(column, of: row)
    }
}

extension Bool: PostgresDecodable {
    public static func decode(_ cell: Cell) -> Bool? {
        cell.type == PostgresType.bool.oid ? cell.integer(UInt8.self).map { $0 != 0 } : nil
    }
}

extension Int64: PostgresDecodable {
    public static func decode(_ cell: Cell) -> Int64? {
        switch cell.type {
        case PostgresType.int8.oid: cell.integer(Int64.self)
        case PostgresType.int4.oid: cell.integer(Int32.self).map(Int64.init)
        case PostgresType.int2.oid: cell.integer(Int16.self).map(Int64.init)
        default: nil
        }
    }
}

extension Int: PostgresDecodable {
    public static func decode(_ cell: Cell) -> Int? { Int64.decode(cell).map(Int.init) }
}

extension Int32: PostgresDecodable {
    public static func decode(_ cell: Cell) -> Int32? { Int64.decode(cell).flatMap(Int32.init(exactly:)) }
}

extension Int16: PostgresDecodable {
    public static func decode(_ cell: Cell) -> Int16? { Int64.decode(cell).flatMap(Int16.init(exactly:)) }
}

extension Double: PostgresDecodable {
    public static func decode(_ cell: Cell) -> Double? {
        cell.type == PostgresType.float8.oid ? cell.integer(UInt64.self).map(Double.init(bitPattern:)) : nil
    }
}

extension String: PostgresDecodable {
    public static func decode(_ cell: Cell) -> String? {
        PostgresType.isTextual(cell.type) ? String(decoding: cell.bytes, as: UTF8.self) : nil
    }
}

extension UUID: PostgresDecodable {
    public static func decode(_ cell: Cell) -> UUID? {
        guard cell.type == PostgresType.uuid.oid, cell.bytes.count == 16 else { return nil }
        return UUID(uuid: cell.bytes.loadUnaligned(as: uuid_t.self))
    }
}

extension Instant: PostgresDecodable {
    public static func decode(_ cell: Cell) -> Instant? {
        guard cell.type == PostgresType.timestamptz.oid, let microseconds = cell.integer(Int64.self) else { return nil }
        // ±infinity are the two extremes, and stay so; the rest saturates instead of overflowing.
        guard microseconds != .min else { return Instant(microseconds: .min) }
        let (sum, overflow) = microseconds.addingReportingOverflow(postgresEpoch)
        return Instant(microseconds: overflow ? .max : sum)
    }
}

extension Bytea: PostgresDecodable {
    public static func decode(_ cell: Cell) -> Bytea? {
        cell.type == PostgresType.bytea.oid ? Bytea(cell.bytes) : nil
    }
}

extension JSONB: PostgresDecodable {
    public static func decode(_ cell: Cell) -> JSONB? {
        switch cell.type {
        case PostgresType.jsonb.oid: JSONB(cell.bytes.dropFirst())
        case PostgresType.json.oid: JSONB(cell.bytes)
        default: nil
        }
    }
}

/// One-dimensional arrays. A NULL element needs an element type that can be NULL.
extension Array: PostgresDecodable where Element: PostgresDecodable {
    @inlinable
    public static func decode(_ cell: Cell) -> [Element]? {
        guard let cells = cell.elements() else { return nil }
        var elements: [Element] = []
        elements.reserveCapacity(cells.count)
        for cell in cells {
            let element: Element? = if let cell { Element.decode(cell) } else { Element.null }
            guard let element else { return nil }
            elements.append(element)
        }
        return elements
    }
}

/// A `text[]` as it came from the server, to look for a text in it. Reading it as `[String]` makes a string of each.
public struct TextArray: Sendable, PostgresDecodable {
    private let bytes: [UInt8]

    /// No texts.
    public init() { bytes = [] }

    private init(_ cell: Cell) { bytes = Array(cell.bytes) }

    public static func decode(_ cell: Cell) -> TextArray? {
        cell.type == PostgresType.text.arrayOID ? TextArray(cell) : nil
    }

    public func contains(_ text: String) -> Bool {
        bytes.withUnsafeBytes { bytes in
            // The number of dimensions, two words more, and the length of the only one with its first index.
            guard bytes.count >= 20 else { return false }
            var offset = 20
            while offset + 4 <= bytes.count {
                let length = Int(Int32(bigEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Int32.self)))
                let (start, end) = (offset + 4, offset + 4 + max(length, 0))
                guard end <= bytes.count else { return false }
                if length == text.utf8.count, bytes[start..<end].elementsEqual(text.utf8) { return true }
                offset = end
            }
            return false
        }
    }
}

extension Cell {
    /// The fields of a one-dimensional array, nil where NULL; nil as a whole if it is none.
    @usableFromInline
    func elements() -> [Cell?]? {
        // What is no array must not be read as one: its bytes, perhaps a stranger's, would be taken for lengths.
        guard PostgresType.arrays.contains(type), bytes.count >= 12 else { return nil }
        func word(_ offset: Int) -> Int32 {
            Int32(bigEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Int32.self))
        }
        let type = UInt32(bitPattern: word(8))
        guard word(0) != 0 else { return [] }
        guard word(0) == 1, bytes.count >= 20 else { return nil }
        var elements: [Cell?] = []
        elements.reserveCapacity(Int(word(12)))
        var offset = 20
        for _ in 0..<word(12) {
            let length = Int(word(offset))
            offset += 4
            guard length >= 0 else {
                elements.append(nil)
                continue
            }
            let field = UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + length])
            elements.append(Cell(bytes: field, type: type))
            offset += length
        }
        return elements
    }
}
