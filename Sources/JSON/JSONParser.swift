/// A parsed text with what the parser noticed on the way.
public struct JSONDocument: Hashable, Sendable {
    public let root: JSON
    /// Whether a string or member name held `\u0000`: valid JSON, but nothing PostgreSQL can store.
    public let containsNUL: Bool

    /// Reads one RFC 8259 value from UTF-8.
    public init(parsing bytes: UnsafeRawBufferPointer, limits: JSONLimits = .api) throws(JSONParseError) {
        guard let base = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), !bytes.isEmpty else {
            throw JSONParseError(kind: .empty, offset: 0, line: 1)
        }
        var parser = JSONParser(base: base, count: bytes.count, limits: limits)
        root = try parser.document()
        containsNUL = parser.containsNUL
    }

    public init(parsing bytes: [UInt8], limits: JSONLimits = .api) throws(JSONParseError) {
        self = try bytes.withUnsafeBufferPointer { (buffer) throws(JSONParseError) in
            try JSONDocument(parsing: UnsafeRawBufferPointer(buffer), limits: limits)
        }
    }

    public init(parsing text: String, limits: JSONLimits = .api) throws(JSONParseError) {
        try self.init(parsing: Array(text.utf8), limits: limits)
    }
}

extension JSON {
    /// Reads one RFC 8259 value from UTF-8; ``JSONDocument`` tells about NUL as well.
    public init(parsing bytes: UnsafeRawBufferPointer, limits: JSONLimits = .api) throws(JSONParseError) {
        self = try JSONDocument(parsing: bytes, limits: limits).root
    }

    public init(parsing bytes: [UInt8], limits: JSONLimits = .api) throws(JSONParseError) {
        self = try JSONDocument(parsing: bytes, limits: limits).root
    }

    public init(parsing text: String, limits: JSONLimits = .api) throws(JSONParseError) {
        self = try JSONDocument(parsing: text, limits: limits).root
    }
}

/// Recursive descent over bytes; the depth limit bounds the stack.
struct JSONParser {
    let base: UnsafePointer<UInt8>
    let count: Int
    let limits: JSONLimits
    var at = 0
    private var depth = 0
    var containsNUL = false

    init(base: UnsafePointer<UInt8>, count: Int, limits: JSONLimits) {
        self.base = base
        self.count = count
        self.limits = limits
    }

    mutating func document() throws(JSONParseError) -> JSON {
        if count >= 3, base[0] == 0xEF, base[1] == 0xBB, base[2] == 0xBF { throw failure(.byteOrderMark, at: 0) }
        skipWhitespace()
        if at == count { throw failure(.empty, at: at) }
        let value = try value()
        skipWhitespace()
        if at < count { throw failure(.trailingBytes, at: at) }
        return value
    }

    func failure(_ kind: JSONParseError.Kind, at offset: Int) -> JSONParseError {
        var line = 1
        for index in 0..<min(offset, count) where base[index] == 0x0A { line += 1 }
        return JSONParseError(kind: kind, offset: offset, line: line)
    }

    /// The complaint about the byte at `at`, or about its absence.
    private func unexpected() -> JSONParseError {
        failure(at < count ? .unexpectedByte : .unexpectedEnd, at: at)
    }

    @inline(__always)
    private mutating func skipWhitespace() {
        while at < count {
            let byte = base[at]
            guard byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 else { return }
            at += 1
        }
    }

    /// The value that starts at `at`, with no whitespace before it.
    private mutating func value() throws(JSONParseError) -> JSON {
        guard at < count else { throw unexpected() }
        switch base[at] {
        case 0x22: return .string(try string())
        case 0x7B: return try object()
        case 0x5B: return try array()
        case 0x74:
            try literal("true")
            return .bool(true)
        case 0x66:
            try literal("false")
            return .bool(false)
        case 0x6E:
            try literal("null")
            return .null
        case 0x2D, 0x30...0x39: return .number(try number())
        default: throw unexpected()
        }
    }

    private mutating func literal(_ word: StaticString) throws(JSONParseError) {
        for index in 0..<word.utf8CodeUnitCount {
            guard at < count, base[at] == word.utf8Start[index] else { throw unexpected() }
            at += 1
        }
    }

    private mutating func number() throws(JSONParseError) -> JSONNumber {
        let length = JSONNumber.length(base + at, count - at)
        guard length > 0 else { throw failure(.invalidNumber, at: at) }
        // `01`, `1.e`, `0x1`: a number runs straight into more text.
        if at + length < count {
            switch base[at + length] {
            case 0x30...0x39, 0x2E, 0x2B, 0x2D, 0x41...0x5A, 0x61...0x7A: throw failure(.invalidNumber, at: at)
            default: break
            }
        }
        defer { at += length }
        return JSONNumber(
            checked: String(decoding: UnsafeBufferPointer(start: base + at, count: length), as: UTF8.self)
        )
    }

    private mutating func enter() throws(JSONParseError) {
        if depth == limits.depth { throw failure(.tooDeep, at: at) }
        depth += 1
        at += 1
        skipWhitespace()
    }

    private mutating func array() throws(JSONParseError) -> JSON {
        try enter()
        var elements: [JSON] = []
        if at < count, base[at] == 0x5D {
            at += 1
            depth -= 1
            return .array(elements)
        }
        while true {
            elements.append(try value())
            skipWhitespace()
            guard at < count else { throw unexpected() }
            switch base[at] {
            case 0x2C:
                at += 1
                skipWhitespace()
            case 0x5D:
                at += 1
                depth -= 1
                return .array(elements)
            default: throw unexpected()
            }
        }
    }

    private mutating func object() throws(JSONParseError) -> JSON {
        try enter()
        var object = JSONObject()
        if at < count, base[at] == 0x7D {
            at += 1
            depth -= 1
            return .object(object)
        }
        object.reserveCapacity(4)
        while true {
            guard at < count, base[at] == 0x22 else { throw unexpected() }
            let start = at
            let name = try string()
            skipWhitespace()
            guard at < count, base[at] == 0x3A else { throw unexpected() }
            at += 1
            skipWhitespace()
            let value = try value()
            if let earlier = object.appendIfNew(name, value) {
                if limits.duplicateKeys == .refuse { throw failure(.duplicateKey, at: start) }
                object.replaceValue(at: earlier, with: value)
            }
            skipWhitespace()
            guard at < count else { throw unexpected() }
            switch base[at] {
            case 0x2C:
                at += 1
                skipWhitespace()
            case 0x7D:
                at += 1
                depth -= 1
                return .object(object)
            default: throw unexpected()
            }
        }
    }
}
