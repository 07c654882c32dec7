/// Strings, where most bytes of a payload are: one scan for the end, then one copy.
extension JSONParser {
    /// The string whose opening quote is at `at`; leaves `at` behind the closing one.
    mutating func string() throws(JSONParseError) -> String {
        let start = at + 1
        let end = plainEnd(from: start)
        guard end < count else { throw failure(.unexpectedEnd, at: count) }
        switch base[end] {
        case 0x22:
            at = end + 1
            return try text(UnsafeBufferPointer(start: base + start, count: end - start), from: start)
        case 0x5C: return try escapedString(start: start, firstEscape: end)
        default: throw failure(.controlCharacter, at: end)
        }
    }

    /// The first quote, backslash or control character at or after `from`, or `count`.
    @inline(__always)
    private func plainEnd(from: Int) -> Int {
        var index = from
        // Eight bytes at a time: a byte below 0x20, or equal to `"` or `\`, leaves its top bit set in `hit`.
        // Borrows can set a bit above a true hit, never below one, so the lowest is true.
        let ones: UInt64 = 0x0101_0101_0101_0101
        let tops: UInt64 = 0x8080_8080_8080_8080
        while index + 8 <= count {
            let word = UInt64(littleEndian: UnsafeRawPointer(base + index).loadUnaligned(as: UInt64.self))
            let quote = word ^ (ones &* 0x22)
            let backslash = word ^ (ones &* 0x5C)
            let low = (word &- ones &* 0x20) & ~word
            let hit = (low | ((quote &- ones) & ~quote) | ((backslash &- ones) & ~backslash)) & tops
            if hit != 0 { return index + hit.trailingZeroBitCount >> 3 }
            index += 8
        }
        while index < count {
            let byte = base[index]
            if byte < 0x20 || byte == 0x22 || byte == 0x5C { return index }
            index += 1
        }
        return count
    }

    private func text(_ bytes: UnsafeBufferPointer<UInt8>, from offset: Int) throws(JSONParseError) -> String {
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw failure(.invalidUTF8, at: offset + validPrefix(bytes))
        }
        return text
    }

    /// A string with escapes: runs between them are copied, then the whole is checked once.
    private mutating func escapedString(start: Int, firstEscape: Int) throws(JSONParseError) -> String {
        var decoded: [UInt8] = []
        decoded.reserveCapacity(firstEscape - start + 32)
        var run = start
        var end = firstEscape
        while true {
            // Each run is checked where it stands: an escape cannot complete a broken sequence, and the offset of
            // an error stays that of the source.
            let bytes = UnsafeBufferPointer(start: base + run, count: end - run)
            let valid = validPrefix(bytes)
            if valid < bytes.count { throw failure(.invalidUTF8, at: run + valid) }
            decoded.append(contentsOf: bytes)
            guard end < count else { throw failure(.unexpectedEnd, at: count) }
            switch base[end] {
            case 0x22:
                at = end + 1
                return String(decoding: decoded, as: UTF8.self)
            case 0x5C:
                run = try escape(at: end, into: &decoded)
                end = plainEnd(from: run)
            default: throw failure(.controlCharacter, at: end)
            }
        }
    }

    /// Decodes the escape whose backslash is at `start` and gives the offset behind it.
    private mutating func escape(at start: Int, into decoded: inout [UInt8]) throws(JSONParseError) -> Int {
        guard start + 1 < count else { throw failure(.unexpectedEnd, at: count) }
        switch base[start + 1] {
        case 0x22: decoded.append(0x22)
        case 0x5C: decoded.append(0x5C)
        case 0x2F: decoded.append(0x2F)
        case 0x62: decoded.append(0x08)
        case 0x66: decoded.append(0x0C)
        case 0x6E: decoded.append(0x0A)
        case 0x72: decoded.append(0x0D)
        case 0x74: decoded.append(0x09)
        case 0x75: return try unicodeEscape(at: start, into: &decoded)
        default: throw failure(.invalidEscape, at: start)
        }
        return start + 2
    }

    private mutating func unicodeEscape(at start: Int, into decoded: inout [UInt8]) throws(JSONParseError) -> Int {
        var next = start + 6
        var code = try hex4(at: start + 2, escape: start)
        if code & 0xFC00 == 0xD800 {
            guard next + 1 < count, base[next] == 0x5C, base[next + 1] == 0x75 else {
                throw failure(.loneSurrogate, at: start)
            }
            let low = try hex4(at: next + 2, escape: next)
            guard low & 0xFC00 == 0xDC00 else { throw failure(.loneSurrogate, at: start) }
            code = 0x10000 + (code & 0x3FF) << 10 + (low & 0x3FF)
            next += 6
        }
        guard let scalar = Unicode.Scalar(code) else { throw failure(.loneSurrogate, at: start) }
        if code == 0 { containsNUL = true }
        decoded.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
        return next
    }

    private func hex4(at offset: Int, escape: Int) throws(JSONParseError) -> UInt32 {
        var code: UInt32 = 0
        for index in offset..<offset + 4 {
            guard index < count else { throw failure(.unexpectedEnd, at: count) }
            let byte = base[index]
            switch byte {
            case 0x30...0x39: code = code << 4 | UInt32(byte - 0x30)
            case 0x41...0x46: code = code << 4 | UInt32(byte - 0x37)
            case 0x61...0x66: code = code << 4 | UInt32(byte - 0x57)
            default: throw failure(.invalidEscape, at: escape)
            }
        }
        return code
    }

    /// How many leading bytes are whole UTF-8 sequences (RFC 3629: no overlong forms, no surrogates, at most U+10FFFF).
    private func validPrefix(_ bytes: UnsafeBufferPointer<UInt8>) -> Int {
        var index = 0
        while index < bytes.count {
            let first = bytes[index]
            let length: Int
            var second: ClosedRange<UInt8> = 0x80...0xBF
            switch first {
            case 0x00...0x7F:
                index += 1
                continue
            case 0xC2...0xDF: length = 2
            case 0xE0: (length, second) = (3, 0xA0...0xBF)
            case 0xED: (length, second) = (3, 0x80...0x9F)
            case 0xE1...0xEF: length = 3
            case 0xF0: (length, second) = (4, 0x90...0xBF)
            case 0xF1...0xF3: length = 4
            case 0xF4: (length, second) = (4, 0x80...0x8F)
            default: return index
            }
            guard index + length <= bytes.count, second.contains(bytes[index + 1]) else { return index }
            for offset in 2..<max(length, 2) where bytes[index + offset] & 0xC0 != 0x80 { return index }
            index += length
        }
        return index
    }
}
