import Testing
import Time

@Suite struct ZoneTests {
    @Test(arguments: [
        "UTC", "America/New_York", "America/Indiana/Knox", "Europe/Kyiv", "Europe/Kiev", "US/Eastern", "Etc/GMT+2",
        "Etc/UTC", "Asia/Calcutta",
    ])
    func `a zone of the IANA database keeps its name`(identifier: String) {
        #expect(Zone(identifier)?.identifier == identifier)
    }

    @Test(arguments: [
        "", "/", "+02:00", "-05:00", "GMT+2", "GMT+0200", "UTC+2", "EST", "CET", "PST8PDT", "GMT", "Z", "Japan",
        "europe/berlin", "Europe/Berlin ", "Europe/", "Mars/Base", "Etc/Unknown", "Etc/GMT+99", "SystemV/EST5EDT",
        "posix/Europe/Berlin", "right/Europe/Berlin", "../zoneinfo/Europe/Berlin", "/usr/share/zoneinfo/Europe/Berlin",
        "Europe/Berlin\0", "Eastern Standard Time", "local/time",
    ])
    func `offsets, abbreviations and unknown names are refused`(identifier: String) {
        #expect(Zone(identifier) == nil)
    }

    @Test func `the version of the zone data is known`() {
        #expect(Zone.dataVersion.wholeMatch(of: /20\d\d[a-z]{1,2}/) != nil, "\(Zone.dataVersion)")
    }

    @Test func `a zone can be used from many tasks at once`() async throws {
        let zone = try zone("America/New_York")
        let start = try instant("2026-01-01T00:00:00Z")
        let noon = try time("12:00")
        await withTaskGroup(of: Bool.self) { group in
            for task in 0..<16 {
                group.addTask {
                    (0..<500).allSatisfy { step in
                        let local = zone.local(at: start + .seconds(3600 * (task * 500 + step)))
                        let back = zone.instant(of: noon, on: local.date)
                        return zone.local(at: back.instant) == LocalDateTime(local.date, noon)
                    }
                }
            }
            for await agreed in group {
                #expect(agreed)
            }
        }
    }
}
