import Configuration
import HTTPTypes
import JSON
import Logging
import Observability
import Postgres
import Testing
import Time

@testable import Aftercare

/// The table of routes and `openapi/openapi.yaml` describe one API.
@Suite struct `The routes and the specification` {
    private let specification: Specification
    private let routes: [Route]

    init() throws {
        specification = try Specification.load()
        routes = try Self.routes()
    }

    /// Every route, without a database: a pool makes no connection before it is asked for one.
    private static func routes() throws -> [Route] {
        var config = try Config(
            ConfigReader(
                provider: EnvironmentVariablesProvider(environmentVariables: [
                    "AFTERCARE_DATABASE_URL": "postgresql://nobody@nowhere.invalid/nothing",
                    "AFTERCARE_SECRET_KEY": "YSBzZWNyZXQgZm9yIHRlc3RzIG9ubHksIDMyIGJ5dGVzIQ==",
                    "AFTERCARE_MAIL_DIRECTORY": "/nonexistent",
                ])
            )
        )
        config.passwordCost = .cheap
        let program = Program(config, logger: Logger(label: "contract"))
        let environment = try program.environment(program.pool(), DatabaseClock(at: Instant(microseconds: 0)))
        return Routes.all(environment, program.registry, Readiness())
    }

    private func name(_ route: Route) -> String { "\(route.method.rawValue) \(route.template)" }

    /// Each operation with its route. Those without one are the first test's to report.
    private var pairs: [(operation: Specification.Operation, route: Route)] {
        specification.operations.compactMap { operation in
            routes.first { name($0) == operation.name }.map { (operation, $0) }
        }
    }

    @Test func `have the same operations`() {
        let served = routes.map(name).sorted()
        #expect(served == Array(Set(served)).sorted(), "a route is there twice")
        let described = Set(specification.operations.map(\.name))
        #expect(Set(served).subtracting(described).sorted() == [], "served and not described")
        #expect(described.subtracting(served).sorted() == [], "described and not served")
    }

    @Test func `ask for the same scope`() {
        for (operation, route) in pairs {
            let scope = operation.value["x-required-scope"]?.stringValue
            let isOpen = operation.value["security"]?.arrayValue?.isEmpty == true
            switch route.audience {
            case .anyone: #expect(isOpen && scope == nil, "\(operation.name) is open to anyone")
            case .holderOfAny: #expect(!isOpen && scope == nil, "\(operation.name) takes any credential")
            case .holder(let wanted): #expect(!isOpen && scope == wanted.rawValue, "\(operation.name)")
            }
        }
        #expect(specification.root["security"] == [["bearer": []]])
    }

    @Test func `take the same parameters`() throws {
        for (operation, route) in pairs {
            let parameters = try specification.parameters(of: operation)
            func names(_ place: String) -> [String] {
                parameters.filter { $0["in"]?.stringValue == place }.compactMap { $0["name"]?.stringValue }.sorted()
            }
            #expect(names("query") == route.query.sorted(), "\(operation.name)")
            let captured = route.template.segments.filter { $0.hasPrefix("{") }.map {
                String($0.dropFirst().dropLast())
            }
            #expect(names("path") == captured.sorted(), "\(operation.name)")
            for parameter in parameters where parameter["in"] != "header" {
                #expect((parameter["in"] == "path") == (parameter["required"] == true), "\(operation.name)")
            }
        }
    }

    /// Every write may be repeated under a key, but signing in and a provider's webhook, which has its own; what only reads
    /// has nothing to repeat.
    @Test func `say where a request can be repeated under a key`() throws {
        for (operation, route) in pairs {
            let headers = try specification.parameters(of: operation).filter { $0["in"] == "header" }
            let takesKey = headers.contains { $0["name"] == "Idempotency-Key" }
            let isKept = route.method != .get && route.audience != .anyone
            #expect(takesKey == isKept, "\(operation.name)")
        }
    }

    @Test func `take the same bodies`() throws {
        for (operation, route) in pairs {
            let body = try operation.value["requestBody"].map(specification.resolved)
            let types = body?["content"]?.objectValue?.map(\.name).sorted()
            switch route.body {
            case .none: #expect(body == nil, "\(operation.name) takes no body")
            case .json: #expect(types == ["application/json"], "\(operation.name)")
            case .mergePatch:
                #expect(types == ["application/json", "application/merge-patch+json"], "\(operation.name)")
            case .lines: #expect(types == ["application/x-ndjson"], "\(operation.name)")
            case .raw: #expect(body != nil, "\(operation.name) takes a body")
            }
            #expect(body == nil || body?["required"] == true, "\(operation.name) needs its body")
        }
    }

    @Test func `know the refusals every operation can have`() throws {
        for (operation, route) in pairs {
            var wanted: Set = ["400", "406", "500"]
            if route.template.description.hasPrefix("/v1/") { wanted.insert("429") }
            switch route.audience {
            case .anyone: break
            case .holder: wanted.formUnion(["401", "403", "503"])
            case .holderOfAny: wanted.formUnion(["401", "503"])
            }
            switch route.body {
            case .none: break
            case .json, .mergePatch: wanted.formUnion(["408", "413", "415", "422"])
            case .lines: wanted.formUnion(["408", "413", "415", "422"])
            case .raw: wanted.formUnion(["408", "413"])
            }
            let responses = try specification.responses(of: operation)
            #expect(wanted.subtracting(responses.map(\.status)).sorted() == [], "\(operation.name)")
            // None but those of the server's own: what a problem is, is said in one place.
            for (status, response) in responses where status >= "400" {
                let types = response["content"]?.objectValue?.map(\.name)
                #expect(types == ["application/problem+json"], "\(operation.name) \(status)")
            }
        }
    }

    @Test func `name operations once, and say what each does`() {
        let operations = specification.operations
        let ids = operations.compactMap { $0.value["operationId"]?.stringValue }
        #expect(ids.count == operations.count && Set(ids).count == ids.count)
        for operation in operations {
            #expect(operation.value["summary"]?.stringValue?.isEmpty == false, "\(operation.name)")
            #expect((operation.value["description"]?.stringValue ?? "").count > 20, "\(operation.name)")
            #expect(operation.value["tags"]?.arrayValue?.count == 1, "\(operation.name)")
        }
    }
}
