import Curl
import Foundation
import HTTPTypes
import JSON
import Observability
import Postgres
import Support
import Testing

@testable import Aftercare

/// Two tenants and two stores against every operation of the table of routes, which the contract tests hold equal to the
/// specification: a new route cannot be forgotten here. Edge case 36, OWASP API1.
@Suite struct TenantMatrixTests {
    /// One id of everything, of a tenant whose order went the whole walk.
    private struct Victim {
        let tenant: TestTenant
        var ids: [String: String]

        static func make() async throws -> Victim {
            let tenant = try await TestTenant.make()
            let demo = DemoOrder(tenant)
            for topic in DemoOrder.topics { try await demo.post(topic) }
            try await demo.post("returns/approve", body: ReturnBody.whole("open"))
            try await tenant.settle()
            try await tenant.advance(days: 60)
            try await demo.post("disputes/create", body: DisputeBody.webhook("under_review"))
            try await demo.post("customers/data_request", body: PrivacyBody.dataRequest())
            try await tenant.settle()
            let key = try await tenant.send("POST", "/v1/api-keys", ["name": "V", "scopes": ["stores:read"]])
            var ids = [
                "tenant_id": tenant.id.description,
                "store_id": tenant.store.description,
                "user_id": tenant.demo.owner.description,
                "connection_id": tenant.demo.connection.description,
                "api_key_id": try #require(key["id"]?.stringValue),
            ]
            _ = try await tenant.openTicket([("body", "Between us.")])
            let order = try #require(try await demo.order()["id"]?.stringValue.flatMap { OrderID($0) })
            ids["command_id"] = try await tenant.seedCommand(order).id.description
            let lists = [
                "order_id": "/v1/orders", "event_id": "/v1/inbound-events", "run_id": "/v1/runs",
                "message_id": "/v1/messages", "workflow_id": "/v1/workflows",
                "ticket_id": "/v1/tickets", "return_id": "/v1/returns",
                "dispute_id": "/v1/disputes", "customer_id": "/v1/customers",
                "privacy_request_id": "/v1/privacy-requests",
            ]
            for (name, path) in lists {
                ids[name] = try #require(try await tenant.get(path)["data"]?[0]?["id"]?.stringValue, "\(path)")
            }
            ids["shipment_external_id"] = "P-1"
            ids["refund_external_id"] = "RF-1"
            ids["sku"] = "JK-1"
            ids["external_id"] = try #require(try await demo.order()["external_id"]?.stringValue)
            let operation = try await tenant.rows("SELECT id FROM operations WHERE tenant_id = \(tenant.id.uuid)")
            ids["operation_id"] = OperationID(try #require(try operation.first?("id", as: UUID.self))).description
            ids["import_id"] = try #require(try await tenant.importOrders([["external_id": "I"]])["id"]?.stringValue)
            return Victim(tenant: tenant, ids: ids)
        }

        func path(_ template: Route.Template) throws -> String {
            try template.segments.map { segment in
                guard segment.hasPrefix("{") else { return "/\(segment)" }
                return "/" + (try #require(ids[String(segment.dropFirst().dropLast())], "no id for \(segment)"))
            }.joined()
        }

        /// A digest of every row this tenant has in every table, as a superuser sees them.
        func digest() async throws -> [String] {
            let superuser = tenant.server.database.superuser
            let tables = try await superuser.execute(
                "SELECT relname::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY 1"
            )
            var digests: [String] = []
            for table in try tables.decode(String.self) where table != "schema_migrations" {
                let rows = try await superuser.execute(
                    """
                    SELECT coalesce(md5(string_agg(t::text, '|' ORDER BY t::text)), '')
                      FROM \(unsafe: table) AS t
                     WHERE tenant_id = \(tenant.id.uuid)
                    """
                )
                digests.append("\(table) \(try rows.first?.decode(String.self) ?? "")")
            }
            return digests
        }
    }

    private func routes(_ server: TestServer) -> [Route] {
        Routes.all(server.environment, PrometheusRegistry(), Readiness())
            .filter { $0.template.description.contains("{") && $0.audience != .anyone }
    }

    /// A body that gets past the checks of the operation, so that it is the id that decides.
    private func body(_ route: Route) -> JSON? {
        switch (route.method, route.template.description) {
        case (.post, "/v1/stores/{store_id}/test-clock/advance"): ["to": "2027-09-01T00:00:00.000Z"]
        case (.post, "/v1/connections/{connection_id}/rotate-secret"): ["secret": "a-secret-of-somebody-else"]
        case (.post, "/v1/messages/{message_id}/resolve"): ["as": "failed"]
        case (.post, "/v1/orders/{order_id}/commands"): CommandBody.cancel
        case (.post, "/v1/commands/{command_id}/resolve"): ["as": "failed"]
        case (.post, "/v1/commands/{command_id}/acknowledge"): ["outcome": "done"]
        case (.put, "/v1/stores/{store_id}/command-endpoint"): CommandBody.endpoint("http://127.0.0.1:9/")
        case (.post, "/v1/tickets/{ticket_id}/comments"): ["body": "Taken over"]
        case (.patch, "/v1/tickets/{ticket_id}"): ["subject": "Taken over"]
        case (.post, "/v1/stores/{store_id}/orders/bulk"): ["orders": [PutBody.order.with("external_id", "T")]]
        case (.post, "/v1/stores/{store_id}/imports"): PutBody.order.with("external_id", "T")
        case (.post, "/v1/connections/{connection_id}/pulls"): ["kind": "sweep"]
        case (.put, "/v1/connections/{connection_id}/credentials"): ["access_token": "taken-over"]
        case (.post, "/v1/stores/{store_id}/tracking-events"): ["events": [PartBody.eventsByNumber]]
        case (.post, let path) where path.hasSuffix("/tracking-events"): PartBody.events
        case (.post, _): [:]
        case (.put, "/v1/stores/{store_id}/watermark"): ["complete_as_of": "2026-05-04T10:00:00Z"]
        case (.put, "/v1/stores/{store_id}/orders/by-external-id/{external_id}"): PutBody.order
        case (.put, "/v1/stores/{store_id}/returns/by-external-id/{external_id}"): ReturnBody.put
        case (.put, "/v1/stores/{store_id}/disputes/by-external-id/{external_id}"): DisputeBody.put
        case (.put, "/v1/stores/{store_id}/customers/by-external-id/{external_id}"): PartBody.customer
        case (.put, "/v1/stores/{store_id}/stock"): ["levels": [PartBody.stock.with("sku", "JK-1")]]
        case (.put, "/v1/stores/{store_id}/stock/{sku}"): PartBody.stock
        case (.put, let path) where path.hasSuffix("/risk"): PartBody.risk
        case (.put, let path) where path.hasSuffix("/shipments/{shipment_external_id}"): PartBody.shipment
        case (.put, let path) where path.hasSuffix("/refunds/{refund_external_id}"): PartBody.refund
        case (.patch, "/v1/orders/{order_id}"): ["risk": ["level": "low"]]
        case (.patch, "/v1/customers/{customer_id}"): ["is_vip": true]
        case (.patch, "/v1/connections/{connection_id}"): ["state": "disabled"]
        case (.patch, _): ["name": "Taken over"]
        default: nil
        }
    }

    private func headers(_ route: Route) -> [(String, String)] {
        if case .lines = route.body { [("Content-Type", "application/x-ndjson")] } else { [] }
    }

    @Test func `another tenant gets the 404 of what does not exist, and changes nothing`() async throws {
        let victim = try await Victim.make()
        let stranger = try await TestTenant.make()
        let before = try await victim.digest()
        let routes = routes(victim.tenant.server)
        #expect(routes.count > 60)
        for route in routes {
            let theirs = try victim.path(route.template)
            let nobodys = try absent(route.template, victim)
            let (method, body, headers) = (route.method.rawValue, body(route), headers(route))
            let foreign = try await stranger.send(method, theirs, body, headers: headers)
            let missing = try await stranger.send(method, nobodys, body, headers: headers)
            #expect(foreign.status == 404, "\(route.method) \(route.template)")
            #expect(missing.status == 404, "\(route.method) \(route.template)")
            #expect(anonymous(foreign) == anonymous(missing), "\(route.method) \(route.template)")
            #expect(names(foreign) == names(missing), "\(route.method) \(route.template)")
            // The owner does get through with the same request, so that the 404 says something.
            if route.method == .get { #expect(try await victim.tenant.get(theirs).status == 200) }
        }
        #expect(try await victim.digest() == before)
    }

    @Test func `a key of another store of the same tenant gets the same 404`() async throws {
        let victim = try await Victim.make()
        let other = try await victim.tenant.addStore()
        let token = try await victim.tenant.key(Scope.allCases, store: other)
        let before = try await victim.digest()
        // People are the tenant's, and no store's.
        for route in routes(victim.tenant.server) where !route.template.description.contains("user_id") {
            func send(_ path: String) async throws -> Answer {
                let (method, body, headers) = (route.method.rawValue, body(route), headers(route))
                return try await victim.tenant.send(method, path, body, as: token, headers: headers)
            }
            let theirs = try await send(try victim.path(route.template))
            let nobodys = try await send(try absent(route.template, victim))
            #expect(theirs.status == 404, "\(route.method) \(route.template): \(theirs.json.serialized)")
            #expect(nobodys.status == 404, "\(route.method) \(route.template)")
            #expect(anonymous(theirs) == anonymous(nobodys), "\(route.method) \(route.template)")
            #expect(names(theirs) == names(nobodys), "\(route.method) \(route.template)")
        }
        #expect(try await victim.digest() == before)
    }

    @Test func `lists show a tenant, and a store's key, their own only`() async throws {
        let victim = try await Victim.make()
        let stranger = try await TestTenant.make()
        let other = try await victim.tenant.addStore()
        let token = try await victim.tenant.key(Scope.allCases, store: other)
        let marks = [victim.tenant.store.description, victim.ids["order_id"], victim.ids["run_id"]].compactMap { $0 }
        let lists = [
            "stores", "orders", "runs", "messages", "inbound-events", "workflows", "connections", "tickets",
            "returns", "disputes", "customers", "privacy-requests", "imports", "commands",
        ]
        for path in lists {
            for text in [
                try await stranger.get("/v1/\(path)").json.serialized,
                try await victim.tenant.get("/v1/\(path)", as: token).json.serialized,
            ] {
                for mark in marks { #expect(!text.contains(mark), "\(path)") }
            }
        }
    }

    @Test func `filters by a foreign id find nothing`() async throws {
        let victim = try await Victim.make()
        let stranger = try await TestTenant.make()
        let order = try #require(victim.ids["order_id"])
        for path in ["runs", "messages", "inbound-events", "tickets", "returns", "disputes", "commands"] {
            #expect(try await stranger.get("/v1/\(path)?order_id=\(order)")["data"] == [])
        }
        #expect(try await stranger.get("/v1/orders?store_id=\(victim.tenant.store)")["data"] == [])
        let customer = try #require(victim.ids["customer_id"])
        #expect(try await stranger.get("/v1/orders?customer_id=\(customer)")["data"] == [])
    }

    private func absent(_ template: Route.Template, _ victim: Victim) throws -> String {
        var ids = victim.ids
        for (name, id) in ids {
            // The same kind, an id that nobody has.
            let prefix = id.prefix { $0 != "_" }
            ids[name] = prefix + "_" + String(StoreID.new().description.suffix(26))
        }
        return try Victim(tenant: victim.tenant, ids: ids).path(template)
    }

    /// Of the headers.
    private func names(_ answer: Answer) -> [String] { answer.response.headers.map { $0.name.lowercased() }.sorted() }

    private func anonymous(_ answer: Answer) -> JSON {
        answer.json.with("request_id", .null).with("instance", .null)
    }
}
