/// One SQL statement with its parameters.
///
/// Written as a string literal whose interpolations become parameters, never text:
///
/// ```swift
/// let statement: SQL = "SELECT number FROM orders WHERE tenant_id = \(tenant) AND id = \(order)"
/// // text "SELECT number FROM orders WHERE tenant_id = $1 AND id = $2", two parameters
/// ```
///
/// Text that is not a value (a table's name in a generated statement) needs the loud `\(unsafe: text)`.
public struct SQL: Sendable, ExpressibleByStringInterpolation {
    public internal(set) var text: String
    var parameters: Parameters

    public init(stringLiteral text: String) {
        self.text = text
        self.parameters = Parameters()
    }

    public init(stringInterpolation interpolation: StringInterpolation) {
        self.text = interpolation.text
        self.parameters = interpolation.parameters
    }

    /// A statement whose text was made by the program. Never pass text that a user had a part in.
    public init(unsafe text: String) {
        self.init(stringLiteral: text)
    }

    public struct StringInterpolation: StringInterpolationProtocol {
        var text = ""
        var parameters = Parameters()

        public init(literalCapacity: Int, interpolationCount: Int) {
            text.reserveCapacity(literalCapacity + interpolationCount * 3)
            parameters.reserveCapacity(interpolationCount)
        }

        public mutating func appendLiteral(_ literal: String) {
            text += literal
        }

        public mutating func appendInterpolation(_ value: some PostgresEncodable) {
            parameters.append(value)
            appendPlaceholder()
        }

        /// Stated for optionals too, or the compiler warns of a debug description.
        public mutating func appendInterpolation<Value: PostgresEncodable>(_ value: Value?) {
            parameters.append(value)
            appendPlaceholder()
        }

        private mutating func appendPlaceholder() {
            let number = parameters.count
            text += number < Self.placeholders.count ? Self.placeholders[number] : "$\(number)"
        }

        /// Those of nearly every statement, so that they are not written anew for each.
        private static let placeholders = (0...64).map { "$\($0)" }

        /// Text that goes into the statement as it is.
        public mutating func appendInterpolation(unsafe text: String) {
            self.text += text
        }
    }
}

/// The parameters of one statement: every value in PostgreSQL's binary format, laid end to end in one buffer.
struct Parameters: Sendable {
    /// Once there is a value, begins with an unused byte, so that an empty value still has an address (libpq reads a null pointer as NULL).
    private(set) var bytes: [UInt8] = []
    /// Where each value begins in `bytes`, and its length; a length of -1 is NULL.
    private(set) var ranges: [(start: Int, length: Int32)] = []
    private(set) var types: [UInt32] = []

    var count: Int { types.count }

    mutating func reserveCapacity(_ count: Int) {
        bytes.reserveCapacity(1 + count * 16)
        ranges.reserveCapacity(count)
        types.reserveCapacity(count)
    }

    mutating func append<Value: PostgresEncodable>(_ value: Value) {
        if bytes.isEmpty { bytes.append(0) }
        let start = bytes.count
        types.append(Value.postgresType.oid)
        if value.isNull {
            ranges.append((start, -1))
        } else {
            value.encode(into: &bytes)
            ranges.append((start, Int32(bytes.count - start)))
        }
    }

    /// The values as libpq takes them: where each begins, how long it is, and that it is binary.
    func withPointers<Result>(
        _ body: (UnsafePointer<UnsafePointer<CChar>?>?, UnsafePointer<Int32>?, UnsafePointer<Int32>?) -> Result
    ) -> Result {
        guard !ranges.isEmpty else { return body(nil, nil, nil) }
        return ranges.withUnsafeBufferPointer { ranges in
            bytes.withUnsafeBytes { bytes in
                withUnsafeTemporaryAllocation(of: UnsafePointer<CChar>?.self, capacity: ranges.count) { values in
                    withUnsafeTemporaryAllocation(of: Int32.self, capacity: 2 * ranges.count) { numbers in
                        for (index, range) in ranges.enumerated() {
                            let start = range.length < 0 ? nil : bytes.baseAddress.map { $0 + range.start }
                            values.initializeElement(at: index, to: start?.assumingMemoryBound(to: CChar.self))
                            numbers.initializeElement(at: index, to: max(range.length, 0))
                            numbers.initializeElement(at: ranges.count + index, to: 1)
                        }
                        let lengths = UnsafePointer(numbers.baseAddress)
                        return body(UnsafePointer(values.baseAddress), lengths, lengths.map { $0 + ranges.count })
                    }
                }
            }
        }
    }
}
