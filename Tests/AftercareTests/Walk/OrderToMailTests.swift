import Foundation
import JSON
import Postgres
import Support
import Testing
import Time

@testable import Aftercare

/// The whole walk, over real HTTP, a real database and real files.
@Suite struct OrderToMailTests {
    @Test func `an order that is delivered gets its follow-up mail at the store's local hour`() async throws {
        let tenant = try await TestTenant.make()
        let demo = DemoOrder(tenant)

        // Three webhooks come in, signed.
        for topic in DemoOrder.topics { #expect(try await demo.post(topic).status == 200) }
        try await tenant.settle()

        // The order is mirrored.
        let order = try await demo.order()
        #expect(order["financial_status"] == "paid")
        let id = try #require(order["id"]?.stringValue)
        let whole = try await tenant.get("/v1/orders/\(id)")
        #expect(whole["shipments"]?[0]?["status"] == "delivered")
        #expect(whole["shipments"]?[0]?["events"]?.arrayValue?.isEmpty == false)

        // The delivery was decided on: a follow-up is scheduled, no mail is sent yet.
        let scheduled = try await tenant.get("/v1/runs?order_id=\(id)")["data"]?.arrayValue ?? []
        #expect(scheduled.count == 1)
        #expect(scheduled.first?["outcome"] == "acted")
        #expect(try await tenant.get("/v1/messages?order_id=\(id)")["data"] == [])

        // Time passes.
        try await tenant.advance(days: 60)

        // The mail went out, once, and the run says why.
        let messages = try await tenant.get("/v1/messages?order_id=\(id)")["data"]?.arrayValue ?? []
        #expect(messages.count == 1)
        #expect(messages.first?["state"] == "accepted", "\(messages)")
        let message = try #require(messages.first?["id"]?.stringValue)
        let file = "\(tenant.server.mailDirectory)/\(message).eml"
        let mail = try String(contentsOfFile: file, encoding: .utf8)
        #expect(mail.contains("To: "))
        #expect(mail.contains("ada@example.com"))
        let runs = try await tenant.get("/v1/runs?order_id=\(id)")["data"]?.arrayValue ?? []
        #expect(runs.count == 2)
        let run = try await tenant.get("/v1/runs/\(try #require(runs.first?["id"]?.stringValue))")
        #expect(run["outcome"] == "acted")
        #expect(run["workflow_version"] == 1)
        #expect(run["policy_version"] == 1)
        // Ten o'clock in Berlin, where the store is.
        let decided = try #require(run["decided_at"]?.stringValue)
        #expect(decided.contains("T08:00:00") || decided.contains("T09:00:00"))
    }

    @Test func `each webhook delivered many times, many at once, changes nothing more`() async throws {
        let tenant = try await TestTenant.make()
        let demo = DemoOrder(tenant)
        try await withThrowingTaskGroup(of: Int.self) { group in
            for topic in DemoOrder.topics {
                for copy in 0..<8 {
                    // Half of them with the delivery id of another, half with one of their own.
                    group.addTask {
                        try await demo.post(topic, delivery: copy % 2 == 0 ? topic : "\(topic)-\(copy)").status
                    }
                }
            }
            for try await status in group { #expect(status == 200) }
        }
        try await tenant.settle()
        try await tenant.advance(days: 60)
        #expect(try await tenant.get("/v1/orders")["data"]?.arrayValue?.count == 1)
        #expect(try await tenant.get("/v1/messages")["data"]?.arrayValue?.count == 1)
        let facts = try await tenant.rows("SELECT kind, episode FROM facts WHERE tenant_id = \(tenant.id.uuid)")
        let kinds = try facts.decode((String, String).self).map(\.0)
        #expect(kinds.filter { $0 == "delivered" }.count == 1)
        #expect(kinds.filter { $0 == "order_placed" }.count == 1)
    }

    @Test func `the webhooks in any order end in the same mail`() async throws {
        for order in [[2, 1, 0], [1, 2, 0], [2, 0, 1]] {
            let tenant = try await TestTenant.make()
            let demo = DemoOrder(tenant)
            for index in order {
                try await demo.post(DemoOrder.topics[index])
                try await tenant.settle()
            }
            try await tenant.advance(days: 60)
            let messages = try await tenant.get("/v1/messages")["data"]?.arrayValue ?? []
            #expect(messages.map { $0["state"] } == ["accepted"])
        }
    }

    @Test func `an order that is cancelled meanwhile gets no mail, and the run says so`() async throws {
        let tenant = try await TestTenant.make()
        let demo = DemoOrder(tenant)
        for topic in DemoOrder.topics { try await demo.post(topic) }
        try await tenant.settle()
        var cancelled = try JSON(parsing: demo.body("orders/create"))
        let now = tenant.server.environment.clock.now().rfc3339.json
        cancelled = cancelled.with("cancelled_at", now).with("cancel_reason", "customer").with("updated_at", now)
        try await demo.post("orders/cancelled", body: cancelled.serializedBytes)
        try await tenant.settle()
        try await tenant.advance(days: 60)
        #expect(try await tenant.get("/v1/messages")["data"] == [])
        let runs = try await tenant.get("/v1/runs")["data"]?.arrayValue ?? []
        #expect(runs.first?["outcome"] == "declined")
        #expect(runs.first?["reason"] == "order_cancelled")
    }
}
