import Foundation
import JSON
import Support
import Testing
import Time

@testable import Aftercare

/// Commands to a WooCommerce shop, over local HTTP to a double of its REST API.
@Suite(.timeLimit(.minutes(3))) struct WooCommerceCommandTests {
    /// A shop with one paid order, known here by its webhook.
    private func run(
        _ body: (WooCommerceShop, WooShop, OrderID) async throws -> Void
    ) async throws {
        try await WooCommerceShop.run { shop in
            let woo = try await WooShop.connect(try await TestTenant.make(), to: shop)
            shop.put(WooOrder.body())
            try await woo.post("order.created", WooOrder.body())
            try await woo.tenant.settle()
            let order = try #require(try await woo.order()["id"]?.stringValue.flatMap { OrderID($0) })
            shop.forgetRequests()
            try await body(shop, woo, order)
        }
    }

    @Test func `a shop is read again, told once, and the order seen to be cancelled`() async throws {
        try await run { shop, woo, order in
            let asked = try await woo.tenant.ask(order, CommandBody.cancel)
            #expect(asked["connection_id"] == .string(woo.connection), "\(asked.json)")
            let id = try #require(asked["id"]?.stringValue.flatMap { CommandID($0) })
            let done = try await woo.tenant.wait(for: id, .verified)
            #expect(shop.told == [["status": "cancelled"]] && done["attempt_count"] == 1)
            // Asked before, told, asked after: no webhook came.
            let place = "/shop/wp-json/wc/v3/orders/727"
            let requests = shop.requests.filter { $0 == place }
            #expect(requests.count >= 3)
            #expect(try await woo.order()["lifecycle_status"] == "cancelled")
            #expect(try await woo.tenant.commandTickets().isEmpty)
        }
    }

    // domain.md 5, case 17.
    @Test func `what the shop did without a word refuses what was asked for before`() async throws {
        try await run { shop, woo, order in
            shop.put(WooOrder.body(727, minute: 30, ("status", "completed")))
            let id = try await woo.tenant.command(order, CommandBody.address)
            let refused = try await woo.tenant.wait(for: id, .refused)
            #expect(refused["reason"] == "shipped" && refused["attempt_count"] == 0 && shop.told.isEmpty)
            try await eventually { try await woo.tenant.commandTickets().count == 1 }
        }
    }

    @Test func `an address is changed, and read in the shop`() async throws {
        try await run { shop, woo, order in
            let id = try await woo.tenant.command(order, CommandBody.address)
            try await woo.tenant.wait(for: id, .verified)
            #expect(shop.told.count == 1)
            let shipping = shop.told.first?["shipping"]
            #expect(shipping?["first_name"] == "Ada" && shipping?["last_name"] == "Example")
            #expect(shipping?["address_1"] == "Elmstreet 9" && shipping?["address_2"] == "")
            #expect(shipping?["postcode"] == "1010" && shipping?["country"] == "AT")
        }
    }

    @Test func `a label printed while the address was changed leaves it to a person`() async throws {
        try await run { shop, woo, order in
            // Right after the shop was told, it ships.
            shop.afterEachRequest { shop, _ in
                guard shop.told.count == 1 else { return }
                let address = shop.told[0]["shipping"] ?? [:]
                shop.put(
                    WooOrder.body(727, minute: 40, ("status", "completed"), ("shipping", address))
                )
            }
            let id = try await woo.tenant.command(order, CommandBody.address)
            let doubted = try await woo.tenant.wait(for: id, .unknown)
            #expect(doubted["reason"] == "shipped" && shop.told.count == 1)
            try await eventually { try await woo.tenant.commandTickets().count == 1 }
        }
    }

    @Test(arguments: [true, false])
    func `an answer that does not come leaves unknown, and the shop is not told again`(_ isDone: Bool) async throws {
        try await run { shop, woo, order in
            shop.lose(WooCommerceShop.Fault(status: 502), isDone: isDone)
            let id = try await woo.tenant.command(order)
            if isDone {
                // It was done all the same, which the shop shows.
                let seen = try await woo.tenant.wait(for: id, .verified)
                #expect(seen["attempts"]?[0]?["outcome"] == "unknown")
            } else {
                let doubted = try await woo.tenant.wait(for: id, .unknown)
                #expect(doubted["reason"] == "no_answer" && doubted["detail"] == "the shop answered 502")
                try await woo.tenant.hurry()
                try await eventually { try await woo.tenant.commandTickets().count == 1 }
                #expect(try await woo.tenant.get("/v1/commands/\(id)")["state"] == "unknown")
                // A person has it told again.
                let word: JSON = ["as": "requested", "attempt": 1]
                let again = try await woo.tenant.send("POST", "/v1/commands/\(id)/resolve", word)
                #expect(again.status == 200)
                try await woo.tenant.wait(for: id, .verified)
            }
            #expect(shop.told.count == (isDone ? 1 : 2))
        }
    }

    @Test func `a key that may only read is refused by name, and a busy shop is told later`() async throws {
        try await run { shop, woo, order in
            shop.lose(.error(401, "woocommerce_rest_cannot_edit"), isDone: false)
            let refused = try await woo.tenant.wait(for: try await woo.tenant.command(order), .refused)
            #expect(refused["reason"] == "refused_by_shop")
            #expect(refused["detail"] == "the shop answered 401 woocommerce_rest_cannot_edit")

            shop.lose(WooCommerceShop.Fault(status: 429), isDone: false)
            let id = try await woo.tenant.command(order)
            let done = try await woo.tenant.wait(for: id, .verified)
            #expect(done["attempts"]?.arrayValue?.map { $0["outcome"]?.stringValue } == ["refused", "accepted"])
        }
    }

    @Test func `a shop that does not let the order be read is told nothing`() async throws {
        try await run { shop, woo, order in
            shop.failAlways(.error(401, "woocommerce_rest_cannot_view"))
            let failed = try await woo.tenant.wait(for: try await woo.tenant.command(order), .failed)
            #expect(failed["reason"] == "order_not_read" && failed["detail"] == "credentials_refused")
            #expect(shop.told.isEmpty)
        }
    }

    @Test func `what WooCommerce does not know goes to the store's own program, or nowhere`() async throws {
        try await LoopbackReceiver.run { receiver in
            try await run { shop, woo, order in
                let kept = CommandBody.cancel.with("restock", false)
                #expect(try await woo.tenant.ask(order, kept)["reason"] == "no_way_to_command")
                try await woo.tenant.takeCommands(at: receiver.url())
                let asked = try await woo.tenant.ask(order, kept)
                #expect(asked.status == 201 && asked["connection_id"] == .null)
                try await eventually { receiver.requests.count == 1 }
                #expect(shop.told.isEmpty)
            }
        }
    }
}
