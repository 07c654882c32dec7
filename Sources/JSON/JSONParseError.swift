/// Why bytes are not JSON we accept, and where.
public struct JSONParseError: Error, Hashable, Sendable, CustomStringConvertible {
    public enum Kind: String, Hashable, Sendable, CaseIterable {
        case empty = "there is no value"
        case byteOrderMark = "a byte order mark is not allowed"
        case unexpectedEnd = "the text ends too early"
        case unexpectedByte = "this byte is not allowed here"
        case invalidNumber = "this is not a number"
        case invalidEscape = "this escape is not allowed"
        case loneSurrogate = "half of a surrogate pair stands alone"
        case controlCharacter = "a control character in a string must be escaped"
        case invalidUTF8 = "this is not UTF-8"
        case duplicateKey = "a member name occurs twice in one object"
        case tooDeep = "arrays and objects are nested too deeply"
        case trailingBytes = "something follows the value"
    }

    public let kind: Kind
    /// Bytes from the start, 0-based.
    public let offset: Int
    /// 1-based; lines end at U+000A.
    public let line: Int

    public init(kind: Kind, offset: Int, line: Int) {
        self.kind = kind
        self.offset = offset
        self.line = line
    }

    /// A sentence fit for the `detail` of an error response; it repeats nothing of the input.
    public var description: String { "\(kind.rawValue) (line \(line), byte \(offset))" }
}

/// What a parser refuses beyond the grammar.
public struct JSONLimits: Hashable, Sendable {
    public enum DuplicateKeys: Hashable, Sendable {
        case refuse
        /// The later value stays, in the place of the earlier one, as most other readers do.
        case lastWins
    }

    /// How many arrays and objects may be open at once; at most 512, since each takes a stack frame.
    public let depth: Int
    public let duplicateKeys: DuplicateKeys

    public init(depth: Int = 32, duplicateKeys: DuplicateKeys = .refuse) {
        self.depth = min(max(depth, 0), 512)
        self.duplicateKeys = duplicateKeys
    }

    /// For requests to our own API.
    public static let api = JSONLimits()
    /// For webhooks and answers of other systems, whose habits we do not choose.
    public static let foreign = JSONLimits(depth: 64, duplicateKeys: .lastWins)
}
