import CoreMetrics
import HTTPTypes
import JSON
import Observability
import Postgres
import Synchronization

/// What an orchestrator and a monitor ask: `/health/live`, `/health/ready`, `/metrics`.
struct HealthRoutes {
    let environment: Environment
    let registry: PrometheusRegistry
    let readiness: Readiness

    var routes: [Route] {
        [
            Route(.get, "/health/live", .anyone) { _ in .json { $0.member("status", "live") } },
            Route(.get, "/health/ready", .anyone, ready),
            Route(.get, "/metrics", .anyone, metrics),
        ]
    }

    @Sendable private func ready(_ call: Call) async throws -> Reply {
        guard readiness.isReady else { throw Problem(.overloaded, "Stopping.").retry(afterSeconds: 5) }
        _ = try await environment.pool.execute(DatabaseStore.ping, deadline: .seconds(2))
        return .json { $0.member("status", "ready") }
    }

    @Sendable private func metrics(_ call: Call) async throws -> Reply {
        let usage = environment.pool.usage
        registry.makeMeter(label: "database_connections", dimensions: [("state", "busy")]).set(Int64(usage.busy))
        registry.makeMeter(label: "database_connections", dimensions: [("state", "idle")]).set(Int64(usage.idle))
        registry.makeMeter(label: "database_callers_waiting", dimensions: []).set(Int64(usage.waiting))
        var reply = Reply(status: .ok, body: Array(registry.render().utf8))
        reply.headers[.contentType] = "text/plain; version=0.0.4; charset=utf-8"
        return reply
    }
}

/// Whether new requests are welcome; not once the process was told to stop.
final class Readiness: Sendable {
    private let ready = Atomic<Bool>(true)

    var isReady: Bool { ready.load(ordering: .relaxed) }
    func stop() { ready.store(false, ordering: .relaxed) }
}
