import Testing
import Time

@Suite struct `Instants in the headers of mails and of HTTP` {
    @Test(arguments: [
        // The example of RFC 9110, 5.6.7.
        ("1994-11-06T08:49:37Z", "Sun, 06 Nov 1994 08:49:37"),
        ("2024-02-29T23:59:59.999Z", "Thu, 29 Feb 2024 23:59:59"),
        ("1970-01-01T00:00:00Z", "Thu, 01 Jan 1970 00:00:00"),
        ("1969-12-31T23:59:59Z", "Wed, 31 Dec 1969 23:59:59"),
        ("2026-11-23T09:05:00+02:00", "Mon, 23 Nov 2026 07:05:00"),
    ])
    func `are written in UTC to the second`(instant: String, expected: String) throws {
        #expect(try #require(Instant(rfc3339: instant)).internetMessageDate == expected)
    }
}
