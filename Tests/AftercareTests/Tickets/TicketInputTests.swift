import FoundationEssentials
import JSON
import Support
import Testing

@testable import Aftercare

/// Wrong input, field by field, and what belongs to somebody else. Edge cases 36 and 37.
@Suite struct `Wrong input about tickets` {
    private static let long = JSON.string(String(repeating: "x", count: 10_001))

    @Test(
        arguments: [
            ("store_id", nil, "required"), ("store_id", "sto_1", "invalid_format"), ("store_id", 7, "invalid_type"),
            ("subject", nil, "required"), ("subject", "", "too_short"), ("subject", long, "too_long"),
            ("subject", "a\u{0}b", "not_storable"), ("kind", "moon", "unknown_value"), ("kind", 1, "invalid_type"),
            ("priority", "medium", "unknown_value"), ("body", "", "too_short"), ("body", long, "too_long"),
            ("customer_email", "nobody", "invalid_format"), ("customer_email", "a@b\r\nBcc: c", "invalid_format"),
            ("customer_name", "", "too_short"), ("customer_name", long, "too_long"),
            ("order_id", "1001", "invalid_format"), ("state", "closed", "unknown_member"),
            ("assignee_id", "usr_1", "unknown_member"),
        ] as [(String, JSON?, String)]
    )
    func `is refused with its name when one is opened`(_ name: String, _ value: JSON?, _ code: String) async throws {
        let tenant = try await TestTenant.make()
        let body: JSON = ["store_id": .string(tenant.store.description), "subject": "The tent has a hole"]
        let answer = try await tenant.send("POST", "/v1/tickets", body.with(name, value ?? .null))
        #expect(answer.status == 422 && answer.pointers == ["#/\(name)"])
        #expect(answer["errors"]?[0]?["code"]?.stringValue == code)
        #expect(try await tenant.list("/v1/tickets") == [])
    }

    @Test(
        arguments: [
            ("subject", nil, "required"), ("subject", "", "too_short"), ("priority", "medium", "unknown_value"),
            ("state", "closed", "unknown_value"), ("state", nil, "required"), ("assignee_id", "me", "invalid_format"),
            ("assignee_id", .string("usr_01k9z3tq4jf0b1c2d3e4f5g6h7"), "unknown_value"),
            ("kind", "question", "unknown_member"), ("order_id", nil, "unknown_member"),
        ] as [(String, JSON?, String)]
    )
    func `is refused with its name when one is changed`(_ name: String, _ value: JSON?, _ code: String) async throws {
        let tenant = try await TestTenant.make()
        let path = try #require(try await tenant.openTicket().header("Location"))
        let answer = try await tenant.send("PATCH", path, JSON.object([:]).with(name, value ?? .null))
        #expect(answer.status == 422 && answer.pointers == ["#/\(name)"])
        #expect(answer["errors"]?[0]?["code"]?.stringValue == code)
        #expect(try await tenant.get(path)["version"] == 1)
    }

    @Test func `is refused in comments and notes`() async throws {
        let tenant = try await TestTenant.make()
        let path = try #require(try await tenant.openTicket().header("Location"))
        for body in [[:], ["body": ""], ["body": Self.long], ["body": "a\u{0}"]] as [JSON] {
            #expect(try await tenant.send("POST", "\(path)/comments", body).pointers == ["#/body"])
        }
        #expect(try await tenant.send("POST", "\(path)/close", ["comment": ""]).pointers == ["#/comment"])
        #expect(try await tenant.send("POST", "\(path)/close", ["reason": "x"]).pointers == ["#/reason"])
        // Ten thousand characters of any script go in and come out.
        let text = String(repeating: "é🙂ق", count: 3_333)
        #expect(try await tenant.send("POST", "\(path)/comments", ["body": .string(text)]).status == 201)
        #expect(try await tenant.get(path)["comments"]?[0]?["body"]?.stringValue == text)
    }

    @Test func `an order, a store or a person of somebody else is nobody's`() async throws {
        let (tenant, stranger) = (try await TestTenant.make(), try await TestTenant.make())
        let other = try await tenant.addStore()
        let order = try await tenant.deliveredOrder()
        func opening(_ store: StoreID, _ order: OrderID?, as token: String? = nil) async throws -> Answer {
            var body: JSON = ["store_id": .string(store.description), "subject": "Mine"]
            if let order { body = body.with("order_id", .string(order.description)) }
            return try await tenant.send("POST", "/v1/tickets", body, as: token)
        }
        #expect(try await opening(stranger.store, nil).pointers == ["#/store_id"])
        // Another store's order, another tenant's, and nobody's: the same answer.
        let foreign = try await stranger.deliveredOrder()
        let answers = [
            try await opening(other, order), try await opening(tenant.store, foreign),
            try await opening(tenant.store, .new()),
        ]
        for answer in answers {
            #expect(answer.status == 422 && answer["errors"] == answers[0]["errors"])
            #expect(answer.pointers == ["#/order_id"])
        }
        let bound = try await tenant.key([.ticketsRead, .ticketsWrite], store: other)
        #expect(try await opening(tenant.store, nil, as: bound).pointers == ["#/store_id"])
        #expect(try await opening(tenant.store, order, as: bound).pointers == ["#/store_id"])
        #expect(try await opening(other, order, as: bound).pointers == ["#/order_id"])
        #expect(try await opening(other, nil, as: bound).status == 201)
        #expect(try await tenant.get("/v1/tickets?store_id=\(tenant.store)", as: bound)["data"] == [])
    }

    @Test func `only people who can work on tickets are given one`() async throws {
        let (tenant, stranger) = (try await TestTenant.make(), try await TestTenant.make())
        let path = try #require(try await tenant.openTicket().header("Location"))
        let viewer = try await tenant.get("/v1/me", as: tenant.signIn(.viewer))["id"]
        let agent = try #require(try await tenant.get("/v1/me", as: tenant.signIn(.agent))["id"]?.stringValue)
        for id in [viewer, .string(stranger.demo.owner.description)] {
            let answer = try await tenant.send("PATCH", path, ["assignee_id": try #require(id)])
            #expect(answer.status == 422 && answer.pointers == ["#/assignee_id"])
        }
        #expect(try await tenant.send("PATCH", path, ["assignee_id": .string(agent)]).status == 200)
        _ = try await tenant.send("PATCH", "/v1/users/\(agent)", ["disabled": true])
        #expect(try await tenant.send("PATCH", path, ["assignee_id": nil]).status == 200)
        #expect(try await tenant.send("PATCH", path, ["assignee_id": .string(agent)]).pointers == ["#/assignee_id"])
    }
}
