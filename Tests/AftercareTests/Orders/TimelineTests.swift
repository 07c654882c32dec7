import Foundation
import HTTPTypes
import JSON
import Postgres
import Support
import Testing
import Time

@testable import Aftercare

@Suite struct TimelineTests {
    private func walked() async throws -> (tenant: TestTenant, path: String) {
        let tenant = try await TestTenant.make()
        let demo = DemoOrder(tenant)
        for topic in DemoOrder.topics { try await demo.post(topic) }
        try await tenant.settle()
        try await tenant.advance(days: 60)
        let order = try #require(try await demo.order()["id"]?.stringValue)
        _ = try await tenant.openTicket([("order_id", .string(order)), ("kind", "damaged_goods")])
        _ = try await tenant.seedCommand(try #require(OrderID(order)))
        return (tenant, "/v1/orders/\(order)/timeline")
    }

    @Test func `an order's story is told from every source, the latest first`() async throws {
        let (tenant, path) = try await walked()
        let entries = try await tenant.get(path)["data"]?.arrayValue ?? []
        let types = entries.compactMap { $0["type"]?.stringValue }
        #expect(Set(types) == Set(TimelineEntry.Source.allCases.map(\.rawValue)))
        #expect(types.count { $0 == "inbound_event" } == 3 && types.count { $0 == "run" } == 2)
        #expect(types.count { $0 == "fact" } == 4 && types.count { $0 == "message" } == 1)
        let times = entries.compactMap { $0["at"]?.stringValue }
        #expect(times == times.sorted(by: >) && times.count == entries.count)
        #expect(entries.contains { $0["summary"] == "The command to cancel the order waits to be sent." })
        // The message stands where its decision stands, after all that happened before.
        #expect(Set(entries.prefix(2).compactMap { $0["type"]?.stringValue }) == ["run", "message"])
        let summaries = entries.compactMap { $0["summary"]?.stringValue }
        #expect(summaries.allSatisfy { $0.hasSuffix(".") && !$0.contains("_at") })
        #expect(summaries.contains("The order was placed."))
        #expect(summaries.contains { $0.hasPrefix("The message (follow up) was taken by the mail server: written to") })
        #expect(summaries.contains("The shop sent orders/create; it was applied."))
        #expect(summaries.contains { $0.hasPrefix("Ticket #1 (damaged goods) was opened and is open: ") })
        // Each id leads to the thing.
        for entry in entries {
            guard let id = entry["id"]?.stringValue else { continue }
            switch entry["type"]?.stringValue {
            case "run": #expect(try await tenant.get("/v1/runs/\(id)")["reason"] == entry["reason"])
            case "message": #expect(try await tenant.get("/v1/messages/\(id)")["state"] == entry["state"])
            case "command": #expect(try await tenant.get("/v1/commands/\(id)")["state"] == entry["state"])
            case "ticket": #expect(try await tenant.get("/v1/tickets/\(id)")["state"] == entry["state"])
            case "inbound_event": #expect(try await tenant.get("/v1/inbound-events/\(id)").status == 200)
            default: break
            }
        }
    }

    @Test func `page by page it is the same story`() async throws {
        let (tenant, path) = try await walked()
        let whole = try await tenant.get(path)["data"]?.arrayValue ?? []
        for limit in 1...3 {
            var pages: [JSON] = []
            var target = "\(path)?limit=\(limit)"
            while true {
                let page = try await tenant.get(target)
                pages += page["data"]?.arrayValue ?? []
                guard let cursor = page["next_cursor"]?.stringValue else { break }
                target = "\(path)?limit=\(limit)&cursor=\(cursor)"
            }
            #expect(pages == whole)
        }
    }

    @Test func `it is read by indexes, a page of each source at most`() async throws {
        let (tenant, _) = try await walked()
        let plan = try await tenant.plan(
            of: TimelineStore.entries(try page(tenant), of: .new(), tenant: tenant.id)
        )
        #expect(plan.filter { $0.contains("Seq Scan") } == [])
        #expect(plan.count { $0.contains("Limit") } == TimelineEntry.Source.allCases.count + 1)
        for table in ["inbound_events", "runs", "messages"] {
            #expect(plan.contains { $0.contains("\(table)_by_order") }, "\(plan)")
        }
    }

    private func page(_ tenant: TestTenant) throws -> Page {
        let token = tenant.owner[...]
        let call = Call(
            method: .get,
            target: "/",
            path: "/",
            route: Route.Template("/"),
            audience: .holderOfAny,
            query: try QueryParameters(nil, allowed: []),
            headers: [:],
            body: [],
            credential: Credential(token: token, pepper: tenant.server.environment.masterKey.pepper),
            verification: Verification(),
            requestID: ""
        )
        return try Page(call, key: tenant.server.environment.masterKey.cursors)
    }

    @Test func `every kind of entry has words of its own`() {
        func entry(_ source: TimelineEntry.Source, _ kind: String, _ state: String? = nil) -> TimelineEntry {
            let id = UUID.v7()
            let at = Instant(seconds: 0)
            return TimelineEntry(
                source: source,
                id: id,
                place: id,
                at: at,
                recordedAt: at,
                kind: kind,
                state: state,
                reason: "order_cancelled",
                about: "S"
            )
        }
        var summaries = Fact.Kind.allCases.map { entry(.fact, $0.rawValue).summary }
        summaries += InboundEvent.State.allCases.map { entry(.inboundEvent, "orders/create", $0.rawValue).summary }
        summaries += ["pull/order", "pull/order_missing"].map { entry(.inboundEvent, $0, "applied").summary }
        summaries += Run.Outcome.allCases.map { entry(.run, "fact:delivered", $0.rawValue).summary }
        summaries += Message.State.allCases.map { entry(.message, "follow_up", $0.rawValue).summary }
        summaries += Command.State.allCases.map { entry(.command, "cancel_order", $0.rawValue).summary }
        #expect(Set(summaries).count == summaries.count)
        for summary in summaries { #expect(summary.count > 15 && summary.hasSuffix(".")) }
        #expect(entry(.run, "fact:delivered", "declined").summary == "The workflow S did nothing: order cancelled.")
    }
}
