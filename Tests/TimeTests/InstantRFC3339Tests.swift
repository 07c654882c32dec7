import Foundation
import Testing
import Time

@Suite struct InstantRFC3339Tests {
    @Test(arguments: [
        ("1970-01-01T00:00:00Z", 0),
        ("2026-03-08T07:30:00Z", 1_772_955_000_000_000),
        ("2026-03-08t07:30:00z", 1_772_955_000_000_000),
        ("2026-03-08T02:30:00-05:00", 1_772_955_000_000_000),
        ("2026-03-08T13:15:00+05:45", 1_772_955_000_000_000),
        ("2026-03-08T07:30:00-00:00", 1_772_955_000_000_000),
        ("2026-03-09T07:29:00+23:59", 1_772_955_000_000_000),
        ("2026-03-08T07:30:00.5Z", 1_772_955_000_500_000),
        ("2026-03-08T07:30:00.000001Z", 1_772_955_000_000_001),
        ("2026-03-08T07:30:00.123456999Z", 1_772_955_000_123_456),
        ("2026-03-08T07:30:00.12345678901234567890123456789Z", 1_772_955_000_123_456),
        ("1969-12-31T23:59:59.9999999Z", -1),
        ("2024-02-29T00:00:00Z", 1_709_164_800_000_000),
        ("2000-02-29T00:00:00Z", 951_782_400_000_000),
        ("0000-01-01T00:00:00Z", -62_167_219_200_000_000),
        ("9999-12-31T23:59:59.999999Z", 253_402_300_799_999_999),
    ])
    func `a date-time is read to the microsecond`(text: String, microseconds: Int64) {
        #expect(Instant(rfc3339: text) == Instant(microseconds: microseconds))
    }

    @Test(arguments: [
        "", "Z", "2026-03-08", "2026-03-08T07:30:00", "2026-03-08 07:30:00Z", "2026-03-08T07:30Z",
        "2026-3-08T07:30:00Z",
        "2026-02-30T00:00:00Z", "2026-02-29T00:00:00Z", "1900-02-29T00:00:00Z", "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z", "2026-01-00T00:00:00Z", "2026-04-31T00:00:00Z", "2026-01-01T24:00:00Z",
        "2026-01-01T00:60:00Z", "2026-01-01T00:00:61Z", "2026-01-01T00:00:00+24:00", "2026-01-01T00:00:00+00:60",
        "2026-01-01T00:00:00+0100", "2026-01-01T00:00:00+01", "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00,5Z",
        "2026-01-01T00:00:00ZZ", " 2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z ", "2026-01-01T00:00:00Z\0",
        "+2026-01-01T00:00:00Z", "-026-01-01T00:00:00Z", "12026-01-01T00:00:00Z", "2026-01-01T00:00:00\u{2212}01:00",
        "\u{0662}026-01-01T00:00:00Z", "20260101T000000Z",
        "9999-12-31T23:59:59-00:01", "9999-12-31T23:59:60Z", "9999-01-01T00:00:00+00:00Z", "0000-01-01T00:00:00+00:01",
        "2026-W01-1T00:00:00Z", "2026-01-01T00:00:00 Z",
    ])
    func `anything else is refused`(text: String) {
        #expect(Instant(rfc3339: text) == nil)
    }

    @Test(arguments: [
        "2016-12-31T23:59:60Z", "2016-12-31T23:59:60.7Z", "2016-12-31T18:59:60-05:00", "2017-01-01T05:44:60+05:45",
    ])
    func `a leap second is the start of the next second`(text: String) {
        #expect(Instant(rfc3339: text)?.rfc3339 == "2017-01-01T00:00:00.000Z")
    }

    @Test(arguments: [
        "2016-12-30T23:59:60Z", "2016-12-31T22:59:60Z", "2016-12-31T23:58:60Z", "2016-12-31T23:59:60-05:00",
    ])
    func `a second 60 anywhere but at the end of a UTC month is refused`(text: String) {
        #expect(Instant(rfc3339: text) == nil)
    }

