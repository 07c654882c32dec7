import Foundation
import JSON
import Postgres
import Support
import Testing
import Time

@testable import Aftercare

/// Commands over real HTTP, to a shop's program on this machine.
@Suite(.timeLimit(.minutes(3))) struct CommandTests {
    @Test func `a command goes to the shop's program signed, and is over when the mirror shows it`() async throws {
        try await LoopbackReceiver.run { _, _ in
            .status(202)
        } _: { receiver in
            let tenant = try await TestTenant.make()
            let secret = try await tenant.takeCommands(at: receiver.url())
            let order = try await tenant.tell()
            let asked = try await tenant.ask(order, CommandBody.cancel.with("note", "Asked for by telephone."))
            #expect(asked.status == 201 && asked["state"] == "requested" && asked["connection_id"] == .null)
            let id = try #require(asked["id"]?.stringValue.flatMap { CommandID($0) })
            #expect(asked.header("Location") == "/v1/commands/\(id)")
            try await tenant.wait(for: id, .accepted)

            let request = try #require(receiver.requests.first)
            #expect(request.method == "POST" && request.path == "/commands")
            #expect(request.header("webhook-id") == "\(id)" && isSigned(request, by: secret))
            #expect(request.header("Content-Type") == "application/json" && request.header("Authorization") == nil)
            let seconds = try #require(request.header("webhook-timestamp").flatMap { Int64($0) })
            #expect(abs(seconds - tenant.server.environment.clock.now().microseconds / 1_000_000) < 60)
            let data = try #require(request.json["data"])
            #expect(request.json["type"] == "command.requested" && request.json["timestamp"] == asked["created_at"])
            #expect(data["id"] == asked["id"] && data["kind"] == "cancel_order")
            #expect(data["order_external_id"] == "C-1" && data["order_id"] == .string("\(order)"))
            let parameters: JSON = ["reason": "customer", "restock": true, "note": "Asked for by telephone."]
            #expect(data["parameters"] == parameters && asked["parameters"] == parameters)

            // The program says so with a key that may do nothing else.
            let key = try await tenant.key([.commandsAcknowledge], store: tenant.store)
            let word: JSON = ["outcome": "done", "reference": "C-88"]
            let first = try await tenant.acknowledge(id, word, as: key)
            #expect(first.status == 200 && first["state"] == "acknowledged" && first["reference"] == "C-88")
            let second = try await tenant.acknowledge(id, word, as: key)
            #expect(second.status == 200 && second["version"] == first["version"])
            let other = try await tenant.acknowledge(id, ["outcome": "refused"], as: key)
            #expect(other.status == 409 && other.code == "state_conflict")
            #expect(try await tenant.get("/v1/commands/\(id)", as: key).status == 403)

            try await tenant.tell("C-1", [("lifecycle_status", "cancelled")])
            let over = try await tenant.wait(for: id, .verified)
            #expect(over["ended_at"] != .null && over["reason"] == .null && over["attempt_count"] == 1)
            #expect(receiver.requests.count == 1)
            try await tenant.settle()
            #expect(try await tenant.commandTickets().isEmpty)
            let story = try await tenant.list("/v1/orders/\(order)/timeline").first { $0["type"] == "command" }
            #expect(story?["summary"] == "The command to cancel the order was carried out.")
            #expect(story?["id"] == .string("\(id)"))
        }
    }

    @Test func `a refusal in the answer itself ends it, and a person hears of it`() async throws {
        try await LoopbackReceiver.run { _, _ in
            .status(200, body: #"{"outcome":"refused","reason":"It is packed."}"#)
        } _: { receiver in
            let tenant = try await TestTenant.make()
            try await tenant.takeCommands(at: receiver.url())
            let order = try await tenant.tell()
            let id = try await tenant.command(order)
            let refused = try await tenant.wait(for: id, .refused)
            #expect(refused["reason"] == "refused_by_shop" && refused["detail"] == "It is packed.")
            try await tenant.settle()
            let tickets = try await tenant.commandTickets()
            #expect(tickets.count == 1 && tickets.first?["order_id"] == .string("\(order)"))
            #expect(tickets.first?["opened_by"] == .string("\(id)"))
            // It is over, so another may be asked for.
            #expect(try await tenant.ask(order, CommandBody.cancel).status == 201)
        }
    }

    @Test func `what was not taken is sent again under the same id, the same bytes`() async throws {
        try await LoopbackReceiver.run { _, before in
            switch before {
            case 0: .status(500)
            case 1: .hangUp
            case 2: .status(429, headers: [("Retry-After", "1")])
            default: .status(204)
            }
        } _: { receiver in
            let tenant = try await TestTenant.make()
            let secret = try await tenant.takeCommands(at: receiver.url())
            let id = try await tenant.command(try await tenant.tell())
            let taken = try await tenant.wait(for: id, .accepted, tries: 4)
            let outcomes = taken["attempts"]?.arrayValue?.map { $0["outcome"]?.stringValue }
            #expect(outcomes == ["unknown", "unknown", "refused", "accepted"])
            let requests = receiver.requests
            #expect(requests.count == 4 && Set(requests.map { $0.header("webhook-id") }) == ["\(id)"])
            #expect(Set(requests.map(\.body)).count == 1 && requests.allSatisfy { isSigned($0, by: secret) })
            let endpoint = try await tenant.get("/v1/stores/\(tenant.store)/command-endpoint")
            #expect(endpoint["last_success_at"] != .null && endpoint["last_failure"] == "it answered 429")
        }
    }

    @Test func `410 disables the endpoint, which somebody puts to use again`() async throws {
        try await LoopbackReceiver.run { _, before in
            .status(before == 0 ? 410 : 204)
        } _: { receiver in
            let tenant = try await TestTenant.make()
            let secret = try await tenant.takeCommands(at: receiver.url())
            let order = try await tenant.tell()
            let failed = try await tenant.wait(for: try await tenant.command(order), .failed)
            #expect(failed["reason"] == "endpoint_gone")
            let path = "/v1/stores/\(tenant.store)/command-endpoint"
            let gone = try await tenant.get(path)
            #expect(gone["state"] == "disabled" && gone["state_reason"] == "gone")
            let none = try await tenant.ask(order, CommandBody.cancel)
            #expect(none.status == 409 && none["reason"] == "no_way_to_command")
            #expect(try await tenant.takeCommands(at: receiver.url()) == "")
            let used = try await tenant.get(path)
            #expect(used["state"] == "active" && used["state_reason"] == .null)
            try await tenant.wait(for: try await tenant.command(order), .accepted)
            // The secret is the one before.
            #expect(receiver.requests.allSatisfy { isSigned($0, by: secret) })
            try await tenant.hurry()
            #expect(try await tenant.commandTickets().count == 1)
        }
    }

    @Test func `what nobody speaks of until the deadline is unknown, until a person or the program says`() async throws
    {
        try await LoopbackReceiver.run { receiver in
            let tenant = try await TestTenant.make()
            try await tenant.takeCommands(at: receiver.url())
            let order = try await tenant.tell()
            let id = try await tenant.command(order)
            try await tenant.wait(for: id, .accepted)
            #expect(try await tenant.send("POST", "/v1/commands/\(id)/resolve", ["as": "failed"]).status == 409)
            try await tenant.pass(id)
            let doubted = try await tenant.wait(for: id, .unknown)
            #expect(doubted["reason"] == "no_acknowledgement" && doubted["ended_at"] == .null)
            try await eventually { try await tenant.commandTickets().count == 1 }
            // It is not sent again by itself, and no other is asked for meanwhile.
            #expect(try await tenant.ask(order, CommandBody.cancel)["reason"] == "command_in_progress")
            #expect(receiver.requests.count == 1)

            let late = try await tenant.send(
                "POST",
                "/v1/commands/\(id)/resolve",
                ["as": "verified", "attempt": 2]
            )
            #expect(late.status == 409)
            let word: JSON = ["as": "requested", "note": "They lost it.", "attempt": 1]
            let again = try await tenant.send("POST", "/v1/commands/\(id)/resolve", word)
            #expect(again.status == 200 && again["state"] == "requested" && again["resolution"]?["as"] == "requested")
            try await tenant.wait(for: id, .accepted, tries: 2)
            #expect(receiver.requests.count == 2)
            try await tenant.pass(id)
            try await tenant.wait(for: id, .unknown)
            let done = try await tenant.acknowledge(id, ["outcome": "done"])
            #expect(done.status == 200 && done["state"] == "acknowledged" && done["reason"] == .null)
            // What was said to be done, and is not seen, is in doubt too.
            try await tenant.pass(id)
            #expect(try await tenant.wait(for: id, .unknown)["reason"] == "not_seen")
            let told = try await tenant.send(
                "POST",
                "/v1/commands/\(id)/resolve",
                ["as": "verified", "note": "Seen in the shop."]
            )
            #expect(told["state"] == "verified" && told["resolution"]?["note"] == "Seen in the shop.")
        }
    }

    @Test func `a program that cannot be reached in time was not told, or perhaps it was`() async throws {
        try await LoopbackReceiver.run { request, _ in
            request.path == "/broken" ? .hangUp : .status(404)
        } _: { receiver in
            let tenant = try await TestTenant.make()
            try await tenant.takeCommands(at: receiver.url("/nowhere"))
            let order = try await tenant.tell()
            let first = try await tenant.command(order)
            try await eventually { receiver.requests.count >= 1 }
            try await tenant.pass(first)
            #expect(try await tenant.wait(for: first, .failed)["reason"] == "unreachable")

            try await tenant.takeCommands(at: receiver.url("/broken"))
            let second = try await tenant.command(order)
            try await eventually { receiver.requests.contains { $0.path == "/broken" } }
            try await tenant.pass(second)
            #expect(try await tenant.wait(for: second, .unknown)["reason"] == "no_answer")
        }
    }

    @Test func `a program may say what it did before it answers`() async throws {
        let gate = DispatchSemaphore(value: 0)
        try await LoopbackReceiver.run { _, _ in
            gate.wait()
            return .status(500)
        } _: { receiver in
            let tenant = try await TestTenant.make()
            try await tenant.takeCommands(at: receiver.url())
            let id = try await tenant.command(try await tenant.tell())
            try await eventually { receiver.requests.count == 1 }
            let said = try await tenant.acknowledge(id, ["outcome": "done"])
            gate.signal()
            #expect(said.status == 200 && said["state"] == "acknowledged")
            // The answer that breaks off after it changes nothing, and nothing is sent again.
            try await eventually {
                try await tenant.get("/v1/commands/\(id)")["attempts"]?[0]?["outcome"] == "unknown"
            }
            try await tenant.hurry()
            #expect(try await tenant.get("/v1/commands/\(id)")["state"] == "acknowledged")
            #expect(receiver.requests.count == 1)
        }
    }

    // MARK: Asking

    @Test func `an order has one command of a kind at a time, whoever asks at once`() async throws {
        let gate = DispatchSemaphore(value: 0)
        defer { gate.signal() }
        try await LoopbackReceiver.run { _, _ in
            gate.wait()
            gate.signal()
            return .status(204)
        } _: { receiver in
            let tenant = try await TestTenant.make()
            try await tenant.takeCommands(at: receiver.url())
            let order = try await tenant.tell()
            let answers = try await withThrowingTaskGroup(of: Answer.self) { group in
                for _ in 0..<8 { group.addTask { try await tenant.ask(order, CommandBody.cancel) } }
                return try await group.reduce(into: [Answer]()) { $0.append($1) }
            }
            #expect(answers.count { $0.status == 201 } == 1)
            let refused = answers.filter { $0.status == 409 }
            #expect(refused.count == 7 && refused.allSatisfy { $0["reason"] == "command_in_progress" })
            // Another kind is another matter; and the same request again is the same command.
            let address = try await tenant.ask(order, CommandBody.address, key: "address-1")
            #expect(address.status == 201 && address["parameters"]?["address"]?["line1"] == "Elmstreet 9")
            let repeated = try await tenant.ask(order, CommandBody.address, key: "address-1")
            #expect(repeated.status == 201 && repeated["id"] == address["id"] && repeated["parameters"] == .null)
            gate.signal()
            try await eventually { receiver.requests.count == 2 }
        }
    }

    @Test func `what the order does not allow is refused with its reason`() async throws {
        try await LoopbackReceiver.run { receiver in
            let tenant = try await TestTenant.make()
            let order = try await tenant.tell()
            func reason(_ body: JSON, _ status: Int = 409) async throws -> String? {
                let answer = try await tenant.ask(order, body)
                #expect(answer.status == status, "\(answer.json)")
                return answer["reason"]?.stringValue
            }
            #expect(try await reason(CommandBody.cancel) == "no_way_to_command")
            try await tenant.takeCommands(at: receiver.url(), [.cancelOrder, .createReturn])
            #expect(try await reason(CommandBody.address) == "no_way_to_command")
            try await tenant.takeCommands(at: receiver.url())
            #expect(try await reason(CommandBody.comeBack()) == "not_delivered")
            try await tenant.tell("C-1", [CommandBody.label])
            #expect(try await reason(CommandBody.address) == "label_created")
            let parcel: JSON = [
                "external_id": "P-1", "carrier": "DHL", "tracking_number": "T-1", "status": "delivered",
            ]
            try await tenant.tell("C-1", [("fulfillment_status", "fulfilled"), ("shipments", [parcel])])
            #expect(try await reason(CommandBody.cancel) == "shipped")
            #expect(try await reason(CommandBody.comeBack(2), 422) == "quantity_exceeds_left")
            let unknown = try await tenant.ask(order, CommandBody.comeBack(line: "9"))
            #expect(unknown.status == 422 && unknown.pointers == ["#/lines/0/order_line_external_id"])
            let dispute = DisputeBody.put.with("order_external_id", "C-1")
            _ = try await tenant.send("PUT", "/v1/stores/\(tenant.store)/disputes/by-external-id/D-1", dispute)
            #expect(try await reason(CommandBody.comeBack()) == "dispute_open")
            #expect(try await tenant.ask(.new(), CommandBody.cancel).status == 404)
            #expect(receiver.requests.isEmpty)
        }
    }

    @Test func `a return is over when the shop tells of it`() async throws {
        try await LoopbackReceiver.run { _, _ in
            .status(200, body: #"{"outcome":"done","reference":"R-7"}"#)
        } _: { receiver in
            let tenant = try await TestTenant.make()
            try await tenant.takeCommands(at: receiver.url())
            let order = try await tenant.tell("C-1", [("fulfillment_status", "fulfilled")])
            let id = try await tenant.command(order, CommandBody.comeBack())
            try await tenant.wait(for: id, .acknowledged)
            let told = ReturnBody.put.with("order_external_id", "C-1").with(
                "lines",
                [["external_id": "L-1", "order_line_external_id": "1", "quantity": 1]]
            )
            _ = try await tenant.send("PUT", "/v1/stores/\(tenant.store)/returns/by-external-id/R-7", told)
            try await tenant.wait(for: id, .verified)
            // Now nothing is left to come back.
            #expect(try await tenant.ask(order, CommandBody.comeBack()).status == 422)
        }
    }

    @Test func `agents ask, viewers look, and strangers find nothing`() async throws {
        try await LoopbackReceiver.run { receiver in
            let (tenant, stranger) = (try await TestTenant.make(), try await TestTenant.make())
            try await tenant.takeCommands(at: receiver.url())
            let order = try await tenant.tell()
            let (agent, viewer) = (try await tenant.signIn(.agent), try await tenant.signIn(.viewer))
            #expect(try await tenant.ask(order, CommandBody.cancel, as: viewer).status == 403)
            let asked = try await tenant.ask(order, CommandBody.cancel, as: agent)
            #expect(asked.status == 201)
            let path = "/v1/commands/\(asked["id"]?.stringValue ?? "")"
            #expect(try await tenant.get(path, as: viewer).status == 200)
            for method in ["acknowledge", "resolve"] {
                let body: JSON = method == "resolve" ? ["as": "failed"] : ["outcome": "done"]
                #expect(try await stranger.send("POST", "\(path)/\(method)", body).status == 404)
                #expect(try await tenant.send("POST", "\(path)/\(method)", body, as: viewer).status == 403)
            }
            let other = try await tenant.key([.commandsAcknowledge], store: try await tenant.addStore())
            #expect(try await tenant.send("POST", "\(path)/acknowledge", ["outcome": "done"], as: other).status == 404)
            #expect(try await tenant.list("/v1/commands?store_id=\(tenant.store)").count == 1)
            #expect(try await tenant.list("/v1/commands?order_id=\(order)").count == 1)
            #expect(try await tenant.list("/v1/commands?state=refused").isEmpty)
            #expect(try await stranger.list("/v1/commands?order_id=\(order)").isEmpty)
        }
    }
}
