import Foundation
import Postgres
import Support
import Synchronization
import Testing

/// `withTransaction`: statements that depend on earlier answers.
@Suite(.serialized, .timeLimit(.minutes(1))) struct InteractiveTransactionTests {
    private struct ChangedMind: Error {}

    @Test func `what the closure did is committed when it returns`() async throws {
        try await withTable("id bigint") { table in
            try await cluster.withPool(maximum: 1) { pool in
                let tenant = UUID()
                let seen = try await pool.withTransaction([LocalSetting("app.tenant_id", tenant)]) { transaction in
                    let rows = try await transaction.query(
                        "SELECT current_setting('app.tenant_id')::uuid",
                        "INSERT INTO \(unsafe: table) VALUES (\(1))"
                    )
                    #expect(rows.count == 2)
                    return try rows[0][0].decode(UUID.self)
                }
                #expect(seen == tenant)
                #expect(try await pool.number("SELECT count(*) FROM \(unsafe: table)") == 1)
                #expect(try await pool.value("SELECT current_setting('app.tenant_id', true)", as: String.self).isEmpty)
            }
        }
    }

    @Test func `all is rolled back when the closure throws, and its error comes out`() async throws {
        try await withTable("id bigint") { table in
            try await cluster.withPool(maximum: 1) { pool in
                let backend = try await pool.backend()
                await #expect(throws: ChangedMind.self) {
                    try await pool.withTransaction([LocalSetting("app.tenant_id", UUID())]) { transaction in
                        _ = try await transaction.query("INSERT INTO \(unsafe: table) VALUES (\(1))")
                        transaction.add("INSERT INTO \(unsafe: table) VALUES (\(2))")
                        throw ChangedMind()
                    }
                }
                #expect(try await pool.number("SELECT count(*) FROM \(unsafe: table)") == 0)
                #expect(try await pool.backend() == backend)
                #expect(try await pool.value("SELECT current_setting('app.tenant_id', true)", as: String.self).isEmpty)
            }
        }
    }

    @Test func `reading, deciding and writing takes two round trips`() async throws {
        try await withTable("id bigint") { table in
            try await FaultProxy.run { proxy in
                try await cluster.withPool(proxy.url(), maximum: 1) { pool in
                    _ = try await pool.execute("SELECT 1")
                    let before = proxy.roundTrips
                    try await pool.withTransaction([LocalSetting("app.tenant_id", UUID())]) { transaction in
                        let count = try await transaction.query("SELECT count(*) FROM \(unsafe: table)")[0][0].decode(
                            Int.self
                        )
                        #expect(proxy.roundTrips == before + 1)
                        transaction.add("INSERT INTO \(unsafe: table) VALUES (\(count + 1))")
                        transaction.add("INSERT INTO \(unsafe: table) VALUES (\(count + 2))")
                        #expect(proxy.roundTrips == before + 1)
                    }
                    #expect(proxy.roundTrips == before + 2)
                    #expect(try await pool.number("SELECT sum(id)::bigint FROM \(unsafe: table)") == 3)
                }
            }
        }
    }

    @Test func `an added statement that fails undoes the transaction`() async throws {
        try await withTable("id bigint PRIMARY KEY") { table in
            let error = try await failure {
                try await superuser.withTransaction { transaction in
                    transaction.add("INSERT INTO \(unsafe: table) VALUES (\(1))")
                    transaction.add("INSERT INTO \(unsafe: table) VALUES (\(1))")
                }
            }
            #expect(error.kind == .server(.uniqueViolation))
            #expect(try await superuser.number("SELECT count(*) FROM \(unsafe: table)") == 0)
        }
    }

    @Test func `an empty transaction is none`() async throws {
        try await cluster.withPool(maximum: 1) { pool in
            let answer = try await pool.withTransaction { _ in 7 }
            #expect(answer == 7)
            await #expect(throws: ChangedMind.self) { try await pool.withTransaction { _ in throw ChangedMind() } }
            #expect(try await pool.number("SELECT 1::bigint") == 1)
        }
    }

    @Test func `an error that the closure swallows does not let the rest commit alone`() async throws {
        try await withTable("id bigint PRIMARY KEY") { table in
            try await cluster.withPool(maximum: 1) { pool in
                let backend = try await pool.backend()
                let error = try await failure {
                    try await pool.withTransaction([LocalSetting("app.tenant_id", UUID())]) { transaction in
                        _ = try await transaction.query("INSERT INTO \(unsafe: table) VALUES (\(1))")
                        _ = try? await transaction.query("SELECT 1 / \(0)")
                        transaction.add("INSERT INTO \(unsafe: table) VALUES (\(2))")
                        let later = try await failure {
                            _ = try await transaction.query("INSERT INTO \(unsafe: table) VALUES (\(3))")
                        }
                        #expect(later.kind == .rolledBack)
                        transaction.add("INSERT INTO \(unsafe: table) VALUES (\(4))")
                    }
                }
                #expect(error.kind == .rolledBack)
                #expect(try await pool.number("SELECT count(*) FROM \(unsafe: table)") == 0)
                #expect(try await pool.backend() == backend)
            }
        }
    }

    @Test func `used after its end, a transaction refuses`() async throws {
        try await cluster.withPool(maximum: 1) { pool in
            let escaped = Mutex<Transaction?>(nil)
            try await pool.withTransaction { transaction in escaped.withLock { $0 = transaction } }
            let transaction = try #require(escaped.withLock { $0 })
            let error = try await failure { _ = try await transaction.query("SELECT 1") }
            #expect(error.kind == .closed)
            _ = try? await pool.withTransaction { transaction in
                escaped.withLock { $0 = transaction }
                throw ChangedMind()
            }
            let other = try #require(escaped.withLock { $0 })
            #expect(try await failure { _ = try await other.query("SELECT 1") }.kind == .closed)
        }
    }

    @Test func `a deadline bounds the transaction as a whole`() async throws {
        try await cluster.withPool(maximum: 1) { pool in
            let error = try await failure {
                try await pool.withTransaction(deadline: .milliseconds(300)) { transaction in
                    for _ in 0..<1000 { _ = try await transaction.query("SELECT pg_sleep(0.05)") }
                }
            }
            #expect(error.kind == .deadlineExceeded)
            #expect(!error.isRetryable)
            #expect(try await pool.number("SELECT 1::bigint") == 1)
        }
    }
}
