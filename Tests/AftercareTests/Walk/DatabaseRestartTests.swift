import Foundation
import Support
import Testing
import Time

@testable import Aftercare

/// PostgreSQL crashes under the running program, again and again, while orders come in and mails go out.
@Suite(.enabled(if: MailSink.isThere, "\(MailSink.absent)"), .serialized, .timeLimit(.minutes(5)))
struct DatabaseRestartTests {
    private static let restarts = 10
    private static let orders = 150

    @Test func `the program recovers by itself, loses nothing and sends nothing twice`() async throws {
        try await TestCluster.run { cluster in
            try await MailSink.run(["--quiet", "--delay", "50"]) { sink in
                let database = try await MigratedDatabase.made(on: cluster)
                let walk = try await WalkUnderFire(database, sink)
                let program = try walk.start(connections: 4)
                defer { program.strike() }
                #expect(try await program.isReady(walk.client))
                var slowest = Duration.zero
                for restart in 1...Self.restarts {
                    let orders = ((restart - 1) * 15 + 1)...(restart * 15)
                    async let posted: Void = walk.postAll(Array(orders))
                    // Mails are on their way.
                    try await walk.waitForMails(3)
                    try cluster.stop()
                    try await Task.sleep(for: .milliseconds(100 * restart))
                    try cluster.start()
                    let back = ContinuousClock.now
                    try await walk.waitForMails(1)
                    slowest = max(slowest, back.duration(to: .now))
                    try await posted
                    #expect(!program.hasEnded)
                }
                try await walk.settle(orders: Self.orders, within: .seconds(60))
                await program.kill()
                #expect(try await walk.losses(orders: Self.orders) == [])
                #expect(walk.sentTwice == [])
                let accepted = try await walk.messages(in: .accepted)
                #expect(accepted == Set(sink.taken))
                // The program lived: it knows what became of each.
                #expect(accepted.count == Self.orders * WalkUnderFire.parcels)
                #expect(slowest < .seconds(5))
                print("    \(Self.restarts) restarts of PostgreSQL: back at work within \(slowest)")
                await walk.end()
                await database.close()
            }
        }
    }
}

extension WalkUnderFire {
    /// Posts as a shop does, until each is taken.
    fileprivate func postAll(_ orders: [Int]) async throws {
        var rest = orders
        while !rest.isEmpty {
            rest = await post(rest)
            try await Task.sleep(for: .milliseconds(50))
        }
    }

    /// Waits until the mail server has taken so many more, of what falls due meanwhile.
    fileprivate func waitForMails(_ count: Int) async throws {
        let before = sink.taken.count
        try await eventually {
            try? await makeDue(10)
            return sink.taken.count >= before + count
        }
    }
}
