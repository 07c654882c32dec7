import Configuration
import Curl
import FoundationEssentials
import JSON
import Logging
import Observability
import Postgres
import Schema
import Support
import Synchronization
import Testing
import Time

@testable import Aftercare

/// The real program, API and worker, on a real database: one for all tests of the process. Tests keep apart by
/// tenants of their own (`TestTenant`).
final class TestServer: Sendable {
    let baseURL: String
    let environment: Environment
    let database: MigratedDatabase
    let mailDirectory: String
    let client: HTTPClient
    /// What the program logged.
    let log: LogRecorder

    static let secretKey = "c2VjcmV0IGZvciB0ZXN0cyBvbmx5LCAzMiBieXRlcyBhdCBsZWFzdA=="

    private static let starting = Once { try await TestServer() }

    static func shared() async throws -> TestServer { try await starting.value() }

    private init() async throws {
        database = try await MigratedDatabase.shared()
        mailDirectory = "/tmp/aftercare-tests-mail-\(UUID())"
        log = LogRecorder()
        client = HTTPClient()
        let config = try Self.config(database, mailDirectory)
        let sink = log.sink
        let logger = Logger(label: "aftercare") { JSONLogHandler(label: $0, level: .debug, sink: sink) }
        let program = Program(config, logger: logger)
        let pool = program.pool()
        let clock = try await DatabaseClock(pool)
        environment = try program.environment(pool, clock)
        let (ports, port) = AsyncStream.makeStream(of: Int.self)
        // Unstructured, because it belongs to the process and not to any test.
        Task.detached {
            do {
                // Two clocks of one database differ by a part of the trips that set them.
                try await program.run([.serve, .work], clock: clock, stoppingOn: []) { port.yield($0) }
            } catch {
                fatalError("the server under test stopped: \(String(reflecting: error))")
            }
        }
        var iterator = ports.makeAsyncIterator()
        guard let number = await iterator.next() else { throw NotStarted() }
        baseURL = "http://127.0.0.1:\(number)"
    }

    struct NotStarted: Error {}

    static func config(
        _ database: MigratedDatabase,
        _ mailDirectory: String,
        with changes: [String: String] = [:]
    ) throws -> Config {
        let values = [
            "AFTERCARE_DATABASE_URL": database.workerURL,
            "AFTERCARE_DATABASE_CONNECTIONS": "12",
            "AFTERCARE_SECRET_KEY": secretKey,
            "AFTERCARE_HTTP_PORT": "0",
            "AFTERCARE_MAIL_DIRECTORY": mailDirectory,
            "AFTERCARE_RATE_KEY_PER_MINUTE": "1000000",
            "AFTERCARE_RATE_TENANT_PER_MINUTE": "1000000",
            "AFTERCARE_RATE_ADDRESS_PER_MINUTE": "1000000",
            "AFTERCARE_RATE_TENANT_IN_FLIGHT": "100000",
            // Shops and receivers are on this machine.
            "AFTERCARE_OUTBOUND_PRIVATE_ADDRESSES": "allow",
        ].merging(changes) { _, changed in changed }
        var config = try Config(
            ConfigReader(provider: EnvironmentVariablesProvider(environmentVariables: values))
        )
        config.passwordCost = .cheap
        config.passwordsWaiting = 10_000
        config.shopOrigin = shopOrigin
        return config
    }

    /// Sends a request; `body` as JSON.
    func send(
        _ method: String,
        _ path: String,
        token: String? = nil,
        body: JSON? = nil,
        headers: [(String, String)] = [],
        raw: [UInt8]? = nil,
        baseURL: String? = nil
    ) async throws -> Answer {
        var headers = headers
        if let token { headers.append(("Authorization", "Bearer \(token)")) }
        if body != nil, !headers.contains(where: { $0.0 == "Content-Type" }) {
            headers.append(("Content-Type", "application/json"))
        }
        let bytes = raw ?? body?.serializedBytes ?? []
        let response = try await client.send(
            HTTPClient.Request(method, (baseURL ?? self.baseURL) + path, headers: headers, body: bytes),
            deadline: .seconds(60)
        )
        let names = Set(response.headers.map { $0.name.lowercased() })
        #expect(names.count == response.headers.count, "a header twice: \(response.headers)")
        return Answer(response)
    }
}

/// A response, and its body as JSON.
struct Answer: Sendable {
    let status: Int
    let response: HTTPClient.Response
    let json: JSON

    init(_ response: HTTPClient.Response) {
        status = response.status
        self.response = response
        json = (try? JSON(parsing: response.body)) ?? .null
    }

    subscript(name: String) -> JSON? { json[name] }

    /// The `code` of a problem.
    var code: String? { json["code"]?.stringValue }
    /// The pointers of the invalid fields.
    var pointers: [String] { json["errors"]?.arrayValue?.compactMap { $0["pointer"]?.stringValue } ?? [] }
    func header(_ name: String) -> String? { response[name] }
}

/// A value made once, by whoever asks first.
actor Once<Value: Sendable> {
    private let make: @Sendable () async throws -> Value
    private var task: Task<Value, any Error>?

    init(_ make: @escaping @Sendable () async throws -> Value) { self.make = make }

    func value() async throws -> Value {
        let task = task ?? Task.detached(operation: make)
        self.task = task
        return try await task.value
    }
}

/// Everything a logger wrote.
final class LogRecorder: Sendable {
    private let recorded = Mutex<[String]>([])

    var lines: [String] { recorded.withLock { $0 } }
    var sink: LogSink { LogSink { line in self.recorded.withLock { $0.append(line) } } }
}
