import Foundation
import JSON
import Postgres
import Support
import Testing

@testable import Aftercare

@Suite struct `Escalations` {
    /// A message that was sent, as if it had ended another way.
    private func message(
        _ tenant: TestTenant,
        _ state: Message.State,
        messageClass: MessageClass = .followUp
    ) async throws -> MessageID {
        _ = try await tenant.deliveredOrder()
        try await tenant.advance(days: 60)
        let id = try #require(try await tenant.list("/v1/messages").first?["id"]?.stringValue.flatMap { MessageID($0) })
        _ = try await tenant.rows(
            """
            UPDATE messages SET state = \(state.rawValue), class = \(messageClass.rawValue)
             WHERE tenant_id = \(tenant.id.uuid) AND id = \(id.uuid)
            """
        )
        return id
    }

    private func question(_ tenant: TestTenant, about order: OrderID) async throws -> Question {
        let workflow = try #require(try await tenant.list("/v1/workflows").first?["id"]?.stringValue)
        return try QuestionExample.due {
            $0.order = order
            $0.workflow = WorkflowID(workflow) ?? $0.workflow
        }
    }

    @Test(arguments: [(Message.State.unknown, "message_unknown"), (.failed, "message_failed")])
    func `a message that did not surely arrive opens a ticket, and a person is told`(
        _ state: Message.State,
        _ kind: String
    ) async throws {
        let tenant = try await TestTenant.make()
        let message = try await message(tenant, state)
        try await tenant.end(message, as: state)
        try await tenant.settle()

        let listed = try await tenant.list("/v1/tickets")
        #expect(listed.count == 1)
        let ticket = try await tenant.ticket(listed.first?["id"])
        #expect(ticket["kind"]?.stringValue == kind && ticket["priority"] == "high" && ticket["number"] == 1)
        #expect(ticket["message_id"]?.stringValue == message.description)
        #expect(ticket["opened_by"]?.stringValue == message.description)
        let sent = try await tenant.get("/v1/messages/\(message)")
        #expect(ticket["order_id"] == sent["order_id"] && ticket["run_id"] == sent["run_id"])
        let comment = try #require(ticket["comments"]?[0]?["body"]?.stringValue)
        #expect(comment.contains("421 the line  broke") && comment.contains(message.description))
        #expect(ticket["events"]?.arrayValue?.map { $0["action"] } == ["opened"])

        // The mail, as a file, to the store's people.
        #expect(ticket["notification"] == "mailed")
        let notice = try await tenant.get("/v1/messages/\(ticket["notification_message_id"]?.stringValue ?? "")")
        #expect(notice["state"] == "accepted" && notice["class"] == "internal")
        #expect(notice["request"]?["to"] == "care@demo.example")
        #expect(notice["request"]?["body"]?.stringValue?.contains(comment) == true)
        let file = "\(tenant.server.mailDirectory)/\(notice["id"]?.stringValue ?? "").eml"
        let mail = try String(contentsOfFile: file, encoding: .utf8)
        #expect(mail.contains("To: <care@demo.example>") && mail.contains("Subject: [Ticket 1] "))
    }

