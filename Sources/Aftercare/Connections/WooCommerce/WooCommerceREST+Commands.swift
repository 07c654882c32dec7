import Curl
import FoundationEssentials
import JSON

/// What a WooCommerce shop can be told about an order. It moves no money: a status alone pays nothing back, though a
/// payment extension may let go of a sum that was held and never taken.
extension WooCommerceREST: CommandedShop {
    /// A return is nothing that WooCommerce knows, and the goods of a cancelled order always go back on the shelf.
    static func carries(_ parameters: CommandParameters) -> Bool { change(by: parameters) != nil }

    private static func change(by parameters: CommandParameters) -> JSON? {
        switch parameters {
        case .cancelOrder(let cancellation): cancellation.restock ? ["status": "cancelled"] : nil
        case .changeShippingAddress(let address): ["shipping": shipping(address)]
        case .createReturn: nil
        }
    }

    /// Every part, so that nothing of the address before stays.
    private static func shipping(_ address: ShippingAddress) -> JSON {
        [
            "first_name": .string(address.names.first), "last_name": .string(address.names.last),
            "company": .string(address.company ?? ""), "address_1": .string(address.line1),
            "address_2": .string(address.line2 ?? ""), "city": .string(address.city),
            "state": .string(address.region ?? ""), "postcode": .string(address.postalCode ?? ""),
            "country": .string(address.country), "phone": .string(address.phone ?? ""),
        ]
    }

    // MARK: Telling

    func carryOut(_ parameters: CommandParameters, on externalID: String) async -> CommandOutcome {
        guard let change = Self.change(by: parameters), Self.isID(externalID) else {
            return .refused(.noWayToCommand, detail: "WooCommerce knows no such thing")
        }
        do throws(ShopTransport.Silence) {
            return Self.outcome(of: try await transport.send(request("PUT", "orders/\(externalID)", body: change)))
        } catch {
            return CommandOutcome(error)
        }
    }

    private static func outcome(of response: HTTPClient.Response) -> CommandOutcome {
        let code = json(response)?["code"]?.stringValue
        let said = "the shop answered \(response.status)" + (code.map { " \($0.singleLine(limit: 100))" } ?? "")
        switch response.status {
        case 200: return .accepted(detail: "200", reference: nil)
        case 429: return .passing(said, mayHaveActed: false, after: retryAfter(response))
        // A key that may only read is answered with 401 or 403.
        case 300..<500: return .refused(.refusedByShop, detail: said)
        // An extension may have broken it after the order was saved.
        default: return .unknown(.noAnswer, detail: said)
        }
    }

    // MARK: Seeing

    /// Of a new address only: what else it can be told, the mirror shows.
    func shows(_ command: Command, on externalID: String) async -> Bool? {
        guard case .changeShippingAddress(let address)? = command.parameters,
            let order = try? await order(externalID),
            let json = try? JSON(parsing: order.body, limits: .foreign), let shown = json["shipping"]
        else { return nil }
        // Older versions keep no phone there.
        let parts = (Self.shipping(address).objectValue ?? [:]).filter { $0.name != "phone" }
        return parts.allSatisfy { part in
            (shown[part.name]?.stringValue ?? "").trimmingSpaces == (part.value.stringValue ?? "").trimmingSpaces
        }
    }
}
