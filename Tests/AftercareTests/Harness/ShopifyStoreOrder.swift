import JSON
import Time

@testable import Aftercare

/// An order as it is in a Shopify shop at one time, and how the shop tells of it: in the words of webhooks and in those
/// of the Admin API. Times are minutes after ten o'clock UTC on 4 May 2026; the webhooks' are written in another zone.
struct ShopifyStoreOrder: Hashable {
    struct Line: Hashable {
        var id: Int
        var title = "Linen notebook"
        var sku: String? = "NOTE-A5"
        var quantity = 2
        /// With two decimals.
        var price = "19.90"
    }

    struct Report: Hashable {
        var id: Int
        /// As REST writes it.
        var status: String
        var at: Int
        var message: String?
    }

    struct Parcel: Hashable {
        var id: Int
        var status = "success"
        var createdAt: Int
        var updatedAt: Int
        var number: String? = "00340434161094042557"
        var reports: [Report] = []
    }

    struct Payment: Hashable {
        var id: Int
        var kind = "refund"
        var status = "pending"
        var amount = "10.00"
        var createdAt: Int
        var processedAt: Int?
    }

    struct Refund: Hashable {
        var id: Int
        var createdAt: Int
        var payments: [Payment] = []
    }

    /// Beyond 2^53.
    var id = 9_107_199_254_740_991_001
    var updatedAt = 0
    var email: String? = "ada@example.com"
    var financial = "pending"
    /// As the Admin API writes it.
    var fulfillment = "UNFULFILLED"
    var returns = "NO_RETURN"
    var cancelledAt: Int?
    var closedAt: Int?
    var total = "49.80"
    var lines = [Line(id: 31), Line(id: 32, title: "Pen", sku: nil, quantity: 1, price: "10.00")]
    var parcels: [Parcel] = []
    var refunds: [Refund] = []

    static let tenOClock = Instant(seconds: 1_777_888_800)

    static func utc(_ minute: Int?) -> JSON {
        guard let minute else { return .null }
        return .string("\((tenOClock + .seconds(minute * 60)).rfc3339.prefix(19))Z")
    }

    private static func local(_ minute: Int?) -> JSON {
        guard let minute else { return .null }
        return .string("\((tenOClock + .seconds(minute * 60 + 7200)).rfc3339.prefix(19))+02:00")
    }

    private static func number(_ value: Int) -> JSON { .number(JSONNumber(value)) }
    private static func text(_ value: String?) -> JSON { value.map(JSON.string) ?? JSON.null }
    static func gid(_ type: String, _ id: Int) -> JSON { .string("gid://shopify/\(type)/\(id)") }

    // MARK: Webhooks

    /// - Parameter withSets: whether refunds name the sums of both currencies, which webhooks do not.
    func rest(withSets: Bool = false) -> JSON {
        let words = ["PARTIALLY_FULFILLED": "partial", "FULFILLED": "fulfilled"]
        return [
            "id": Self.number(id), "admin_graphql_api_id": Self.gid("Order", id), "name": "#1001",
            "email": Self.text(email), "contact_email": Self.text(email), "customer_locale": "de-AT", "note": nil,
            "currency": "EUR", "presentment_currency": "USD", "total_price": .string(total),
            "total_price_set": [
                "shop_money": ["amount": .string(total), "currency_code": "EUR"],
                "presentment_money": ["amount": "54.78", "currency_code": "USD"],
            ],
            "financial_status": .string(financial), "fulfillment_status": Self.text(words[fulfillment]),
            "cancelled_at": Self.local(cancelledAt), "closed_at": Self.local(closedAt),
            "cancel_reason": Self.text(cancelledAt == nil ? nil : "customer"),
            "created_at": Self.local(0), "processed_at": Self.local(0), "updated_at": Self.local(updatedAt),
            "customer": [
                "id": 9_107_199_254_740_990_001, "first_name": "Ada", "last_name": "Example", "note": nil,
                "state": "disabled",
            ],
            "shipping_address": ["first_name": "Ada", "last_name": "Example", "city": "Vienna"],
            "billing_address": ["first_name": "Ada", "last_name": "Example", "city": "Vienna"],
            "line_items": .array(
                lines.map { line in
                    [
                        "id": Self.number(line.id), "title": .string(line.title), "sku": .string(line.sku ?? ""),
                        "quantity": Self.number(line.quantity), "price": .string(line.price), "taxable": true,
                        "current_quantity": Self.number(line.quantity),
                    ]
                }
            ),
            "fulfillments": .array(parcels.map { rest($0) }),
            "refunds": .array(refunds.map { rest($0, withSets: withSets) }),
        ]
    }

