import Foundation
import Support
import Testing
import Time

@testable import Postgres

/// Every type goes to the server and comes back the same, and the server sees the value that was meant.
@Suite(.timeLimit(.minutes(1))) struct CodecTests {
    private func expectRoundTrip<Value: PostgresEncodable & PostgresDecodable & Equatable>(
        _ values: [Value],
        _ location: SourceLocation = #_sourceLocation
    ) async throws {
        for value in values {
            let row = try await superuser.execute("SELECT \(value) AS value, \(Value?.none) AS missing")[0]
            #expect(try row("value", as: Value.self) == value, sourceLocation: location)
            #expect(try row("missing", as: Value?.self) == nil, sourceLocation: location)
            let (present, absent) = try row.decode((Value?, Value?).self)
            #expect(present == value && absent == nil, sourceLocation: location)
        }
        let optionals = values.map(Optional.some) + [nil] + values.map(Optional.some)
        let row = try await superuser.execute(
            "SELECT \(values) AS full, \(optionals) AS gaps, \([Value]()) AS empty, \([Value?.none]) AS missing"
        )[0]
        #expect(try row("full", as: [Value].self) == values, sourceLocation: location)
        #expect(try row("gaps", as: [Value?].self) == optionals, sourceLocation: location)
        #expect(try row("empty", as: [Value].self) == [], sourceLocation: location)
        #expect(try row("missing", as: [Value?].self) == [nil], sourceLocation: location)
        // The server takes the array apart by itself: its elements are where it expects them.
        let elements = try await superuser.execute("SELECT unnest(\(optionals)) AS element")
        #expect(try elements.map { try $0("element", as: Value?.self) } == optionals, sourceLocation: location)
    }

    @Test func `bool`() async throws { try await expectRoundTrip([true, false]) }

    @Test func `integers, to their extremes`() async throws {
        try await expectRoundTrip([Int.min, -1, 0, 1, .max])
        try await expectRoundTrip([Int64.min, -1, 0, 1, .max])
        try await expectRoundTrip([Int32.min, -1, 0, 1, .max])
        try await expectRoundTrip([Int16.min, -1, 0, 1, .max])
    }

    @Test func `a double, to its extremes`() async throws {
        let values: [Double] = [
            0, -0.0, 0.1, .pi, .leastNonzeroMagnitude, .greatestFiniteMagnitude, -.infinity, .infinity,
        ]
        try await expectRoundTrip(values)
        #expect(try await superuser.value("SELECT \(Double.nan) AS value", as: Double.self).isNaN)
    }

    @Test func `text of every plane of Unicode`() async throws {
        try await expectRoundTrip(["", "a", "Grüße", "日本語", "👩‍👩‍👧‍👦", "\u{10FFFF}\u{1}", "e\u{301}", "\n\t\\'\"$1"])
    }

    @Test func `a uuid`() async throws {
        try await expectRoundTrip([UUID(), UUID(uuid: (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0))])
    }

    @Test func `bytes`() async throws {
        try await expectRoundTrip([Bytea([]), Bytea([0]), Bytea((0...255).map { UInt8($0) })])
    }

    @Test func `jsonb`() async throws {
        try await expectRoundTrip([#"{"a": [1, null, "ü"]}"#, "null", "1", #""""#].map { JSONB($0.utf8) })
        let json = try await superuser.value(#"SELECT '{"b":1}'::json AS value"#, as: JSONB.self)
        #expect(json.text == Array(#"{"b":1}"#.utf8))
    }

    @Test func `an instant, before 1970 and 2000 too`() async throws {
        let microseconds: [Int64] = [
            0, -1, 1, 946_684_799_999_999, 946_684_800_000_000, 1_790_000_000_123_456, -62_135_596_800_000_000,
        ]
        try await expectRoundTrip(microseconds.map { Instant(microseconds: $0) })
    }

    @Test func `the ends of time are infinity`() async throws {
        try await expectRoundTrip([Instant(microseconds: .min), Instant(microseconds: .max)])
        let (past, future) = (Instant(microseconds: .min), Instant(microseconds: .max))
        let row = try await superuser.execute("SELECT \(past)::text, \(future)::text")[0]
        #expect(try row.decode((String, String).self) == ("-infinity", "infinity"))
        // The server's furthest day does not fit into microseconds since 1970; it must not trap.
        let last = try await superuser.execute("SELECT '294276-12-31 23:59:59Z'::timestamptz AS value")[0]
        #expect(try last("value", as: Instant.self) == future)
    }

    @Test func `the server reads the values that were meant`() async throws {
        let id = UUID()
        let row = try await superuser.execute(
            """
            SELECT \(true)::text, \(-5)::text, \(Int32(-6))::text, \(Int16(-7))::text, \(1.5)::text, \(id)::text,
                \(Bytea([0xAB, 0]))::text, \(JSONB(#"{"k":1}"#.utf8))::text, \([1, nil, 3])::text,
                \(Instant(microseconds: -1) )::text
            """
        )[0]
        let texts = try row.decode(
            (String, String, String, String, String, String, String, String, String, String).self
        )
        #expect(texts.0 == "true" && texts.1 == "-5" && texts.2 == "-6" && texts.3 == "-7" && texts.4 == "1.5")
        #expect(texts.5 == id.uuidString.lowercased())
        #expect(texts.6 == "\\xab00" && texts.7 == #"{"k": 1}"# && texts.8 == "{1,NULL,3}")
        #expect(texts.9 == "1969-12-31 23:59:59.999999+00")
    }

    @Test func `a narrow column may be read as a wider integer, a wide value not as a narrow one`() async throws {
        let row = try await superuser.execute("SELECT 7::int2 AS small, 70000 AS middle, 5000000000 AS big")[0]
        #expect(try row("small", as: Int.self) == 7)
        #expect(try row("small", as: Int32.self) == 7)
        #expect(try row("middle", as: Int64.self) == 70_000)
        #expect(throws: PostgresError.self) { try row("middle", as: Int16.self) }
        #expect(throws: PostgresError.self) { try row("big", as: Int32.self) }
    }

    @Test func `names and padded text are text`() async throws {
        let row = try await superuser.execute("SELECT 'n'::name, 'v'::varchar(9), 'b'::char(3), 'c'::\"char\"")[0]
        #expect(try row.decode((String, String, String, String).self) == ("n", "v", "b  ", "c"))
    }

    @Test func `a random value comes back the same`() async throws {
        var generator = SeededGenerator(seed: 20_260_801)
        func random<Value>(_ make: (inout SeededGenerator) -> Value) -> [Value] {
            (0..<300).map { _ in make(&generator) }
        }
        try await expectArrays(random { Int64.random(in: .min ... .max, using: &$0) })
        try await expectArrays(random { Int32.random(in: .min ... .max, using: &$0) })
        try await expectArrays(
            random { Double(sign: .plus, exponent: .random(in: -900...900, using: &$0), significand: 1.1) }
        )
        try await expectArrays(
            random {
                Instant(microseconds: .random(in: -200_000_000_000_000_000...9_000_000_000_000_000_000, using: &$0))
            }
        )
        try await expectArrays(random { UUID.random(using: &$0) })
        try await expectArrays(
            random { generator in
                Bytea(
                    (0..<Int.random(in: 0...40, using: &generator)).map { _ in .random(in: 0...255, using: &generator) }
                )
            }
        )
        try await expectArrays(
            random { generator in
                let scalars = (0..<Int.random(in: 0...30, using: &generator)).compactMap { _ in
                    Unicode.Scalar(UInt32.random(in: 1...0x10FFFF, using: &generator))
                }
                return String(String.UnicodeScalarView(scalars))
            }
        )
    }

    /// A few one by one, and all of them in one array with gaps.
    private func expectArrays<Value: PostgresEncodable & PostgresDecodable & Equatable>(_ values: [Value]) async throws
    {
        for value in values.prefix(10) {
            #expect(try await superuser.value("SELECT \(value) AS value", as: Value.self) == value)
        }
        let gaps = values.enumerated().map { $0 % 7 == 3 ? nil : $1 }
        let rows = try await superuser.execute("SELECT element FROM unnest(\(gaps)) AS element")
        #expect(try rows.map { try $0("element", as: Value?.self) } == gaps)
    }
}

/// A column that is not of the type asked for is a mistake in the program, and says where it is.
@Suite(.timeLimit(.minutes(1))) struct DecodingErrorTests {
    private func decodingError(_ body: () throws(PostgresError) -> Void) throws -> PostgresError {
        let error = try #require(#expect(throws: PostgresError.self) { try body() })
        #expect(error.kind == .decoding)
        #expect(!error.isRetryable)
        return error
    }

    @Test func `a wrong type names the column`() async throws {
        let row = try await superuser.execute("SELECT 1::bigint AS total, 'x' AS label, gen_random_uuid() AS id")[0]
        #expect(
            try decodingError { () throws(PostgresError) in _ = try row("total", as: String.self) }.message.contains(
                "\"total\""
            )
        )
        #expect(
            try decodingError { () throws(PostgresError) in _ = try row("label", as: Int.self) }.message.contains(
                "\"label\""
            )
        )
        #expect(
            try decodingError { () throws(PostgresError) in _ = try row("id", as: Instant.self) }.message.contains(
                "\"id\""
            )
        )
        let tuple = try decodingError { () throws(PostgresError) in _ = try row.decode((Int, Int).self) }
        #expect(tuple.message.contains("\"label\""))
    }

    @Test func `NULL is not a value of a type that has none`() async throws {
        let row = try await superuser.execute("SELECT NULL::bigint AS total")[0]
        let error = try decodingError { () throws(PostgresError) in _ = try row("total", as: Int.self) }
        #expect(error.message.contains("\"total\"") && error.message.contains("NULL"))
    }

    @Test func `NULL in an array needs an element that can be NULL`() async throws {
        let row = try await superuser.execute("SELECT ARRAY[1, NULL]::bigint[] AS numbers")[0]
        _ = try decodingError { () throws(PostgresError) in _ = try row("numbers", as: [Int].self) }
        #expect(try row("numbers", as: [Int?].self) == [1, nil])
    }

    @Test func `what is no array is not read as one, whatever its bytes say`() async throws {
        let row = try await superuser.execute(
            """
            SELECT '00000000-0000-0000-0000-000000000000'::uuid AS id,
                decode('0000000100000000000000140000000f00000001ffffffff', 'hex') AS bytes,
                ARRAY[[1, 2], [3, 4]]::bigint[] AS matrix
            """
        )[0]
        _ = try decodingError { () throws(PostgresError) in _ = try row("id", as: [Int].self) }
        _ = try decodingError { () throws(PostgresError) in _ = try row("bytes", as: [Int?].self) }
        _ = try decodingError { () throws(PostgresError) in _ = try row("matrix", as: [Int].self) }
    }

    @Test func `columns are found in any order, and again`() async throws {
        let row = try await superuser.execute("SELECT 1 AS a, 2 AS b, 3 AS c, 4 AS ab")[0]
        for _ in 1...2 {
            #expect(try row("c", as: Int32.self) == 3)
            #expect(try row("a", as: Int32.self) == 1)
            #expect(try row("ab", as: Int32.self) == 4)
            #expect(try row("b", as: Int32.self) == 2)
            #expect(try row("b", as: Int32.self) == 2)
        }
    }

    @Test func `a text is looked for in an array as it came`() async throws {
        let rows = try await superuser.execute(
            """
            SELECT ARRAY['orders:read', NULL, 'orders:write', ''] AS some, '{}'::text[] AS none, ARRAY[1] AS numbers
            """
        )
        let (some, none): (TextArray, TextArray) = try (rows[0]("some"), rows[0]("none"))
        #expect(some.contains("orders:read") && some.contains("orders:write") && some.contains(""))
        #expect(!some.contains("orders") && !some.contains("orders:writes") && !some.contains("NULL"))
        #expect(!none.contains("") && !TextArray().contains(""))
        #expect(throws: PostgresError.self) { try rows[0]("numbers", as: TextArray.self) }
    }

    @Test func `an unknown column and a tuple too long are told`() async throws {
        let row = try await superuser.execute("SELECT 1::bigint AS total")[0]
        #expect(
            try decodingError { () throws(PostgresError) in _ = try row("sum", as: Int.self) }.message.contains(
                "\"sum\""
            )
        )
        _ = try decodingError { () throws(PostgresError) in _ = try row.decode((Int, Int).self) }
    }
}

extension UUID {
    fileprivate static func random(using generator: inout SeededGenerator) -> UUID {
        withUnsafeBytes(of: (generator.next(), generator.next())) { UUID(uuid: $0.loadUnaligned(as: uuid_t.self)) }
    }
}
