import Foundation
import Support
import Testing

@testable import Postgres

/// What befalls the network between client and server.
@Suite(.serialized, .timeLimit(.minutes(1))) struct NetworkFaultTests {
    private func withProxy(
        maximum: Int = 1,
        configure: (inout Pool.Settings) -> Void = { _ in },
        _ body: (FaultProxy, Pool) async throws -> Void
    ) async throws {
        try await FaultProxy.run { proxy in
            try await cluster.withPool(proxy.url(), maximum: maximum, configure: configure) { pool in
                try await body(proxy, pool)
            }
        }
    }

    @Test(arguments: [FaultProxy.Ending.silence, .close])
    func `a COMMIT whose answer is lost has an unknown outcome, and may have happened`(
        ending: FaultProxy.Ending
    ) async throws {
        try await withTable("id bigint") { table in
            try await withProxy { proxy, pool in
                proxy.cutReplies(after: "COMMIT", then: ending)
                let error = try await failure {
                    _ = try await pool.transaction(
                        [],
                        deadline: .milliseconds(ending == .silence ? 200 : 20_000),
                        SQL("INSERT INTO ", table, " VALUES (1)")
                    )
                }
                #expect(proxy.cuts == 1)
                #expect(error.kind == .outcomeUnknown)
                #expect(!error.isRetryable)
                // It did happen.
                try await eventually { try await superuser.number("SELECT count(*) FROM \(unsafe: table)") == 1 }
                // And the next caller is not hit by it.
                #expect(try await pool.number("SELECT count(*) FROM \(unsafe: table)") == 1)
            }
        }
    }

    @Test func `the same holds for a transaction in steps, and for a single statement`() async throws {
        try await withTable("id bigint") { table in
            try await withProxy { proxy, pool in
                proxy.cutReplies(after: "COMMIT", then: .close)
                let stepwise = try await failure {
                    try await pool.withTransaction { transaction in
                        _ = try await transaction.query(SQL("INSERT INTO ", table, " VALUES (1)"))
                    }
                }
                #expect(stepwise.kind == .outcomeUnknown)
                proxy.cutReplies(after: table, then: .close)
                let single = try await failure { _ = try await pool.execute(SQL("INSERT INTO ", table, " VALUES (2)")) }
                #expect(single.kind == .outcomeUnknown)
                #expect(try await pool.number("SELECT sum(id)::bigint FROM \(unsafe: table)") == 3)
            }
        }
    }

    @Test func `an answer lost before COMMIT was sent means that nothing happened`() async throws {
        try await withTable("id bigint") { table in
            try await withProxy { proxy, pool in
                proxy.cutReplies(after: table, then: .silence)
                let error = try await failure {
                    try await pool.withTransaction(deadline: .milliseconds(200)) { transaction in
                        _ = try await transaction.query(SQL("INSERT INTO ", table, " VALUES (1)"))
                    }
                }
                #expect(error.kind == .deadlineExceeded)
                #expect(try await pool.number("SELECT count(*) FROM \(unsafe: table)") == 0)
            }
        }
    }

    @Test func `a silent network holds a caller no longer than its deadline`() async throws {
        try await withProxy { proxy, pool in
            _ = try await pool.execute("SELECT 1")
            proxy.stall()
            let start = ContinuousClock.now
            let error = try await failure {
                try await pool.withTransaction(deadline: .milliseconds(200)) { transaction in
                    _ = try await transaction.query("SELECT 1")
                }
            }
            #expect(error.kind == .deadlineExceeded)
            #expect(start.duration(to: .now) < .seconds(10))
            proxy.resume()
            #expect(try await pool.number("SELECT 1::bigint") == 1)
        }
    }

    @Test func `a network that swallows answers only is no different`() async throws {
        try await withProxy { proxy, pool in
            _ = try await pool.execute("SELECT 1")
            proxy.stall(.toClient)
            let sent = proxy.requestBytes
            let error = try await failure { _ = try await pool.execute("SELECT 1", deadline: .milliseconds(200)) }
            #expect(error.kind == .outcomeUnknown)
            #expect(proxy.requestBytes > sent)
        }
    }

    @Test func `connecting to a silent address ends with the connect timeout, and the next callers fail at once`()
        async throws
    {
        try await withProxy(maximum: 2, configure: { $0.connection.connectTimeout = .milliseconds(300) }) {
            proxy,
            pool in
            proxy.stall()
            let start = ContinuousClock.now
            let error = try await failure { _ = try await pool.execute("SELECT 1") }
            #expect(error.kind == .connectFailed)
            #expect(start.duration(to: .now) < .seconds(10))
            proxy.resume()
            try await eventually { (try? await pool.number("SELECT 1::bigint")) == 1 }
        }
    }

    @Test func `connecting ends with the caller's own deadline too, which says nothing about the server`() async throws
    {
        try await withProxy { proxy, pool in
            proxy.stall()
            let start = ContinuousClock.now
            let error = try await failure { _ = try await pool.execute("SELECT 1", deadline: .milliseconds(100)) }
            #expect(error.kind == .connectFailed)
            #expect(start.duration(to: .now) < .seconds(10))
            proxy.resume()
            // At once: no back-off.
            #expect(try await pool.number("SELECT 1::bigint") == 1)
        }
    }

    @Test func `cancelled while it connects, a caller does not wait`() async throws {
        try await withProxy { proxy, pool in
            proxy.stall()
            let task = Task { _ = try await pool.execute("SELECT 1") }
            try await eventually { proxy.connections == 1 }
            task.cancel()
            #expect(try await failure { try await task.value }.kind == .cancelled)
            proxy.resume()
            #expect(try await pool.number("SELECT 1::bigint") == 1)
        }
    }

    @Test(arguments: [true, false])
    func `a connection that breaks before COMMIT was sent is lost, and may be tried again`(reset: Bool) async throws {
        try await withProxy { proxy, pool in
            let error = try await failure {
                try await pool.withTransaction { transaction in
                    _ = try await transaction.query("SELECT 1")
                    if reset { proxy.reset() } else { proxy.disconnect() }
                    _ = try await transaction.query("SELECT 2")
                }
            }
            #expect(error.kind == .connectionLost)
            #expect(error.isRetryable)
            #expect(try await pool.number("SELECT 1::bigint") == 1)
        }
    }

    @Test func `connections that broke while idle are replaced unseen`() async throws {
        try await withProxy { proxy, pool in
            for reset in [true, false] {
                _ = try await pool.execute("SELECT 1")
                let before = proxy.connections
                if reset { proxy.reset() } else { proxy.disconnect() }
                try await eventually { proxy.openConnections == 0 }
                #expect(try await pool.number("SELECT 1::bigint") == 1)
                #expect(proxy.connections == before + 1)
            }
        }
    }
}
