import JSON
import Support
import Testing

@testable import Aftercare

/// Commands to a Shopify shop through the whole program, over local HTTP to a double of its Admin API.
@Suite(.timeLimit(.minutes(3))) struct `Commands to a Shopify shop` {
    /// A shop with one order, known here by a sweep.
    private func known(
        _ order: ShopifyStoreOrder = ShopifyStoreOrder(id: 1001)
    ) async throws -> (ShopifyAdminDouble, ConnectedShopify, OrderID) {
        let double = try ShopifyAdminDouble([order])
        let connected = try await ConnectedShopify(double)
        let id = try #require(try await connected.order(order.id)["id"]?.stringValue.flatMap { OrderID($0) })
        double.change { $0.asked = [] }
        return (double, connected, id)
    }

    private static var delivered: ShopifyStoreOrder {
        var order = ShopifyStoreOrder(id: 1001, updatedAt: 30, financial: "paid", fulfillment: "FULFILLED")
        let report = ShopifyStoreOrder.Report(id: 302, status: "delivered", at: 30)
        order.parcels = [ShopifyStoreOrder.Parcel(id: 201, createdAt: 10, updatedAt: 30, reports: [report])]
        return order
    }

    @Test func `an order is read again, cancelled, and read again`() async throws {
        let (double, connected, order) = try await known()
        let asked = try await connected.tenant.ask(order, CommandBody.cancel)
        #expect(asked["connection_id"] == .string(connected.connection), "\(asked.json)")
        let id = try #require(asked["id"]?.stringValue.flatMap { CommandID($0) })
        let done = try await connected.tenant.wait(for: id, .verified)
        #expect(done["attempt_count"] == 1)
        let said = double.state.asked
        #expect(said.first == "Order" && said.last == "Order" && said.count { $0 == "CancelOrder" } == 1, "\(said)")
        #expect(try await connected.order(1001)["lifecycle_status"] == "cancelled")
        #expect(try await connected.tenant.commandTickets().isEmpty)
    }

    @Test func `a new address is seen in the shop`() async throws {
        let (double, connected, order) = try await known()
        let id = try await connected.tenant.command(order, CommandBody.address)
        try await connected.tenant.wait(for: id, .verified)
        #expect(double.state.addresses["gid://shopify/Order/1001"]?["address1"] == "Elmstreet 9")
        #expect(double.state.asked.count { $0 == "ChangeAddress" } == 1)
    }

    @Test func `a return is seen in the shop by the id it gave it, and one that is gone is not`() async throws {
        let (double, connected, order) = try await known(Self.delivered)
        double.change { $0.returnable = [(201, [(11, 31, 2)])] }
        let id = try await connected.tenant.command(order, CommandBody.comeBack(line: "31"))
        let done = try await connected.tenant.wait(for: id, .verified)
        #expect(done["reference"] == "945" && double.state.returns == ["gid://shopify/Return/945": "OPEN"])

        let other = try await connected.tenant.command(order, CommandBody.comeBack(line: "31"))
        try await connected.tenant.wait(for: other, .accepted)
        double.change { $0.returns = ["gid://shopify/Return/945": "CANCELED"] }
        try await connected.tenant.pass(other)
        let doubted = try await connected.tenant.wait(for: other, .unknown)
        #expect(doubted["reason"] == "not_seen")
    }

    @Test func `what the shop did all the same is seen, and it is not told again`() async throws {
        let (double, connected, order) = try await known()
        double.change { $0.lossAfterTelling = 502 }
        let id = try await connected.tenant.command(order)
        let done = try await connected.tenant.wait(for: id, .verified)
        #expect(done["attempts"]?.arrayValue?.compactMap { $0["outcome"]?.stringValue } == ["unknown"], "\(done)")
        #expect(double.state.asked.count { $0 == "CancelOrder" } == 1)
    }

    @Test func `what the shop says against it is the reason, and opens a ticket`() async throws {
        let (double, connected, order) = try await known()
        double.change { $0.userErrors = ["Cannot cancel an order that is being edited."] }
        let id = try await connected.tenant.command(order)
        let refused = try await connected.tenant.wait(for: id, .refused)
        #expect(refused["reason"] == "refused_by_shop")
        #expect(refused["detail"] == "Cannot cancel an order that is being edited.")
        try await eventually { try await connected.tenant.commandTickets().count == 1 }
    }
}
