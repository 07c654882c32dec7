/// A JSON number as its source text: `12`, `12.0`, `1e400` and 9007199254740993 all survive unchanged.
///
/// Equality is that of the text. Amounts are read from `text` by the money type, never through `double`.
public struct JSONNumber: Hashable, Sendable, CustomStringConvertible {
    /// The number as written; always matches the grammar of RFC 8259, section 6.
    public let text: String

    /// For the parser, which has checked the grammar.
    init(checked text: String) { self.text = text }

    public init(_ value: some FixedWidthInteger) { text = String(value) }

    /// The shortest text that reads back as this value; nil unless it is finite.
    public init?(_ value: Double) {
        guard value.isFinite else { return nil }
        text = "\(value)"
    }

    /// Nil unless the whole text is a JSON number: no leading `+`, no leading zeros, no bare `.`.
    public init?(text: String) {
        var text = text
        let matches = text.withUTF8 { bytes in
            guard let base = bytes.baseAddress else { return false }
            return !bytes.isEmpty && JSONNumber.length(base, bytes.count) == bytes.count
        }
        guard matches else { return nil }
        self.text = text
    }

    /// The exact integer, for text without fraction and exponent that fits; `12.0` and `1e3` give nil.
    ///
    /// They denote integers too, but no storefront writes an id or a quantity so, and one spelling per value keeps
    /// stored text and bound parameter the same.
    public var int64: Int64? { Int64(text) }

    /// The nearest double; nil when it would be infinite (`1e400`).
    public var double: Double? { Double(text).flatMap { $0.isFinite ? $0 : nil } }

    /// Whether the text has neither fraction nor exponent, so that only its size can keep ``int64`` from giving it.
    public var isIntegral: Bool { text.utf8.allSatisfy { $0 != 0x2E && $0 | 0x20 != 0x65 } }

    public var description: String { text }

    /// The length of the number at the start of `bytes`, 0 when there is none.
    ///
    /// A valid start followed by something else (`01`, `1.`, `1e`) gives 0 or the valid part; the caller sees what
    /// comes next.
    static func length(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> Int {
        var at = 0
        func digits() -> Bool {
            let start = at
            while at < count, bytes[at] &- 0x30 < 10 { at += 1 }
            return at > start
        }
        if at < count, bytes[at] == 0x2D { at += 1 }
        if at < count, bytes[at] == 0x30 {
            at += 1
        } else if !digits() {
            return 0
        }
        if at < count, bytes[at] == 0x2E {
            at += 1
            guard digits() else { return 0 }
        }
        if at < count, bytes[at] | 0x20 == 0x65 {
            at += 1
            if at < count, bytes[at] == 0x2B || bytes[at] == 0x2D { at += 1 }
            guard digits() else { return 0 }
        }
        return at
    }
}
