import FoundationEssentials
import HTTPTypes
import JSON
import Postgres

/// `/v1/operations`.
struct OperationRoutes {
    let environment: Environment

    var routes: [Route] {
        [Route(.get, "/v1/operations/{operation_id}", .holder(of: .operationsRead), get)]
    }

    @Sendable private func get(_ call: Call) async throws -> Reply {
        let id = try call.id("operation_id", OperationKind.self)
        let (_, rows) = try await environment.access.find(call) { [OperationStore.operation(id, tenant: $0.tenant)] }
        guard let operation = try rows[0].first.map(OperationStore.decode) else { throw Problem.notFound }
        return .json { operation.write(to: &$0) }
    }
}
