import JSON
import Time

/// One question to the Admin API: a document, and what its variables stand for.
struct ShopifyQuery: Sendable {
    /// The operation's name in the document. What it costs is remembered by it.
    let name: String
    let document: String
    let variables: JSON
    /// How many orders it asks for; what it costs grows with them.
    var size = 1

    var body: [UInt8] {
        let json: JSON = [
            "operationName": .string(name), "query": .string(document), "variables": variables,
        ]
        return json.serializedBytes
    }

    /// How much of an order's lists is asked for at first. The shop charges for what may come, not for what does, and
    /// refuses what may come to more than 1,000 points; what is left out is fetched after.
    struct Bounds: Hashable, Sendable {
        let lines: Int
        let parcels: Int
        let events: Int
        let refunds: Int
        let payments: Int

        /// Of one order.
        static let one = Bounds(lines: 50, parcels: 10, events: 10, refunds: 10, payments: 5)
        /// Of each order of a page.
        static let each = Bounds(lines: 10, parcels: 3, events: 6, refunds: 2, payments: 3)
        /// Where the others cost too much.
        static let least = Bounds(lines: 5, parcels: 2, events: 3, refunds: 1, payments: 1)

        fileprivate var variables: JSONObject {
            [
                "lines": .number(JSONNumber(lines)), "parcels": .number(JSONNumber(parcels)),
                "events": .number(JSONNumber(events)), "refunds": .number(JSONNumber(refunds)),
                "payments": .number(JSONNumber(payments)),
            ]
        }
    }
}

extension ShopifyQuery {
    static func globalID(ofOrder id: String) -> String { "gid://shopify/Order/\(id)" }

    /// One order, and what the app may see: of an order that is not there it says whether it may only be too old.
    static func order(_ id: String, _ bounds: Bounds) -> ShopifyQuery {
        var variables = bounds.variables
        variables["id"] = .string(globalID(ofOrder: id))
        return ShopifyQuery(name: "Order", document: Document.order, variables: .object(variables))
    }

    /// A page of orders, those that were changed longest ago first.
    static func orders(since instant: Instant?, after cursor: String?, first: Int, _ bounds: Bounds) -> ShopifyQuery {
        var variables = bounds.variables
        variables["first"] = .number(JSONNumber(first))
        variables["after"] = cursor.map(JSON.string) ?? JSON.null
        // To the second, as the shop keeps it, and rather too early than too late.
        variables["query"] = instant.map { JSON.string("updated_at:>='\($0.rfc3339.prefix(19))Z'") } ?? JSON.null
        return ShopifyQuery(name: "Orders", document: Document.orders, variables: .object(variables), size: first)
    }

    // MARK: The rest of an order

    static func lines(ofOrder id: String, after cursor: String) -> ShopifyQuery {
        ShopifyQuery(name: "Lines", document: Document.lines, variables: ["id": .string(id), "after": .string(cursor)])
    }

    static func events(ofFulfillment id: String, after cursor: String) -> ShopifyQuery {
        ShopifyQuery(
            name: "Events",
            document: Document.events,
            variables: ["id": .string(id), "after": .string(cursor)]
        )
    }

    static func payments(ofRefund id: String, after cursor: String) -> ShopifyQuery {
        let variables: JSON = ["id": .string(id), "after": .string(cursor)]
        return ShopifyQuery(name: "Payments", document: Document.payments, variables: variables)
    }

    /// The returns of an order. By themselves, because few orders have any, and because they take a scope of their own.
    static func returns(ofOrder id: String, after cursor: String? = nil) -> ShopifyQuery {
        ShopifyQuery(
            name: "Returns",
            document: Document.returns,
            variables: ["id": .string(id), "after": cursor.map(JSON.string) ?? JSON.null]
        )
    }

    /// Which fulfillments and refunds an order has: lists that the shop gives from the front only.
    static func parts(ofOrder id: String) -> ShopifyQuery {
        ShopifyQuery(name: "Parts", document: Document.parts, variables: ["id": .string(id)])
    }

    /// The most that `parts` gives.
    static let mostParts = 250

    static func fulfillments(_ ids: [String], _ bounds: Bounds) -> ShopifyQuery {
        let variables: JSON = ["ids": .array(ids.map(JSON.string)), "events": .number(JSONNumber(bounds.events))]
        return ShopifyQuery(
            name: "Fulfillments",
            document: Document.fulfillments,
            variables: variables,
            size: ids.count
        )
    }

    static func refunds(_ ids: [String], _ bounds: Bounds) -> ShopifyQuery {
        let variables: JSON = ["ids": .array(ids.map(JSON.string)), "payments": .number(JSONNumber(bounds.payments))]
        return ShopifyQuery(name: "Refunds", document: Document.refunds, variables: variables, size: ids.count)
    }
}

