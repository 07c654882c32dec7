import JSON
import Testing

@Suite struct `JSON parsing` {
    private func kind(_ text: String, limits: JSONLimits = .api) -> JSONParseError.Kind? {
        kind(Array(text.utf8), limits)
    }

    private func kind(_ bytes: [UInt8], _ limits: JSONLimits = .api) -> JSONParseError.Kind? {
        do throws(JSONParseError) {
            _ = try JSON(parsing: bytes, limits: limits)
            return nil
        } catch {
            return error.kind
        }
    }

    @Test(arguments: [
        "null", "true", "false", "0", "-0", "-0.0", "1", "-1", "12.50", "1e5", "1E+5", "1e-5", "0e0", "0.1e1",
        "123456789012345678901234567890", "1e400", #""""#, #""a""#, #""\"\\\/\b\f\n\r\t""#, #""\u00e9""#,
        #""\uD83D\uDE00""#, #""\u0000""#, "\"\u{7F}\"", "\"\u{2028}\"", "\"😀é\"", #""\uFFFF""#, "[]", "{}", "[ ]",
        "{ }",
        "[1]", "[1,2]", "[[],[[]]]", "{\"\":0}", "{\"a\":{\"b\":[null]}}", " \t\r\n1 \t\r\n", "[ 1 , 2 ]",
        "{ \"a\" : 1 , \"b\" : 2 }", #"{"a":1,"A":2}"#, #""\u0022\u005c""#, "\"\u{10FFFF}\"",
    ])
    func `a valid text is accepted`(_ text: String) {
        #expect(kind(text) == nil)
    }

    @Test(
        arguments: [
            ("", .empty), (" \n", .empty), ("\u{FEFF}1", .byteOrderMark),
            ("nul", .unexpectedEnd), ("nulL", .unexpectedByte), ("True", .unexpectedByte), ("NaN", .unexpectedByte),
            ("Infinity", .unexpectedByte), ("-Infinity", .invalidNumber), ("-", .invalidNumber),
            ("+1", .unexpectedByte),
            (".5", .unexpectedByte), ("01", .invalidNumber), ("-01", .invalidNumber), ("1.", .invalidNumber),
            ("1.e1", .invalidNumber), ("1e", .invalidNumber), ("1e+", .invalidNumber), ("1ea", .invalidNumber),
            ("0x10", .invalidNumber), ("1_000", .trailingBytes), ("1 2", .trailingBytes), ("1,", .trailingBytes),
            ("[1]x", .trailingBytes), ("{}}", .trailingBytes), ("[", .unexpectedEnd), ("[1", .unexpectedEnd),
            ("[1,", .unexpectedEnd), ("[1,]", .unexpectedByte), ("[,1]", .unexpectedByte), ("[1 2]", .unexpectedByte),
            ("[1}", .unexpectedByte), ("]", .unexpectedByte), ("{", .unexpectedEnd), ("{\"a\"", .unexpectedEnd),
            ("{\"a\":", .unexpectedEnd), ("{\"a\":1", .unexpectedEnd), ("{\"a\":1,}", .unexpectedByte),
            ("{a:1}", .unexpectedByte), ("{1:1}", .unexpectedByte), ("{\"a\" 1}", .unexpectedByte),
            ("{'a':1}", .unexpectedByte), ("{\"a\":1]", .unexpectedByte), ("\"", .unexpectedEnd),
            ("\"a", .unexpectedEnd),
            ("\"\\", .unexpectedEnd), ("\"\\x\"", .invalidEscape), ("\"\\u12", .unexpectedEnd),
            ("\"\\u12G4\"", .invalidEscape), ("\"\\U0041\"", .invalidEscape), ("\"a\nb\"", .controlCharacter),
            ("\"a\tb\"", .controlCharacter), ("\"\u{0}\"", .controlCharacter), ("\"\\n\u{1F}\"", .controlCharacter),
            ("\"\\uD800\"", .loneSurrogate), ("\"\\uDC00\"", .loneSurrogate), ("\"\\uD800\\u0041\"", .loneSurrogate),
            ("\"\\uD800x\"", .loneSurrogate), ("\"\\uD83D\\uD83D\"", .loneSurrogate), ("// 1\n1", .unexpectedByte),
            ("[1]/**/", .trailingBytes), ("\u{A0}1", .unexpectedByte), ("\u{0C}1", .unexpectedByte),
        ] as [(String, JSONParseError.Kind)]
    )
    func `an invalid text is refused with its kind`(_ text: String, _ expected: JSONParseError.Kind) {
        #expect(kind(text) == expected)
    }

    /// Edge case 5: a body that is not UTF-8.
    @Test(
        arguments: [
            [0xFF], [0x80], [0xC0, 0x80], [0xC1, 0xBF], [0xC3], [0xE0, 0x80, 0x80], [0xE2, 0x82], [0xED, 0xA0, 0x80],
            [0xF0, 0x80, 0x80, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xF0, 0x9F, 0x98],
        ] as [[UInt8]]
    )
    func `bytes that are not UTF-8 are refused where they stand`(_ broken: [UInt8]) {
        let plain = Array("\"ab".utf8) + broken + Array("c\"".utf8)
        #expect(throws: JSONParseError(kind: .invalidUTF8, offset: 3, line: 1)) { try JSON(parsing: plain) }
        let escaped = Array("[\n\"\\n".utf8) + broken + Array("\\n\"]".utf8)
        #expect(throws: JSONParseError(kind: .invalidUTF8, offset: 5, line: 2)) { try JSON(parsing: escaped) }
    }

