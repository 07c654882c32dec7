import Foundation
import Glibc
import Support
import Synchronization
public import Testing

@testable public import Postgres

let cluster = TestCluster.shared
let superuser = TestCluster.shared.superuser

/// In a test's report the whole truth, not the "database error" that is for strangers.
extension PostgresError: CustomTestStringConvertible {
    public var testDescription: String { debugDescription }
}

/// A name no other test uses, so that all of them can run at once.
func uniqueName(_ prefix: String) -> String {
    prefix + "_" + UUID().uuidString.lowercased().replacing("-", with: "")
}

/// The error a call to the database must fail with.
func failure(
    _ location: SourceLocation = #_sourceLocation,
    isolation: isolated (any Actor)? = #isolation,
    of body: () async throws -> Void
) async throws -> PostgresError {
    do {
        try await body()
    } catch let error as PostgresError {
        return error
    }
    Issue.record("nothing was thrown", sourceLocation: location)
    throw NothingThrown()
}

struct NothingThrown: Error {}

extension SQL {
    /// A table's or a role's name, made here and harmless.
    init(_ parts: String...) {
        self.init(unsafe: parts.joined())
    }
}

extension Pool {
    /// The server process behind the pool's next connection; of a pool of one, behind its only one.
    func backend() async throws -> Int32 {
        try await value("SELECT pg_backend_pid()", as: Int32.self)
    }

    /// The one field of the one row.
    func value<Value: PostgresDecodable>(_ statement: SQL, as _: Value.Type) async throws -> Value {
        try #require(try await execute(statement).first).decode(Value.self)
    }

    func number(_ statement: SQL) async throws -> Int {
        try await value(statement, as: Int.self)
    }
}

/// Whether the server process runs a statement whose text contains `text`.
func isRunning(_ text: String, in backend: Int32) async throws -> Bool {
    try await superuser.number(
        """
        SELECT count(*) FROM pg_stat_activity
        WHERE pid = \(backend) AND state = 'active' AND strpos(query, \(text)) > 0
        """
    ) == 1
}

/// Waits until a server process is gone, its socket with it.
func waitForEnd(of backend: Int32) async throws {
    try await eventually {
        // A zombie that the postmaster has not collected yet has closed everything too.
        guard let stat = try? String(contentsOfFile: "/proc/\(backend)/stat", encoding: .utf8) else { return true }
        return stat.contains(") Z ")
    }
}

func terminate(_ backend: Int32) async throws {
    _ = try await superuser.execute("SELECT pg_terminate_backend(\(backend))")
}

/// A table of a test's own in the database `postgres`, dropped at the end.
func withTable<Result>(
    _ columns: String,
    isolation: isolated (any Actor)? = #isolation,
    _ body: (_ name: String) async throws -> Result
) async throws -> Result {
    let name = uniqueName("t")
    _ = try await superuser.execute(SQL("CREATE TABLE ", name, " (", columns, ")"))
    do {
        let result = try await body(name)
        _ = try await superuser.execute(SQL("DROP TABLE ", name))
        return result
    } catch {
        _ = try await superuser.execute(SQL("DROP TABLE IF EXISTS ", name))
        throw error
    }
}

/// A table with row level security by tenant, and a role it applies to.
struct TenantTable: Sendable {
    let name: String
    let role: String

    static func run<Result>(
        isolation: isolated (any Actor)? = #isolation,
        _ body: (TenantTable) async throws -> Result
    ) async throws -> Result {
        let role = uniqueName("r")
        return try await withTable("tenant_id uuid NOT NULL, number bigint NOT NULL") { name in
            _ = try await superuser.transaction(
                [],
                SQL("CREATE ROLE ", role, " LOGIN"),
                SQL("GRANT ALL ON ", name, " TO ", role),
                SQL("ALTER TABLE ", name, " ENABLE ROW LEVEL SECURITY"),
                SQL(
                    "CREATE POLICY tenant ON \(name) USING",
                    " (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)"
                )
            )
            do {
                let result = try await body(TenantTable(name: name, role: role))
                _ = try await superuser.transaction([], SQL("DROP OWNED BY ", role), SQL("DROP ROLE ", role))
                return result
            } catch {
                _ = try await superuser.transaction([], SQL("DROP OWNED BY ", role), SQL("DROP ROLE ", role))
                throw error
            }
        }
    }

    static func setting(_ tenant: UUID) -> LocalSetting { LocalSetting("app.tenant_id", tenant) }
}

/// Values that several tasks add to.
final class Collected<Value: Sendable>: Sendable {
    private let state = Mutex<[Value]>([])

    func add(_ value: Value) { state.withLock { $0.append(value) } }
    var values: [Value] { state.withLock { $0 } }
}