/// The documents, and what they have in common.
private enum Document {
    static let order = """
        query Order($id: ID!, $lines: Int!, $parcels: Int!, $events: Int!, $refunds: Int!, $payments: Int!) {
          order(id: $id) { ...Whole }
          currentAppInstallation { accessScopes { handle } }
        }
        """ + whole

    static let orders = """
        query Orders(
          $first: Int!, $after: String, $query: String,
          $lines: Int!, $parcels: Int!, $events: Int!, $refunds: Int!, $payments: Int!
        ) {
          orders(first: $first, after: $after, query: $query, sortKey: UPDATED_AT) {
            edges { cursor node { ...Whole } }
            pageInfo { hasNextPage }
          }
        }
        """ + whole

    static let lines = """
        query Lines($id: ID!, $after: String!) {
          order(id: $id) {
            updatedAt
            lineItems(first: 100, after: $after) { nodes { ...Line } pageInfo { hasNextPage endCursor } }
          }
        }
        """ + line

    static let events = """
        query Events($id: ID!, $after: String!) {
          node(id: $id) {
            ... on Fulfillment {
              updatedAt
              events(first: 100, after: $after) { nodes { ...Report } pageInfo { hasNextPage endCursor } }
            }
          }
        }
        """ + report

    static let payments = """
        query Payments($id: ID!, $after: String!) {
          node(id: $id) {
            ... on Refund {
              updatedAt
              transactions(first: 50, after: $after) { nodes { ...Payment } pageInfo { hasNextPage endCursor } }
            }
          }
        }
        """ + payment + sums

    static let returns = """
        query Returns($id: ID!, $after: String) {
          order(id: $id) {
            updatedAt
            returns(first: 5, after: $after) {
              nodes {
                id name status createdAt closedAt
                decline { reason }
                returnLineItems(first: 30) {
                  nodes {
                    id quantity returnReason returnReasonNote customerNote
                    ... on ReturnLineItem { fulfillmentLineItem { lineItem { id } } }
                  }
                  pageInfo { hasNextPage }
                }
              }
              pageInfo { hasNextPage endCursor }
            }
          }
        }
        """

    static let parts = """
        query Parts($id: ID!) {
          order(id: $id) { updatedAt fulfillments(first: 250) { id } refunds(first: 250) { id } }
        }
        """

    // Not both in one: their times have the same names and not the same type, which GraphQL refuses.
    static let fulfillments = """
        query Fulfillments($ids: [ID!]!, $events: Int!) {
          nodes(ids: $ids) { ...Parcel }
        }
        """ + parcel + report

    static let refunds = """
        query Refunds($ids: [ID!]!, $payments: Int!) {
          nodes(ids: $ids) { ...Repayment }
        }
        """ + repayment + payment + sums

    private static let whole = """

        fragment Whole on Order {
          id name email customerLocale currencyCode presentmentCurrencyCode
          createdAt processedAt updatedAt cancelledAt cancelReason closedAt
          displayFinancialStatus displayFulfillmentStatus returnStatus
          customer { id firstName lastName }
          shippingAddress { firstName lastName }
          billingAddress { firstName lastName }
          totalPriceSet { ...Sums }
          lineItems(first: $lines) { nodes { ...Line } pageInfo { hasNextPage endCursor } }
          fulfillments(first: $parcels) { ...Parcel }
          refunds(first: $refunds) { ...Repayment }
        }
        """ + line + parcel + report + repayment + payment + sums

    private static let line = """

        fragment Line on LineItem {
          id title sku quantity currentQuantity
          originalUnitPriceSet { shopMoney { amount currencyCode } }
        }
        """

    private static let parcel = """

        fragment Parcel on Fulfillment {
          id status displayStatus requiresShipping createdAt updatedAt
          trackingInfo(first: 5) { company number url }
          events(first: $events) { nodes { ...Report } pageInfo { hasNextPage endCursor } }
        }
        """

    private static let report = """

        fragment Report on FulfillmentEvent { id status message city province country happenedAt createdAt }
        """

    private static let repayment = """

        fragment Repayment on Refund {
          id createdAt updatedAt
          transactions(first: $payments) { nodes { ...Payment } pageInfo { hasNextPage endCursor } }
        }
        """

    private static let payment = """

        fragment Payment on OrderTransaction {
          id kind status gateway manualPaymentGateway createdAt processedAt
          amountSet { ...Sums }
          parentTransaction { id }
        }
        """

    private static let sums = """

        fragment Sums on MoneyBag {
          shopMoney { amount currencyCode }
          presentmentMoney { amount currencyCode }
        }
        """
}
