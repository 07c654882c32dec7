import Foundation
import Support
import Testing

@testable import Postgres

/// TLS is libpq's, by the settings of the connection string, on a cluster of its own that speaks it.
@Suite(.timeLimit(.minutes(2))) struct TLSTests {
    /// A cluster with a certificate that it signed itself, for `localhost`, and the certificate's file.
    private func withTLS(_ body: (_ url: (String) -> String, _ certificate: String) async throws -> Void) async throws {
        try await TestCluster.run { cluster in
            let (certificate, key) = ("\(cluster.data)/server.crt", "\(cluster.data)/server.key")
            let (program, arguments) = cluster.asOwner(
                "openssl",
                [
                    "req", "-new", "-x509", "-days", "2", "-nodes", "-subj", "/CN=localhost", "-newkey", "ec",
                    "-pkeyopt", "ec_paramgen_curve:prime256v1", "-out", certificate, "-keyout", key,
                ]
            )
            try ChildProcess.output(of: program, arguments)
            _ = try await cluster.superuser.execute("ALTER SYSTEM SET ssl = on")
            _ = try await cluster.superuser.execute("SELECT pg_reload_conf()")
            // libpq has to read it, and the data folder is the server's alone.
            let copy = "/tmp/aftercare-tests-\(UUID()).crt"
            defer { try? FileManager.default.removeItem(atPath: copy) }
            try FileManager.default.copyItem(atPath: certificate, toPath: copy)
            func url(_ options: String) -> String {
                "postgresql:///postgres?host=localhost&hostaddr=127.0.0.1&port=\(cluster.port)&user=postgres&\(options)"
            }
            try await cluster.withPool(url("sslmode=require")) { pool in
                try await eventually { (try? await pool.execute("SELECT 1")) != nil }
            }
            try await body(url, copy)
        }
    }

    @Test func `the server is known by its certificate, and by its name in it`() async throws {
        try await withTLS { url, certificate in
            try await cluster.withPool(url("sslmode=verify-full&sslrootcert=\(certificate)")) { pool in
                let statement: SQL = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
                #expect(try await pool.execute(statement)[0].decode(Bool.self))
                // And what takes several packets each way goes through it too.
                let text = String(repeating: "ä", count: 300_000)
                #expect(try await pool.execute("SELECT \(text)")[0].decode(String.self) == text)
                let looked = try await withThrowingTaskGroup(of: Int.self) { group in
                    for number in 1...40 {
                        group.addTask { try await pool.lookUp([], ["SELECT \(number)"])[0][0].decode(Int.self) }
                    }
                    return try await group.reduce(0, +)
                }
                #expect(looked == 820)
            }
            let wrongName = url("sslmode=verify-full&sslrootcert=\(certificate)")
                .replacing("host=localhost", with: "host=elsewhere")
            for refused in [wrongName, url("sslmode=verify-full&sslrootcert=/etc/ssl/certs/ca-certificates.crt")] {
                try await cluster.withPool(refused) { pool in
                    let error = try await failure { _ = try await pool.execute("SELECT 1") }
                    #expect(error.kind == .connectFailed, "\(error)")
                }
            }
        }
    }

    @Test func `a statement that runs over TLS is cancelled with its task`() async throws {
        try await withTLS { url, certificate in
            try await cluster.withPool(url("sslmode=verify-full&sslrootcert=\(certificate)")) { pool in
                let sleeping: SQL = """
                    SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'SELECT pg_sleep%'
                    """
                let running = Task { _ = try await pool.execute("SELECT pg_sleep(60)") }
                try await cluster.withPool(url("sslmode=require")) { other in
                    try await eventually {
                        try await other.number(sleeping) == 1
                    }
                    running.cancel()
                    let error = try await failure { try await running.value }
                    #expect(error.kind == .cancelled)
                    try await eventually { try await other.number(sleeping) == 0 }
                }
            }
        }
    }
}
