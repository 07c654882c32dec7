import JSON
import Observability
import Support
import Testing

@testable import Aftercare

@Suite struct `What Shopify is told to do` {
    private struct WrongKind: Error {}

    private static func admin(_ double: ShopifyAdminDouble, token: String = ShopifyAdminDouble.token) -> ShopifyAdmin {
        let url = double.url
        var transport = ShopTransport(outbound: Outbound(allowsPrivateAddresses: true))
        transport.origin = { _ in url }
        return ShopifyAdmin(shop: "demo.myshopify.com", accessToken: Secret(token), transport: transport)
    }

    private static func parameters(_ body: JSON) throws -> CommandParameters {
        try FieldReader.read(body, CommandParameters.init(request:))
    }

    private static func comeBack(_ lines: (line: String, quantity: Int64, reason: JSON)...) throws -> CommandParameters
    {
        let lines = lines.map { line -> JSON in
            [
                "order_line_external_id": .string(line.line), "quantity": .number(JSONNumber(line.quantity)),
                "reason": line.reason,
            ]
        }
        return try parameters(["kind": "create_return", "lines": .array(lines), "note": "Please"])
    }

    @Test func `an order is cancelled without paying anything back and without a word to the customer`() async throws {
        let double = try ShopifyAdminDouble()
        let note = String(repeating: "n", count: 300)
        let cancel = try Self.parameters(CommandBody.cancel.with("note", .string(note)).with("reason", "inventory"))
        #expect(await Self.admin(double).carryOut(cancel, on: "1001") == .accepted(detail: "200", reference: nil))
        let variables = try #require(double.state.variables.first)
        #expect(variables["id"] == "gid://shopify/Order/1001" && variables["reason"] == "INVENTORY")
        #expect(variables["restock"] == true && variables["note"]?.stringValue?.count == 255)
    }

    @Test func `no document moves money`() throws {
        guard case .cancelOrder(let cancellation) = try Self.parameters(CommandBody.cancel),
            case .changeShippingAddress(let address) = try Self.parameters(CommandBody.address)
        else { throw WrongKind() }
        let documents = [
            ShopifyQuery.cancelOrder("1", cancellation).document,
            ShopifyQuery.changeShippingAddress(of: "1", to: address).document,
            ShopifyQuery.createReturn(of: "1", []).document,
        ]
        #expect(documents[0].contains("refundMethod: { originalPaymentMethodsRefund: false }"))
        #expect(documents[0].contains("notifyCustomer: false"))
        for document in documents {
            for word in ["refundCreate", "storeCredit", "orderCapture", "returnRefund", "returnProcess", ": true"] {
                #expect(!document.contains(word))
            }
        }
    }

    @Test func `an address takes the place of the former one as a whole`() async throws {
        let double = try ShopifyAdminDouble()
        let outcome = await Self.admin(double).carryOut(try Self.parameters(CommandBody.address), on: "1001")
        #expect(outcome == .accepted(detail: "200", reference: nil))
        let input = double.state.variables.first?["input"]
        let address = input?["shippingAddress"]
        #expect(input?["id"] == "gid://shopify/Order/1001" && address?["city"] == "Wien")
        #expect(address?["firstName"] == "Ada" && address?["lastName"] == "Example")
        #expect(address?["address2"] == .null && address?["provinceCode"] == .null)
    }