    @Test func `a substring is read in place`() {
        let line = "at 2026-03-08T07:30:00Z."
        #expect(Instant(rfc3339: line.dropFirst(3).dropLast()) == Instant(seconds: 1_772_955_000))
    }

    @Test(arguments: [
        (0, "1970-01-01T00:00:00.000Z"),
        (999, "1970-01-01T00:00:00.000Z"),
        (1_999, "1970-01-01T00:00:00.001Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
        (-1_000, "1969-12-31T23:59:59.999Z"),
        (-1_001, "1969-12-31T23:59:59.998Z"),
        (253_402_300_800_000_000, "+010000-01-01T00:00:00.000Z"),
        (-62_167_219_200_000_001, "-000001-12-31T23:59:59.999Z"),
        (Int64.max, "+294247-01-10T04:00:54.775Z"),
        (Int64.min, "-290308-12-21T19:59:05.224Z"),
    ])
    func `it is written with three digits, cut towards the past`(microseconds: Int64, text: String) {
        #expect(Instant(microseconds: microseconds).rfc3339 == text)
    }

    @Test func `what is written is read back, for random instants and offsets`() throws {
        var random = SeededGenerator(seed: 20_260_308)
        for _ in 0..<20_000 {
            let instant = Instant(
                microseconds: .random(in: -62_167_219_200_000_000...253_402_300_799_999_999, using: &random)
            )
            #expect(Instant(rfc3339: instant.rfc3339Exact) == instant)

            let cut = try #require(Instant(rfc3339: instant.rfc3339))
            #expect(0..<1000 ~= instant.microseconds - cut.microseconds)

            let minutes = Int64.random(in: -1439...1439, using: &random)
            let ahead = Instant(microseconds: instant.microseconds + minutes * 60_000_000).rfc3339Exact
            guard ahead.utf8.first != UInt8(ascii: "+"), ahead.utf8.first != UInt8(ascii: "-") else { continue }
            let offset = LocalTimeOfDay(hour: Int(abs(minutes)) / 60, minute: Int(abs(minutes)) % 60)
            let text = try ahead.dropLast() + (minutes < 0 ? "-" : "+") + #require(offset).description
            #expect(Instant(rfc3339: text) == instant)
        }
    }

    @Test func `no mutation of a date-time crashes the parser or is read as something it does not write`() {
        var random = SeededGenerator(seed: 7)
        let alphabet = Array("0123456789-+:.TtZz \u{e9}".utf8)
        for _ in 0..<20_000 {
            var bytes = Array("2026-12-31T23:59:59.123456Z".utf8)
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                bytes[Int.random(in: bytes.indices, using: &random)] =
                    alphabet[
                        Int.random(in: alphabet.indices, using: &random)
                    ]
            }
            let text = String(decoding: bytes, as: UTF8.self)
            guard let instant = Instant(rfc3339: text) else { continue }
            #expect(Instant(rfc3339: instant.rfc3339Exact) == instant, "\(text)")
        }
    }

    @Test func `JSON keeps the microseconds and writes them only when there are some`() throws {
        for (instant, json) in [
            (Instant(seconds: 0), #"["1970-01-01T00:00:00.000Z"]"#),
            (Instant(microseconds: 1), #"["1970-01-01T00:00:00.000001Z"]"#),
            (Instant(microseconds: -1_000), #"["1969-12-31T23:59:59.999Z"]"#),
        ] {
            let data = try JSONEncoder().encode([instant])
            #expect(String(decoding: data, as: UTF8.self) == json)
            #expect(try JSONDecoder().decode([Instant].self, from: data) == [instant])
        }
        #expect(throws: DecodingError.self) {
            try JSONDecoder().decode([Instant].self, from: Data(#"["yesterday"]"#.utf8))
        }
    }
}