    @Test func `an escape does not complete a broken sequence`() {
        #expect(kind(Array("\"".utf8) + [0xC3] + Array("\\n".utf8) + [0xA9] + Array("\"".utf8)) == .invalidUTF8)
    }

    @Test func `escapes give their characters`() throws {
        let json = try JSON(parsing: #""\"\\\/\b\f\n\r\t\u00e9\uD83D\uDE00z""#)
        #expect(json == "\"\\/\u{8}\u{C}\n\r\t\u{E9}😀z")
    }

    @Test func `a quote is found at every distance from the start`() throws {
        for length in 0..<40 {
            let text = String(repeating: "ü", count: length / 2) + String(repeating: "x", count: length % 2)
            #expect(try JSON(parsing: "[\"\(text)\",1]") == [.string(text), 1])
            #expect(try JSON(parsing: "[\"\(text)\\n\(text)\",1]") == [.string("\(text)\n\(text)"), 1])
            #expect(kind("\"\(text)\u{1F}\"") == .controlCharacter)
        }
    }

    @Test func `a duplicate key is refused`() {
        #expect(throws: JSONParseError(kind: .duplicateKey, offset: 14, line: 2)) {
            try JSON(parsing: "{\"a\":1,\n\"b\":2,\"\\u0061\":3}")
        }
    }

    @Test func `a duplicate key of a webhook takes the later value in the earlier place`() throws {
        let json = try JSON(parsing: #"{"a":1,"b":2,"a":3}"#, limits: .foreign)
        #expect(json.serialized == #"{"a":3,"b":2}"#)
    }

    @Test func `duplicates are found in large objects`() throws {
        let members = (0..<5000).map { "\"member \($0)\":\($0)" }
        let json = try JSON(parsing: "{\(members.joined(separator: ","))}")
        #expect(json.objectValue?.count == 5000)
        #expect(json["member 4999"] == 4999)
        #expect(json["member 5000"] == nil)
        #expect(kind("{\((members + ["\"member 17\":0"]).joined(separator: ","))}") == .duplicateKey)
    }

    @Test func `names that only look alike are two names`() throws {
        let json = try JSON(parsing: #"{"\u00e9":1,"e\u0301":2}"#)
        #expect(json["\u{E9}"] == 1)
        #expect(json["e\u{301}"] == 2)
        #expect(JSON.string("\u{E9}") != JSON.string("e\u{301}"))
    }

    @Test func `depth is limited`() {
        let nested = { (depth: Int) in String(repeating: "[", count: depth) + String(repeating: "]", count: depth) }
        #expect(kind(nested(32)) == nil)
        #expect(kind(nested(33)) == .tooDeep)
        #expect(kind("[" + nested(31) + "," + nested(31) + "]") == nil)
        #expect(kind(#"{"a":"# + nested(32) + "}") == .tooDeep)
        #expect(kind("1", limits: JSONLimits(depth: 0)) == nil)
        #expect(kind("[]", limits: JSONLimits(depth: 0)) == .tooDeep)
    }

    @Test func `a hundred thousand brackets do not exhaust the stack`() {
        let bomb = String(repeating: "[", count: 100_000)
        #expect(kind(bomb) == .tooDeep)
        #expect(kind(bomb, limits: JSONLimits(depth: .max)) == .tooDeep)
        #expect(kind(String(repeating: #"{"a":"#, count: 100_000), limits: JSONLimits(depth: .max)) == .tooDeep)
    }

    /// Edge case 37.
    @Test func `NUL is valid and noticed`() throws {
        let value = try JSONDocument(parsing: #"{"a":["x\u0000y"]}"#)
        #expect(value.containsNUL)
        #expect(value.root.containsNUL)
        #expect(value.root["a"]?[0] == "x\0y")
        #expect(try JSONDocument(parsing: #"{"\u0000":1}"#).containsNUL)
        #expect(try !JSONDocument(parsing: #"{"a":"\\u0000"}"#).containsNUL)
    }

    @Test func `an error tells its line and byte`() {
        #expect(throws: JSONParseError(kind: .unexpectedByte, offset: 14, line: 3)) {
            try JSON(parsing: "{\n  \"a\": 1,\n  b\n}")
        }
        let error = JSONParseError(kind: .duplicateKey, offset: 7, line: 2)
        #expect(error.description == "a member name occurs twice in one object (line 2, byte 7)")
    }

    @Test func `an empty buffer is refused`() {
        #expect(kind([UInt8]()) == .empty)
        #expect(throws: JSONParseError.self) { try JSON(parsing: UnsafeRawBufferPointer(start: nil, count: 0)) }
    }
}