    func rest(_ parcel: Parcel) -> JSON {
        let numbers: [JSON] = parcel.number.map { [.string($0)] } ?? []
        return [
            "id": Self.number(parcel.id), "order_id": Self.number(id), "status": .string(parcel.status),
            "created_at": Self.local(parcel.createdAt), "updated_at": Self.local(parcel.updatedAt),
            "tracking_company": "DHL", "shipment_status": Self.text(parcel.reports.last?.status),
            "tracking_number": Self.text(parcel.number),
            "tracking_numbers": .array(numbers),
            "tracking_url": Self.text(parcel.number.map { "https://dhl.example/\($0)" }), "service": "manual",
        ]
    }

    func rest(_ report: Report, of parcel: Parcel) -> JSON {
        [
            "id": Self.number(report.id), "order_id": Self.number(id), "fulfillment_id": Self.number(parcel.id),
            "status": .string(report.status), "message": Self.text(report.message),
            "happened_at": Self.local(report.at), "created_at": Self.local(report.at + 1), "country": "AT",
        ]
    }

    func rest(_ refund: Refund, withSets: Bool = false) -> JSON {
        [
            "id": Self.number(refund.id), "order_id": Self.number(id), "created_at": Self.local(refund.createdAt),
            "processed_at": Self.local(refund.createdAt), "note": "Torn",
            "transactions": .array(refund.payments.map { rest($0, withSets: withSets) }),
        ]
    }

    func rest(_ payment: Payment, withSets: Bool = false) -> JSON {
        var body: JSONObject = [
            "id": Self.number(payment.id), "order_id": Self.number(id), "kind": .string(payment.kind),
            "status": .string(payment.status), "gateway": "shopify_payments", "manual_payment_gateway": false,
            "parent_id": 77,
            "amount": .string(payment.amount), "currency": "USD", "created_at": Self.local(payment.createdAt),
            "processed_at": Self.local(payment.processedAt),
        ]
        if withSets {
            body["amount_set"] = [
                "shop_money": ["amount": "9.10", "currency_code": "EUR"],
                "presentment_money": ["amount": .string(payment.amount), "currency_code": "USD"],
            ]
        }
        return .object(body)
    }

    // MARK: The Admin API

    /// All of it, whatever the lists' lengths.
    var answer: JSON {
        let person: JSON = ["firstName": "Ada", "lastName": "Example"]
        return [
            "id": Self.gid("Order", id), "name": "#1001", "email": Self.text(email), "customerLocale": "de-AT",
            "currencyCode": "EUR", "presentmentCurrencyCode": "USD", "createdAt": Self.utc(0),
            "processedAt": Self.utc(0), "updatedAt": Self.utc(updatedAt),
            "cancelledAt": Self.utc(cancelledAt), "cancelReason": Self.text(cancelledAt == nil ? nil : "CUSTOMER"),
            "closedAt": Self.utc(closedAt), "displayFinancialStatus": .string(financial.uppercased()),
            "displayFulfillmentStatus": .string(fulfillment), "returnStatus": .string(returns),
            "customer": [
                "id": "gid://shopify/Customer/9107199254740990001", "firstName": "Ada", "lastName": "Example",
            ],
            "shippingAddress": person, "billingAddress": person,
            "totalPriceSet": [
                // The API writes no zeros at the end.
                "shopMoney": ["amount": .string(String(total.dropLast())), "currencyCode": "EUR"],
                "presentmentMoney": ["amount": "54.78", "currencyCode": "USD"],
            ],
            "lineItems": Self.connection(lines.map { node($0) }),
            "fulfillments": .array(parcels.map { node($0) }),
            "refunds": .array(refunds.map { node($0) }),
        ]
    }

