import JSON

// What the Admin API is sent for a command. No document pays money back or writes to the customer.
extension ShopifyQuery {
    static func cancelOrder(_ id: String, _ cancellation: OrderCancellation) -> ShopifyQuery {
        let variables: JSON = [
            "id": .string(globalID(ofOrder: id)), "reason": .string(cancellation.reason.rawValue.uppercased()),
            "restock": .bool(cancellation.restock), "note": text(cancellation.note?.prefix(255)),
        ]
        return ShopifyQuery(name: "CancelOrder", document: Document.cancelOrder, variables: variables)
    }

    /// Every part of it, so that nothing of the address before stays.
    static func changeShippingAddress(of id: String, to address: ShippingAddress) -> ShopifyQuery {
        let input: JSON = ["id": .string(globalID(ofOrder: id)), "shippingAddress": Self.address(address)]
        return ShopifyQuery(name: "ChangeAddress", document: Document.changeAddress, variables: ["input": input])
    }

    static func address(_ address: ShippingAddress) -> JSON {
        [
            "firstName": .string(address.names.first), "lastName": .string(address.names.last),
            "company": text(address.company), "address1": .string(address.line1), "address2": text(address.line2),
            "city": .string(address.city), "provinceCode": text(address.region), "zip": text(address.postalCode),
            "countryCode": .string(address.country), "phone": text(address.phone),
        ]
    }

    static func shippingAddress(of id: String) -> ShopifyQuery {
        let variables: JSON = ["id": .string(globalID(ofOrder: id))]
        return ShopifyQuery(name: "ShippingAddress", document: Document.shippingAddress, variables: variables)
    }

    /// What of an order can still be returned, by shipments.
    static func returnable(_ id: String, after cursor: String?) -> ShopifyQuery {
        let variables: JSON = ["id": .string(globalID(ofOrder: id)), "after": text(cursor)]
        return ShopifyQuery(name: "Returnable", document: Document.returnable, variables: variables)
    }

    static func createReturn(of id: String, _ lines: [JSON]) -> ShopifyQuery {
        let input: JSON = ["orderId": .string(globalID(ofOrder: id)), "returnLineItems": .array(lines)]
        return ShopifyQuery(name: "CreateReturn", document: Document.createReturn, variables: ["input": input])
    }

    static func returned(_ id: String) -> ShopifyQuery {
        let variables: JSON = ["id": .string("gid://shopify/Return/\(id)")]
        return ShopifyQuery(name: "Return", document: Document.returned, variables: variables)
    }

    private static func text(_ text: (some StringProtocol)?) -> JSON { text.map { .string(String($0)) } ?? nil }
}

private enum Document {
    /// A payment that was only authorized is let go of by the shop, whoever cancels.
    static let cancelOrder = """
        mutation CancelOrder($id: ID!, $reason: OrderCancelReason!, $restock: Boolean!, $note: String) {
          orderCancel(
            orderId: $id, reason: $reason, restock: $restock, staffNote: $note, notifyCustomer: false,
            refundMethod: { originalPaymentMethodsRefund: false }
          ) {
            job { id }
            orderCancelUserErrors { message }
            userErrors { message }
          }
        }
        """

    static let changeAddress = """
        mutation ChangeAddress($input: OrderInput!) {
          orderUpdate(input: $input) { order { id } userErrors { message } }
        }
        """

    static let shippingAddress = """
        query ShippingAddress($id: ID!) {
          order(id: $id) {
            shippingAddress {
              firstName lastName company address1 address2 city provinceCode zip countryCode: countryCodeV2
            }
          }
        }
        """

    static let returnable = """
        query Returnable($id: ID!, $after: String) {
          returnableFulfillments(orderId: $id, first: 3, after: $after) {
            nodes {
              returnableFulfillmentLineItems(first: 50) {
                nodes { quantity fulfillmentLineItem { id lineItem { id } } }
                pageInfo { hasNextPage }
              }
            }
            pageInfo { hasNextPage endCursor }
          }
        }
        """

    static let createReturn = """
        mutation CreateReturn($input: ReturnInput!) {
          returnCreate(returnInput: $input) { return { id } userErrors { message } }
        }
        """

    static let returned = """
        query Return($id: ID!) { return(id: $id) { id status } }
        """
}
