import FoundationEssentials
import HTTPTypes
import JSON
import Postgres
import Time

/// `/v1/workflows` and `/v1/runs`: what a store does by itself, and why it did or did not.
struct AutomationRoutes {
    let environment: Environment

    var routes: [Route] {
        [
            Route(
                .get,
                "/v1/workflows",
                .holder(of: .workflowsRead),
                query: Page.parameters.union(["store_id"]),
                listWorkflows
            ),
            Route(.get, "/v1/workflows/{workflow_id}", .holder(of: .workflowsRead), getWorkflow),
            Route(
                .get,
                "/v1/runs",
                .holder(of: .runsRead),
                query: Page.parameters.union(["order_id"]),
                listRuns
            ),
            Route(.get, "/v1/runs/{run_id}", .holder(of: .runsRead), getRun),
        ]
    }

    // MARK: Workflows

    /// A workflow as people see it.
    private struct Listed {
        let workflow: WorkflowVersion
        let store: StoreID
        let name: String
        let template: String
        let createdAt: Instant
        let updatedAt: Instant

        init(_ row: Row) throws {
            workflow = try AutomationStore.decodeVersion(row)
            store = try ID(row("store_id"))
            (name, template) = try (row("name"), row("template"))
            (createdAt, updatedAt) = try (row("created_at"), row("updated_at"))
        }
    }

    @Sendable private func listWorkflows(_ call: Call) async throws -> Reply {
        let page = try Page(call, filters: ["store_id"], key: environment.masterKey.cursors)
        let store = try call.query.id("store_id", StoreKind.self)
        let (_, rows) = try await environment.access.read(call) {
            [AutomationStore.workflows(page, store: store, tenant: $0.tenant)]
        }
        let workflows = try rows[0].map(Listed.init)
        return page.reply(workflows, position: { ($0.createdAt, $0.workflow.id.uuid) }, write)
    }

    @Sendable private func getWorkflow(_ call: Call) async throws -> Reply {
        let id = try call.id("workflow_id", WorkflowKind.self)
        let (_, rows) = try await environment.access.find(call) {
            [AutomationStore.workflow(id, tenant: $0.tenant)]
        }
        guard let workflow = try rows[0].first.map(Listed.init) else { throw Problem.notFound }
        let version = Int64(workflow.workflow.version)
        let reply = Reply.json(version: version) { object in
            write(workflow, to: &object)
            object.member("definition", workflow.workflow.definition.json)
        }
        return call.unlessMatching(version: version, reply)
    }

    private func write(_ listed: Listed, to object: inout JSONObjectWriter) {
        object.member("id", listed.workflow.id)
        object.member("store_id", listed.store)
        object.member("name", listed.name)
        object.member("template", listed.template)
        object.member("version", listed.workflow.version)
        object.member("rollout", listed.workflow.rollout.rawValue)
        object.member("review_on", "\(listed.workflow.definition.charter.reviewOn)")
        object.member("created_at", listed.createdAt)
        object.member("updated_at", listed.updatedAt)
    }

    // MARK: Runs

    @Sendable private func listRuns(_ call: Call) async throws -> Reply {
        let page = try Page(call, filters: ["order_id"], key: environment.masterKey.cursors)
        let order = try call.query.id("order_id", OrderKind.self)
        let (_, rows) = try await environment.access.read(call) {
            [RunStore.runs(page, order: order, tenant: $0.tenant)]
        }
        let runs = try rows[0].map(RunStore.decode)
        return page.reply(runs, position: { ($0.createdAt, $0.id.uuid) }, write)
    }

    @Sendable private func getRun(_ call: Call) async throws -> Reply {
        let id = try call.id("run_id", RunKind.self)
        let (_, rows) = try await environment.access.find(call) { [RunStore.run(id, tenant: $0.tenant)] }
        guard let run = try rows[0].first.map(RunStore.decodeWithEvidence) else { throw Problem.notFound }
        return .json { object in
            write(run, to: &object)
            guard let evidence = run.evidence else { return }
            object.member("facts", evidence.facts)
            object.member("facts_sha256", evidence.factsHash.hexadecimal)
            object.member("plan", evidence.plan)
        }
    }

    private func write(_ run: Run, to object: inout JSONObjectWriter) {
        object.member("id", run.id)
        object.member("store_id", run.store)
        object.member("order_id", run.order)
        object.member("workflow_id", run.workflow)
        object.member("workflow_version", run.workflowVersion)
        object.member("policy_version", run.policyVersion)
        object.member("trigger", run.trigger)
        object.member("trigger_id", run.publicTriggerID)
        object.member("outcome", run.outcome.rawValue)
        object.member("reason", run.reason)
        object.member("decided_at", run.decidedAt)
        object.member("created_at", run.createdAt)
    }
}

enum TriggerFactKind: IDKind { static let prefix = "fct" }

extension Run {
    /// What asked, under the prefix of its kind.
    fileprivate var publicTriggerID: String {
        trigger.hasPrefix("fact:")
            ? "\(ID<TriggerFactKind>(triggerID))" : "\(ScheduleID(triggerID))"
    }
}

extension [UInt8] {
    fileprivate var hexadecimal: String {
        map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}