    /// A return as the Admin API tells it, of pieces of the order's first line.
    static func returned(_ id: Int, _ status: String, quantity: Int = 1) -> JSON {
        let line: JSON = [
            "id": gid("ReturnLineItem", id * 10), "quantity": number(quantity), "returnReason": "SIZE_TOO_SMALL",
            "returnReasonNote": "", "customerNote": "Too tight",
            "fulfillmentLineItem": ["lineItem": ["id": gid("LineItem", 31)]],
        ]
        return [
            "id": gid("Return", id), "name": .string("#1001-R\(id)"), "status": .string(status),
            "createdAt": utc(20), "decline": nil, "returnLineItems": connection([line]),
        ]
    }

    static func connection(_ nodes: [JSON], hasMore: Bool = false, cursor: String? = nil) -> JSON {
        ["nodes": .array(nodes), "pageInfo": ["hasNextPage": .bool(hasMore), "endCursor": text(cursor)]]
    }

    private func node(_ line: Line) -> JSON {
        [
            "id": Self.gid("LineItem", line.id), "title": .string(line.title), "sku": Self.text(line.sku),
            "quantity": Self.number(line.quantity), "currentQuantity": Self.number(line.quantity),
            "originalUnitPriceSet": [
                "shopMoney": ["amount": .string(String(line.price.dropLast())), "currencyCode": "EUR"]
            ],
        ]
    }

    private func node(_ parcel: Parcel) -> JSON {
        let last = parcel.reports.last?.status.uppercased()
        let shown = parcel.status == "cancelled" ? "CANCELED" : last ?? "FULFILLED"
        return [
            "id": Self.gid("Fulfillment", parcel.id), "status": .string(parcel.status.uppercased()),
            "displayStatus": .string(shown), "requiresShipping": true, "createdAt": Self.utc(parcel.createdAt),
            "updatedAt": Self.utc(parcel.updatedAt),
            "trackingInfo": [
                [
                    "company": "DHL", "number": Self.text(parcel.number),
                    "url": Self.text(parcel.number.map { "https://dhl.example/\($0)" }),
                ]
            ],
            "events": Self.connection(
                parcel.reports.map { report in
                    [
                        "id": Self.gid("FulfillmentEvent", report.id), "status": .string(report.status.uppercased()),
                        "message": .string(report.message ?? ""), "happenedAt": Self.utc(report.at),
                        "createdAt": Self.utc(report.at + 1), "city": nil, "province": nil, "country": "AT",
                    ]
                }
            ),
        ]
    }

    private func node(_ refund: Refund) -> JSON {
        [
            "id": Self.gid("Refund", refund.id), "createdAt": Self.utc(refund.createdAt),
            "updatedAt": Self.utc(updatedAt), "transactions": Self.connection(refund.payments.map { node($0) }),
        ]
    }

    private func node(_ payment: Payment) -> JSON {
        [
            "id": Self.gid("OrderTransaction", payment.id), "kind": .string(payment.kind.uppercased()),
            "status": .string(payment.status.uppercased()), "gateway": "shopify_payments",
            "manualPaymentGateway": false, "createdAt": Self.utc(payment.createdAt),
            "processedAt": Self.utc(payment.processedAt),
            "parentTransaction": ["id": "gid://shopify/OrderTransaction/77"],
            "amountSet": [
                "shopMoney": ["amount": "9.1", "currencyCode": "EUR"],
                "presentmentMoney": ["amount": .string(payment.amount), "currencyCode": "USD"],
            ],
        ]
    }
}
