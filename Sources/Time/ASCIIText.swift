/// Reads fixed-form ASCII text byte by byte. Every step either matches and moves on or answers nil / false.
struct ASCIIReader {
    private let bytes: UnsafeBufferPointer<UInt8>
    private var position = 0

    var isAtEnd: Bool { position == bytes.count }

    /// Calls `body` on the bytes of `text` and refuses text that `body` does not read to its end.
    static func read<Value>(_ text: some StringProtocol, _ body: (inout ASCIIReader) -> Value?) -> Value? {
        func run(_ bytes: UnsafeBufferPointer<UInt8>) -> Value? {
            var reader = ASCIIReader(bytes: bytes)
            let value = body(&reader)
            return reader.isAtEnd ? value : nil
        }
        // A bridged or foreign string has no contiguous bytes; copying it is the slow path.
        return text.utf8.withContiguousStorageIfAvailable(run) ?? Array(text.utf8).withUnsafeBufferPointer(run)
    }

    private init(bytes: UnsafeBufferPointer<UInt8>) {
        self.bytes = bytes
    }

    /// The next byte, when it is a decimal digit, as its value.
    mutating func digit() -> Int? {
        guard position < bytes.count else { return nil }
        let value = bytes[position] &- UInt8(ascii: "0")
        guard value < 10 else { return nil }
        position += 1
        return Int(value)
    }

    /// A number of exactly `count` digits.
    mutating func number(digits count: Int) -> Int? {
        var value = 0
        for _ in 0..<count {
            guard let digit = digit() else { return nil }
            value = value * 10 + digit
        }
        return value
    }

    /// Steps over `character` when it comes next.
    mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard position < bytes.count, bytes[position] == UInt8(ascii: character) else { return false }
        position += 1
        return true
    }
}

/// Writes fixed-form ASCII text into a string's own storage.
struct ASCIIWriter {
    private let buffer: UnsafeMutableBufferPointer<UInt8>
    private var count = 0

    /// The string `body` writes: at most 64 bytes, which the longest year an `Int` holds still fits.
    static func string(_ body: (inout ASCIIWriter) -> Void) -> String {
        String(unsafeUninitializedCapacity: 64) { buffer in
            var writer = ASCIIWriter(buffer: buffer)
            body(&writer)
            return writer.count
        }
    }

    private init(buffer: UnsafeMutableBufferPointer<UInt8>) {
        self.buffer = buffer
    }

    mutating func put(_ character: Unicode.Scalar) {
        buffer[count] = UInt8(ascii: character)
        count += 1
    }

    /// The last `digits` decimal digits of `value`, which is not negative, padded with zeros.
    mutating func put(_ value: Int, digits: Int) {
        var rest = value
        for place in (count..<count + digits).reversed() {
            buffer[place] = UInt8(ascii: "0") + UInt8(rest % 10)
            rest /= 10
        }
        count += digits
    }

    /// `YYYY-MM-DD`. A year outside 0000...9999 gets a sign and six digits or more, as ISO 8601's expanded form does.
    mutating func put(_ date: CivilDate) {
        if 0...9999 ~= date.year {
            put(date.year, digits: 4)
        } else {
            put(date.year < 0 ? "-" : "+")
            put(abs(date.year), digits: max(6, String(abs(date.year)).utf8.count))
        }
        put("-")
        put(date.month, digits: 2)
        put("-")
        put(date.day, digits: 2)
    }

    /// `HH:MM`, and `:SS` when wanted.
    mutating func put(secondOfDay: Int, withSeconds: Bool) {
        put(secondOfDay / 3600, digits: 2)
        put(":")
        put(secondOfDay / 60 % 60, digits: 2)
        if withSeconds {
            put(":")
            put(secondOfDay % 60, digits: 2)
        }
    }
}