    @Test func `a return is made of the lines of shipments that can still come back`() async throws {
        let double = try ShopifyAdminDouble()
        double.change {
            $0.returnable = [
                (1, [(11, 31, 1), (12, 32, 5)]), (2, [(21, 31, 2)]), (3, []), (4, [(41, 31, 4), (42, 33, 0)]),
            ]
        }
        let admin = Self.admin(double)
        let new = try Self.comeBack(("31", 4, "size_too_small"), ("32", 1, "smells"))
        #expect(await admin.carryOut(new, on: "1001") == .accepted(detail: "200", reference: "945"))
        #expect(double.state.asked == ["Returnable", "Returnable", "CreateReturn"])
        let items = double.state.variables.last?["input"]?["returnLineItems"]?.arrayValue ?? []
        #expect(
            items.map { $0["fulfillmentLineItemId"]?.stringValue?.split(separator: "/").last } == [
                "11", "21", "41", "12",
            ]
        )
        #expect(items.map { $0["quantity"]?.int64Value } == [1, 2, 1, 1])
        #expect(items.first?["returnReason"] == "SIZE_TOO_SMALL" && items.first?["returnReasonNote"] == "Please")
        #expect(items.last?["returnReason"] == "OTHER" && items.last?["returnReasonNote"] == "smells: Please")
        let tooMany = await admin.carryOut(try Self.comeBack(("31", 9, .null)), on: "1001")
        #expect(tooMany == .refused(.refusedByShop, detail: "of line 31 only 7 can be returned"))
        #expect(double.state.asked.count { $0 == "CreateReturn" } == 1)
    }

    @Test func `what the shop says against it is a refusal`() async throws {
        let double = try ShopifyAdminDouble()
        double.change { $0.userErrors = ["Order has been fulfilled", "and more"] }
        double.change { $0.returnable = [(1, [(11, 31, 1)])] }
        let refused = CommandOutcome.refused(.refusedByShop, detail: "Order has been fulfilled and more")
        for body in [CommandBody.cancel, CommandBody.address, CommandBody.comeBack(line: "31")] {
            #expect(await Self.admin(double).carryOut(try Self.parameters(body), on: "1001") == refused)
        }
    }

    @Test(
        arguments: [
            (
                ShopifyAdminDouble.Mishap.status(401),
                CommandOutcome.refused(.refusedByShop, detail: "credentials_refused")
            ),
            (.status(403), .refused(.refusedByShop, detail: "access_denied")),
            (.status(404), .refused(.refusedByShop, detail: "api_sunset: 2026-07")),
            (.status(429), .passing("throttled", mayHaveActed: false, after: nil)),
            (
                .denied("orderCancel", scope: "write_orders"),
                .refused(.refusedByShop, detail: "missing_scope: write_orders")
            ),
            (
                .body(#"{"errors":[{"message":"Throttled","extensions":{"code":"THROTTLED"}}]}"#),
                .passing("throttled", mayHaveActed: false, after: nil)
            ),
            // What was not understood was not carried out.
            (
                .body(#"{"errors":[{"message":"of type CountryCode!","extensions":{"code":"INVALID_VARIABLE"}}]}"#),
                .refused(.refusedByShop, detail: "unreadable: INVALID_VARIABLE")
            ),
            (.status(423), .refused(.refusedByShop, detail: "unreachable: the shop is locked")),
            // The shop may have done it.
            (
                .body(#"{"errors":[{"message":"Oh","extensions":{"code":"INTERNAL_SERVER_ERROR"}}]}"#),
                .unknown(.noAnswer, detail: "unreachable: an error within the shop")
            ),
            (.status(500), .unknown(.noAnswer, detail: "unreachable: status 500")),
            (.status(502), .unknown(.noAnswer, detail: "unreachable: status 502")),
            (.body("<html>"), .unknown(.noAnswer, detail: "unreadable: no JSON object")),
            (.body("{}"), .unknown(.noAnswer, detail: "unreadable: no data")),
            (.body(#"{"data":{}}"#), .unknown(.noAnswer, detail: "unreadable: no answer to orderCancel")),
            (
                .body(#"{"data":{"orderCancel":{"job":null,"userErrors":[]}}}"#),
                .unknown(.noAnswer, detail: "unreadable: no answer to orderCancel")
            ),
            // It did it, and could not say all of it.
            (.partial, .unknown(.noAnswer, detail: "unreachable: an error within the shop")),
            (
                .body(#"{"data":{"orderCancel":{"job":null}},"errors":[{"extensions":{"code":"ACCESS_DENIED"}}]}"#),
                .unknown(.noAnswer, detail: "missing_scope")
            ),
        ] as [(ShopifyAdminDouble.Mishap, CommandOutcome)]
    )
    func `what may have been done is unknown, and only what surely was not has failed`(
        _ mishap: ShopifyAdminDouble.Mishap,
        _ outcome: CommandOutcome
    ) async throws {
        let double = try ShopifyAdminDouble()
        double.change { $0.mishaps = [mishap] }
        let cancel = try Self.parameters(CommandBody.cancel)
        #expect(await Self.admin(double).carryOut(cancel, on: "1001") == outcome)
        #expect(double.state.asked.count <= 1)
    }

    @Test func `an order that is none of the shop's is not asked about`() async throws {
        let double = try ShopifyAdminDouble()
        let refused = CommandOutcome.refused(.refusedByShop, detail: "the shop has no such order")
        for id in ["A-17", "", "1 2"] {
            #expect(await Self.admin(double).carryOut(try Self.parameters(CommandBody.comeBack()), on: id) == refused)
        }
        #expect(double.state.asked.isEmpty)
    }

    @Test func `a shop that nobody listens for has certainly done nothing`() async throws {
        var transport = ShopTransport(outbound: Outbound(allowsPrivateAddresses: true))
        transport.origin = { _ in "http://127.0.0.1:1" }
        let admin = ShopifyAdmin(shop: "demo.myshopify.com", accessToken: Secret("t"), transport: transport)
        let outcome = await admin.carryOut(try Self.parameters(CommandBody.cancel), on: "1001")
        #expect(outcome == .passing("unreachable: no connection", mayHaveActed: false, after: nil))
    }
}