    @Test func `found twice, it is one ticket, one mail, and a comment for each finding`() async throws {
        let tenant = try await TestTenant.make()
        let message = try await message(tenant, .unknown)
        // Eight at once: four findings, each of them twice.
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<8 {
                group.addTask { try await tenant.end(message, as: .unknown, attempt: number % 4) }
            }
            try await group.waitForAll()
        }
        try await tenant.settle()
        let listed = try await tenant.list("/v1/tickets")
        #expect(listed.count == 1)
        #expect(try await tenant.ticket(listed.first?["id"])["comments"]?.arrayValue?.count == 4)
        #expect(try await tenant.list("/v1/messages").filter { $0["class"] == "internal" }.count == 1)
    }

    @Test func `found anew, a closed ticket is opened again, and a person is told again`() async throws {
        let tenant = try await TestTenant.make()
        let message = try await message(tenant, .unknown)
        try await tenant.end(message, as: .unknown)
        try await tenant.settle()
        let id = try #require(try await tenant.list("/v1/tickets").first?["id"]?.stringValue)
        #expect(try await tenant.send("POST", "/v1/tickets/\(id)/close", [:]).status == 200)
        // What is known already changes nothing: a transaction that is repeated.
        try await tenant.end(message, as: .unknown)
        try await tenant.settle()
        #expect(try await tenant.get("/v1/tickets/\(id)")["state"] == "closed")

        try await tenant.end(message, as: .failed, attempt: 2)
        try await tenant.settle()
        let ticket = try await tenant.get("/v1/tickets/\(id)")
        #expect(ticket["state"] == "open" && ticket["closed_at"] == .null && ticket["kind"] == "message_unknown")
        #expect(ticket["events"]?.arrayValue?.last?["action"] == "reopened")
        #expect(ticket["events"]?.arrayValue?.last?["actor"]?.stringValue == message.description)
        #expect(ticket["comments"]?.arrayValue?.count == 2)
        #expect(try await tenant.list("/v1/messages").filter { $0["class"] == "internal" }.count == 2)

        // One that waits for somebody else goes on, and those who were told need not be told again.
        _ = try await tenant.send("PATCH", "/v1/tickets/\(id)", ["state": "pending"])
        try await tenant.end(message, as: .failed, attempt: 3)
        try await tenant.settle()
        #expect(try await tenant.get("/v1/tickets/\(id)")["state"] == "open")
        #expect(try await tenant.list("/v1/messages").filter { $0["class"] == "internal" }.count == 2)
    }

    @Test func `a message that is not at its end, or went to the store's own people, opens none`() async throws {
        let tenant = try await TestTenant.make()
        let message = try await message(tenant, .failed, messageClass: .internal)
        try await tenant.end(message, as: .failed)
        _ = try await tenant.rows(
            """
            UPDATE messages SET state = 'accepted', class = 'follow_up'
             WHERE tenant_id = \(tenant.id.uuid) AND id = \(message.uuid)
            """
        )
        try await tenant.end(message, as: .unknown)
        try await tenant.settle()
        #expect(try await tenant.list("/v1/tickets") == [])
        for state in Message.State.allCases where state != .failed && state != .unknown {
            try await tenant.end(message, as: state)
            #expect(Escalation(message, endedAs: state, attempt: 1, detail: "") == nil)
        }
        // No number was used up either.
        #expect(try await tenant.openTicket()["number"] == 1)
    }

    /// As a workflow about refunds will.
    @Test func `a plan may act and escalate, once for each part of an order`() async throws {
        let tenant = try await TestTenant.make()
        let order = try await tenant.deliveredOrder()
        let question = try await question(tenant, about: order)
        for about in ["r1", "r1", "r2"] {
            try await tenant.execute(question, .act([.escalate(.refundFailed, about: about)], .due))
        }
        try await tenant.settle()
        let tickets = try await tenant.list("/v1/tickets?order_id=\(order)")
        #expect(tickets.map { $0["kind"] } == ["refund_failed", "refund_failed"])
        #expect(tickets.map { $0["number"] } == [2, 1])
        let runs = try await tenant.list("/v1/runs?order_id=\(order)").filter { $0["reason"] == "due" }
        #expect(runs.count == 3)
        let first = try await tenant.ticket(tickets.last?["id"])
        #expect(first["comments"]?.arrayValue?.map { $0["author"] } == [runs[2]["id"], runs[1]["id"]])
        #expect(first["subject"] == "A refund failed: order #1001")
        #expect(try await tenant.list("/v1/messages").map { $0["class"] } == ["internal", "internal"])
    }

    /// Decisions hold the order, messages and people do not: whoever opens a ticket takes the same locks in one order.
    @Test func `many about one order at once stand in nobody's way`() async throws {
        let tenant = try await TestTenant.make()
        let message = try await message(tenant, .unknown)
        let order = try #require(try await tenant.list("/v1/orders").first?["id"]?.stringValue.flatMap { OrderID($0) })
        let question = try await question(tenant, about: order)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<12 {
                group.addTask {
                    try await tenant.execute(question, .act([.escalate(.refundFailed, about: "\(number % 6)")], .due))
                }
                group.addTask { try await tenant.end(message, as: .unknown, attempt: number) }
                group.addTask { _ = try await tenant.openTicket([("order_id", .string(order.description))]) }
            }
            // A deadlock is an error of one of them.
            try await group.waitForAll()
        }
        try await tenant.settle()
        let tickets = try await tenant.list("/v1/tickets?limit=200")
        #expect(tickets.count == 12 + 6 + 1)
        #expect(Set(tickets.compactMap { $0["number"]?.int64Value }).count == tickets.count)
        #expect(!tickets.contains { $0["notification"] == "waiting" })
    }

    @Test func `without an address nobody is told, and the ticket says so`() async throws {
        let tenant = try await TestTenant.make()
        let changed = try await tenant.send("PATCH", "/v1/stores/\(tenant.store)", ["escalation_email": nil])
        #expect(changed["escalation_email"] == .null)
        let message = try await message(tenant, .unknown)
        try await tenant.end(message, as: .unknown)
        try await tenant.settle()
        let ticket = try #require(try await tenant.list("/v1/tickets").first)
        #expect(ticket["notification"] == "no_address" && ticket["notification_message_id"] == .null)
        #expect(try await tenant.list("/v1/messages").count == 1)
    }
}
