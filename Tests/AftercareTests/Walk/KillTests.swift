import Foundation
import Support
import Testing
import Time

@testable import Aftercare

/// The program is killed again and again while orders come in and mails go out, at chosen points and at any moment.
/// What it promises has to hold: nothing is lost, nothing is sent twice, and what is in doubt is little and is shown.
/// Edge case 22; DESIGN's "never the same message twice, never a lost one".
///
/// `deploy/kill-test` runs it at length; what it prints then is in `deploy/bench/README.md`.
@Suite(.enabled(if: MailSink.isThere, "\(MailSink.absent)"), .serialized, .timeLimit(.minutes(30)))
struct KillTests {
    /// One life of the program, and its end.
    private struct Life {
        /// A failpoint, or "any moment".
        let end: String
        let connections: Int
        var inFlight: Set<String>
    }

    private static func setting(_ name: String, _ standard: Int) -> Int {
        ProcessInfo.processInfo.environment[name].flatMap { Int($0) } ?? standard
    }

    private let kills = setting("AFTERCARE_TEST_KILLS", 25)
    /// So many that even with every connection busy at every kill no more than 5 % of the mails can be in doubt.
    private let orders = setting("AFTERCARE_TEST_ORDERS", 256)

    /// Where the program kills itself: mostly around the mail, which is where it can go wrong for a customer.
    private static let ends = [
        "mail_marked", "", "apply_before_commit", "mail_answered", "", "decide_before_commit", "mail_recorded",
        "mail_marked", "", "webhook_stored", "mail_answered", "", "apply_after_commit", "mail_before_mark", "",
        "decide_after_commit", "mail_answered",
    ]

    @Test func `killed at any moment, it loses nothing and sends nothing twice`() async throws {
        try await MailSink.run(["--quiet", "--delay", "50"]) { sink in
            try await MigratedDatabase.run { database in
                let walk = try await WalkUnderFire(database, sink)
                var random = SeededGenerator(seed: 25)
                var (unposted, next, lives) = ([Int](), 1, [Life]())
                let started = ContinuousClock.now
                for kill in 1...kills {
                    let last = kill * orders / kills
                    unposted += Array(next..<(last + 1))
                    next = last + 1
                    var life = try await live(kill, &unposted, walk, &random)
                    // Of an earlier death, and nobody has come by it yet.
                    for earlier in lives { life.inFlight.subtract(earlier.inFlight) }
                    lives.append(life)
                    #expect(life.inFlight.count <= life.connections, "kill \(kill), \(life.end)")
                }
                let survivor = try walk.start(connections: 16)
                defer { survivor.strike() }
                #expect(try await survivor.isReady(walk.client))
                while !unposted.isEmpty { unposted = await walk.post(unposted) }
                try await walk.settle(orders: orders, within: .seconds(60 + orders / 10))
                await survivor.kill()
                try await judge(lives, walk)
                print("    in \((started.duration(to: .now) / .seconds(1)).rounded()) s")
                await walk.end()
            }
        }
    }

    /// Starts the program with something to do, and sees it die.
    private func live(
        _ kill: Int,
        _ unposted: inout [Int],
        _ walk: WalkUnderFire,
        _ random: inout SeededGenerator
    ) async throws -> Life {
        // Once in a hundred, and once at least, with as many mails on their way as it ever has.
        let isFull = kill % 100 == 13
        let connections = isFull ? 16 : 2
        let point = isFull ? "mail_answered" : Self.ends[kill % Self.ends.count]
        let count = isFull ? 20 : Int.random(in: 1...15, using: &random)
        let moment = Duration.milliseconds(Int.random(in: 50...900, using: &random))
        try await walk.makeDue(2 * self.orders * WalkUnderFire.parcels / kills)
        let program = try walk.start(connections: connections, failpoint: point.isEmpty ? "" : "\(point):\(count)")
        defer { program.strike() }
        let orders = unposted
        async let missed = walk.post(after: program, orders)
        var end = point
        if point.isEmpty {
            _ = try await program.isReady(walk.client)
            try await Task.sleep(for: moment)
            end = "any moment"
        } else if try await !program.dies(within: .seconds(8)) {
            // There was too little to do to get there so often.
            end = "any moment"
        }
        #expect(await program.kill() == -SIGKILL)
        unposted = try await missed
        try await walk.waitForSessions()
        return Life(end: end, connections: connections, inFlight: try await walk.messages(in: .sending))
    }

    private func judge(_ lives: [Life], _ walk: WalkUnderFire) async throws {
        let accepted = try await walk.messages(in: .accepted)
        let unknown = try await walk.messages(in: .unknown)
        let all = orders * WalkUnderFire.parcels
        let taken = Set(walk.sink.taken)
        let inFlight = lives.reduce(into: Set<String>()) { $0.formUnion($1.inFlight) }
        let busy = lives.filter { !$0.inFlight.isEmpty }.count
        #expect(try await walk.losses(orders: orders) == [])
        #expect(accepted.count + unknown.count == all)
        #expect(accepted.subtracting(taken).isEmpty, "accepted, and never taken by the mail server")
        #expect(taken.subtracting(accepted).subtracting(unknown).isEmpty)
        #expect(walk.sentTwice == [])
        #expect(unknown.subtracting(inFlight).isEmpty, "in doubt, though nothing was killed")
        #expect(accepted.count * 100 >= all * 95)
        // Else little was tried. Those at the mail's own failpoints alone are a quarter.
        #expect(busy * 4 >= lives.count)
        printTable(lives)
        print(
            """
                \(lives.count) kills, \(orders) orders, \(all) messages: \(accepted.count) accepted, \
            \(unknown.count) unknown (\(unknown.intersection(taken).count) of them taken by the mail server), \
            \(walk.sentTwice.count) sent twice, \(all - accepted.count - unknown.count) lost; \
            mails in flight at \(busy) kills, at most \(lives.map(\.inFlight.count).max() ?? 0)
            """
        )
    }

    private func printTable(_ lives: [Life]) {
        func column(_ text: String, _ width: Int) -> String {
            text + String(repeating: " ", count: max(0, width - text.count))
        }
        print("    killed at               kills  with mails in flight  mails in flight")
        for (end, lives) in Dictionary(grouping: lives, by: \.end).sorted(by: { $0.key < $1.key }) {
            let busy = lives.filter { !$0.inFlight.isEmpty }.count
            let mails = lives.reduce(0) { $0 + $1.inFlight.count }
            print("    \(column(end, 22))  \(column("\(lives.count)", 5))  \(column("\(busy)", 20))  \(mails)")
        }
    }
}

extension WalkUnderFire {
    /// Posts once the program answers; those that got no 200.
    fileprivate func post(after program: ProgramProcess, _ orders: [Int]) async throws -> [Int] {
        try await program.isReady(client) ? await post(orders) : orders
    }
}
