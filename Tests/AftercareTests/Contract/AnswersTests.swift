import Curl
import Foundation
import JSON
import Postgres
import Support
import Testing
import Time

@testable import Aftercare

/// What the server really answers is what `openapi/openapi.yaml` says, header by header and member by member.
/// deploy/schemathesis.sh tries far more requests; here are those it cannot come up with, over data of a whole walk.
@Suite struct `The answers of the server` {
    private let check: AnswerCheck

    init() throws { check = try AnswerCheck() }

    @Test func `to every read fit the specification`() async throws {
        let tenant = try await TestTenant.walked()
        _ = try await tenant.send("POST", "/v1/api-keys", ["name": "One to be listed", "scopes": ["stores:read"]])
        for _ in 0..<2 { _ = try await tenant.openTicket([("body", "To be listed.")]) }
        let operation = try await tenant.rows("SELECT id FROM operations WHERE tenant_id = \(tenant.id.uuid)")
        var ids = ["operation_id": OperationID(try #require(try operation.first?("id", as: UUID.self))).description]
        var checked: Set<String> = []
        // Lists come before what is in them.
        let reads = check.specification.operations.filter { $0.method == "GET" }.sorted {
            $0.path.count < $1.path.count
        }
        for read in reads {
            let answer = try await check(tenant, read.name, ids, gives: 200)
            checked.insert(read.name)
            guard let rows = answer["data"]?.arrayValue else { continue }
            #expect(!rows.isEmpty, "\(read.name) has nothing to look at")
            let detail = reads.first { $0.path.hasPrefix(read.path + "/{") }
            if let name = detail?.path.split(separator: "{").last?.dropLast(), let id = rows.first?["id"]?.stringValue {
                ids[String(name)] = id
            }
            if read.path == "/v1/orders", let id = rows.first?["external_id"]?.stringValue { ids["external_id"] = id }
            // One row a page, and the next one where there is one.
            let page = try await check(tenant, read.name, ids, query: "?limit=1", gives: 200)
            if let cursor = page["next_cursor"]?.stringValue {
                _ = try await check(tenant, read.name, ids, query: "?limit=1&cursor=\(cursor)", gives: 200)
            }
        }
        #expect(checked.count == reads.count)
        let versioned = ["stores/{store_id}", "users/{user_id}", "connections/{connection_id}", "orders/{order_id}"]
        let mirrored =
            ["returns/{return_id}", "disputes/{dispute_id}", "customers/{customer_id}"] + [
                "privacy-requests/{privacy_request_id}"
            ]
        for name in versioned + mirrored + ["workflows/{workflow_id}", "tickets/{ticket_id}", "commands/{command_id}"] {
            _ = try await check(tenant, "GET /v1/\(name)", ids, headers: [("If-None-Match", "*")], gives: 304)
        }
        // Both kinds of runs and plans.
        for run in try await tenant.get("/v1/runs")["data"]?.arrayValue ?? [] {
            _ = try await check(tenant, "GET /v1/runs/{run_id}", ["run_id": run["id"]?.stringValue ?? ""], gives: 200)
        }
    }

    @Test func `about tickets fit the specification`() async throws {
        let tenant = try await TestTenant.walked()
        let order = try #require(try await tenant.list("/v1/orders").first?["id"])
        let new: JSON = [
            "store_id": .string(tenant.store.description), "subject": "S", "kind": "charge_dispute", "order_id": order,
            "customer_email": "a@b.example", "priority": nil,
        ]
        let key = [("Idempotency-Key", "ticket")]
        for _ in 0..<2 { _ = try await check(tenant, "POST /v1/tickets", [:], new, headers: key, gives: 201) }
        _ = try await check(tenant, "POST /v1/tickets", [:], ["subject": ""], gives: 422)
        let id = ["ticket_id": try #require(try await tenant.list("/v1/tickets").first?["id"]?.stringValue)]
        let (one, close) = ("/v1/tickets/{ticket_id}", "POST /v1/tickets/{ticket_id}/close")
        let mine: JSON = ["assignee_id": .string(tenant.demo.owner.description), "state": "pending"]
        _ = try await check(tenant, "PATCH \(one)", id, mine, headers: [("If-Match", "\"v1\"")], gives: 200)
        _ = try await check(tenant, "PATCH \(one)", id, mine, headers: [("If-Match", "\"v1\"")], gives: 412)
        _ = try await check(tenant, "POST \(one)/comments", id, ["body": "B"], gives: 201)
        _ = try await check(tenant, "POST \(one)/reopen", id, [:], gives: 409)
        _ = try await check(tenant, close, id, ["comment": "C"], headers: [("If-Match", "\"v1\"")], gives: 412)
        _ = try await check(tenant, close, id, ["comment": "C"], gives: 200)
        _ = try await check(tenant, close, id, ["comment": nil], gives: 409)
        _ = try await check(tenant, "POST \(one)/reopen", id, [:], gives: 200)
        _ = try await check(tenant, "GET \(one)", id, gives: 200)
        let query = "?order_id=\(order.stringValue ?? "")&state=open&assignee_id=\(tenant.demo.owner)"
        #expect(try await check(tenant, "GET /v1/tickets", query: query, gives: 200)["data"]?.arrayValue?.count == 1)
        _ = try await check(tenant, "GET /v1/tickets", query: "?state=none", gives: 400)
    }

    @Test func `about commands fit the specification`() async throws {
        try await LoopbackReceiver.run { _, _ in
            .status(202)
        } _: { receiver in
            let tenant = try await TestTenant.make()
            let (store, key) = (["store_id": tenant.store.description], [("Idempotency-Key", "one")])
            let endpoint = "PUT /v1/stores/{store_id}/command-endpoint"
            let place = CommandBody.endpoint(receiver.url())
            for isFirst in [true, false] {
                let made = try await check(tenant, endpoint, store, place, headers: key, gives: 200)
                #expect((made["secret"] != .null) == isFirst)
            }
            _ = try await check(tenant, endpoint, store, ["url": 1], gives: 422)
            let rotate = "POST /v1/stores/{store_id}/command-endpoint/rotate-secret"
            _ = try await check(tenant, rotate, store, ["overlap_seconds": nil], gives: 200)
            _ = try await check(tenant, rotate, store, ["overlap_seconds": -1], gives: 422)
            _ = try await check(tenant, "GET /v1/stores/{store_id}/command-endpoint", store, gives: 200)

            let order = ["order_id": try await tenant.tell().description]
            let create = "POST /v1/orders/{order_id}/commands"
            for _ in 0..<2 { _ = try await check(tenant, create, order, CommandBody.address, headers: key, gives: 201) }
            let refused = try await check(tenant, create, order, CommandBody.address, gives: 409)
            #expect(refused["reason"] == "command_in_progress")
            _ = try await check(tenant, create, order, CommandBody.comeBack(0), gives: 422)
            let asked = try await check(tenant, create, order, CommandBody.cancel, gives: 201)
            let command = try #require(asked["id"]?.stringValue.flatMap { CommandID($0) })
            let id = ["command_id": "\(command)"]
            try await tenant.wait(for: command, .accepted)
            let (resolve, acknowledge) = (
                "POST /v1/commands/{command_id}/resolve", "POST /v1/commands/{command_id}/acknowledge"
            )
            _ = try await check(tenant, resolve, id, ["as": "failed"], gives: 409)
            _ = try await check(tenant, resolve, id, ["as": "sent"], gives: 422)
            try await tenant.pass(command)
            try await tenant.wait(for: command, .unknown)
            _ = try await check(tenant, "GET /v1/commands/{command_id}", id, gives: 200)
            _ = try await check(tenant, acknowledge, id, ["outcome": "refused", "reason": "No."], gives: 200)
            _ = try await check(tenant, acknowledge, id, ["outcome": "done"], gives: 409)
            _ = try await check(tenant, acknowledge, id, ["outcome": "perhaps"], gives: 422)
            let query = "?order_id=\(order["order_id"] ?? "")&state=refused&store_id=\(tenant.store)"
            let found = try await check(tenant, "GET /v1/commands", query: query, gives: 200)
            #expect(found["data"]?.arrayValue?.count == 1)
            _ = try await check(tenant, "GET /v1/commands", query: "?state=none", gives: 400)
        }
    }

    @Test func `about privacy fit the specification`() async throws {
        let tenant = try await TestTenant.walked()
        let id = [
            "privacy_request_id": try #require(try await tenant.list("/v1/privacy-requests").first?["id"]?.stringValue)
        ]
        let (export, complete) = (
            "GET /v1/privacy-requests/{privacy_request_id}/export",
            "POST /v1/privacy-requests/{privacy_request_id}/complete"
        )
        _ = try await check(tenant, export, id, gives: 200)
        _ = try await check(tenant, complete, id, headers: [("If-Match", "\"v9\"")], gives: 412)
        _ = try await check(tenant, complete, id, headers: [("If-Match", "\"v1\"")], gives: 200)
        _ = try await check(tenant, complete, id, gives: 409)
        _ = try await check(tenant, export, id, gives: 409)
    }

    @Test func `that refuse fit the specification`() async throws {
        let tenant = try await TestTenant.make()
        let list = "GET /v1/stores"
        let create = "POST /v1/stores"
        let one = "GET /v1/stores/{store_id}"
        _ = try await check(tenant, list, query: "?limit=0&order=up", gives: 400)
        _ = try await check(tenant, list, query: "?cursor=none", gives: 400)
        _ = try await check(tenant, list, as: "nobody", gives: 401)
        _ = try await check(tenant, one, ["store_id": "%00"], gives: 404)
        _ = try await check(tenant, list, headers: [("Accept", "image/png")], gives: 406)
        _ = try await check(tenant, create, [:], ["name": 1, "colour": "red"], gives: 422)
        _ = try await check(tenant, create, [:], "no object", gives: 422)
        _ = try await check(tenant, create, [:], [:], headers: [("Content-Type", "text/plain")], gives: 415)
        let store: JSON = ["name": "New", "platform": "other", "time_zone": "Asia/Tokyo", "currency": "JPY"]
        _ = try await check(tenant, create, [:], store, headers: [("Idempotency-Key", "two words")], gives: 400)
        _ = try await check(tenant, create, [:], store, headers: [("Idempotency-Key", "one")], gives: 201)
        _ = try await check(tenant, create, [:], [:], headers: [("Idempotency-Key", "one")], gives: 422)
        let long = String(repeating: "a", count: 2 << 20)
        _ = try await check(tenant, create, [:], ["name": .string(long)], gives: 413)
        // No operation describes 405: it is about those that are none.
        let none = try await tenant.send("PUT", "/v1/stores")
        #expect(none.status == 405)
        let faultsOfNone = try check.faults(
            none,
            check.specification.value(at: "#/components/responses/MethodNotAllowed")
        )
        #expect(faultsOfNone.isEmpty)
    }
}
