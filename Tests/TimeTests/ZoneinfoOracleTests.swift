import Foundation
import Testing
import Time

/// Our rules against Python's zoneinfo, an independent reader of the zone data with PEP 495's rules, which are ours when
/// `fold` is 0: every zone both know, every change of offset from 2020 to 2037, a local time every 15 minutes around it.
@Suite struct ZoneinfoOracleTests {
    @Test(.timeLimit(.minutes(2)))
    func `every change of every zone from 2020 to 2037 resolves as in Python (edge case 31)`() async throws {
        // It waits for Python for long, and other tests' servers run on Swift's few threads.
        let comparison = try await withCheckedThrowingContinuation { test in
            Thread.detachNewThread { test.resume(with: Result { try compare() }) }
        }
        #expect(comparison.ended, "zoneinfo_oracle.py needs python3 (3.9 or newer) and /usr/share/zoneinfo (tzdata)")

        let summary = comparison.summary
        if comparison.sameData {
            #expect(comparison.zonesOfOtherData.isEmpty, "\(summary)")
        } else {
            // Other versions of the data disagree about a few zones; those are left out, the rest must agree.
            #expect(comparison.zonesOfOtherData.count < 30, "\(summary)")
        }
        #expect(comparison.mismatches.isEmpty, "\(summary)")
        #expect(comparison.zones > 400, "\(summary)")
        #expect(comparison.changes > 4_000, "\(summary)")
        #expect(comparison.comparisons > 250_000, "\(summary)")
        #expect(comparison.gaps > 15_000 && comparison.folds > 15_000, "\(summary)")
        print(summary)
    }

    private func compare() throws -> OracleComparison {
        var comparison = OracleComparison()
        try forEachLine(ofScript: "zoneinfo_oracle.py") { line in
            comparison.take(line)
            return comparison.ended
        }
        return comparison
    }

    /// Runs a Python script beside this file and hands on its lines while it runs, until `body` says that one was the
    /// last. Not until the end of the pipe: a server that another test starts meanwhile may inherit its other end.
    private func forEachLine(ofScript name: String, _ body: (Substring.UTF8View) throws -> Bool) throws {
        let script = URL(filePath: #filePath).deletingLastPathComponent().appending(path: name)
        let (process, output) = (Process(), Pipe())
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["python3", script.path]
        process.standardOutput = output
        try process.run()
        var rest = ""
        while case let data = output.fileHandleForReading.availableData, !data.isEmpty {
            var text = rest + String(decoding: data, as: UTF8.self)
            text.makeContiguousUTF8()
            var line = text.utf8.startIndex
            while let end = text.utf8[line...].firstIndex(of: UInt8(ascii: "\n")) {
                if try body(text[line..<end].utf8) { return }
                line = text.utf8.index(after: end)
            }
            rest = String(text[line...])
        }
        process.waitUntilExit()
        try #require(process.terminationStatus != 127, "python3 is not installed; deploy/test installs it")
        #expect(process.terminationStatus == 0, "\(name) failed; its message is above")
    }
}

/// Compares line by line; the lines are described in `zoneinfo_oracle.py`.
private struct OracleComparison: Sendable {
    var (zones, changes, comparisons, gaps, folds) = (0, 0, 0, 0, 0)
    var ended = false
    var mismatches: [String] = []
    var unknownZones: [String] = []
    var zonesOfOtherData: Set<String> = []
    private var pythonVersion = "unknown"
    private var current: [Zone] = []

    var sameData: Bool { pythonVersion == Zone.dataVersion }

    var summary: String {
        """
        zone data: Swift \(Zone.dataVersion), Python \(pythonVersion); \(zones) zones, \(changes) changes, \
        \(comparisons) comparisons (\(gaps) gaps, \(folds) folds), \(mismatches.count) mismatches \
        \(mismatches.prefix(5)); only Python knows \(unknownZones); other data: \(zonesOfOtherData.sorted())
        """
    }

    mutating func take(_ line: Substring.UTF8View) {
        let fields = line.split(separator: UInt8(ascii: " "))
        switch line.first {
        case UInt8(ascii: "V"): pythonVersion = fields.last.map { String(Substring($0)) } ?? "unknown"
        case UInt8(ascii: "Z"): begin(fields.dropFirst().map { String(Substring($0)) })
        case UInt8(ascii: "T"): change(fields.dropFirst().compactMap { Int64(Substring($0)) })
        case UInt8(ascii: "R"): compare(fields[1...2].compactMap { Int64(Substring($0)) }, fields[3].first)
        case UInt8(ascii: "E"): ended = true
        default: mismatches.append("line not understood: \(line)")
        }
    }

    private mutating func begin(_ names: [String]) {
        current = names.compactMap { Zone($0) }
        unknownZones += names.filter { Zone($0) == nil }
        zones += current.count
    }

    /// A zone whose offsets around a change differ has other data, which says nothing about our rules.
    private mutating func change(_ numbers: [Int64]) {
        let (instant, before, after) = (numbers[0], numbers[1], numbers[2])
        for zone in current where offset(of: zone, at: instant - 1) != before || offset(of: zone, at: instant) != after
        {
            leaveOut(zone)
        }
        changes += current.count
    }

    private mutating func compare(_ numbers: [Int64], _ letter: UInt8?) {
        let (wallSeconds, utc) = (numbers[0], numbers[1])
        let kind: Resolution.Kind =
            switch letter {
            case UInt8(ascii: "g"): .gap
            case UInt8(ascii: "f"): .fold
            default: .unique
            }
        let expected = Resolution(instant: Instant(seconds: utc), kind: kind)
        // With UTC, seconds on the wall are seconds since 1970.
        let wall = Zone.utc.local(at: Instant(seconds: wallSeconds))
        for zone in current {
            let resolution = zone.instant(of: wall)
            if resolution != expected {
                if kind != .gap, !sameData, offset(of: zone, at: utc) != wallSeconds - utc {
                    leaveOut(zone)
                    continue
                }
                mismatches.append("\(zone) \(wall): \(resolution), expected \(expected)")
            }
            comparisons += 1
            gaps += kind == .gap ? 1 : 0
            folds += kind == .fold ? 1 : 0
        }
    }

    private mutating func leaveOut(_ zone: Zone) {
        zonesOfOtherData.insert(zone.identifier)
        current.removeAll { $0 == zone }
    }

    private func offset(of zone: Zone, at seconds: Int64) -> Int64 {
        let instant = Instant(seconds: seconds)
        let (local, utc) = (zone.local(at: instant), Zone.utc.local(at: instant))
        let days = local.date.daysSince1970 - utc.date.daysSince1970
        return Int64(days * 86_400 + local.time.secondOfDay - utc.time.secondOfDay)
    }
}
