import JSON
import Time

@testable import Aftercare

/// Bodies as WooCommerce makes them, with all that counts and a little of what does not.
enum WooOrder {
    static let tenOClock = Instant(seconds: 1_777_888_800)

    /// An order of 4 May 2026, modified that many minutes after ten o'clock UTC. The shop's own clock shows two hours
    /// more, which nothing may be read from.
    static func body(_ id: Int = 727, minute: Int = 0, _ changes: (String, JSON)...) -> JSON {
        body(id, at: tenOClock + .seconds(minute * 60), changes)
    }

    static func body(_ id: Int = 727, at modified: Instant, _ changes: [(String, JSON)]) -> JSON {
        let begun = modified - .seconds(2 * 3600)
        let body: JSON = [
            "id": .number(JSONNumber(id)), "parent_id": 0, "number": .string("\(id)"), "created_via": "checkout",
            "status": "processing", "currency": "EUR", "currency_symbol": "€",
            "date_created": gmt(begun + .seconds(7200)), "date_created_gmt": gmt(begun),
            "date_modified": gmt(modified + .seconds(7200)), "date_modified_gmt": gmt(modified),
            "date_paid": gmt(begun + .seconds(7205)), "date_paid_gmt": gmt(begun + .seconds(5)),
            "date_completed": nil, "date_completed_gmt": nil, "total": "49.90", "total_tax": "7.97", "customer_id": 0,
            "billing": [
                "first_name": "Ada", "last_name": "Example", "company": "", "email": "ada@example.com", "phone": "",
            ],
            "shipping": ["first_name": "", "last_name": ""],
            "payment_method": "stripe", "transaction_id": "ch_1", "meta_data": [],
            "line_items": [
                [
                    "id": 31, "name": "Rain jacket", "product_id": 9, "quantity": 1, "sku": "JK-1", "price": 39.9,
                    "total": "39.90", "meta_data": [],
                ],
                ["id": 32, "name": "Socks", "product_id": 8, "quantity": 2, "sku": "", "price": 5, "total": "10.00"],
            ],
            "shipping_lines": [], "refunds": [], "_links": [:],
        ]
        return changes.reduce(body) { $0.with($1.0, $1.1) }
    }

    /// As WooCommerce writes a time: to the second, and of no zone.
    static func gmt(_ instant: Instant) -> JSON { .string(String(instant.rfc3339.prefix(19))) }

    static func refund(_ id: Int, _ amount: String, reason: String = "") -> JSON {
        ["id": .number(JSONNumber(id)), "reason": .string(reason), "total": .string("-\(amount)")]
    }

    /// What the extension Shipment Tracking leaves in `meta_data`.
    static func tracking(_ items: JSON...) -> JSON {
        [
            ["id": 1, "key": "_order_stock_reduced", "value": "yes"],
            ["id": 2, "key": "_wc_shipment_tracking_items", "value": .array(items)],
        ]
    }

    static func parcel(_ id: String, number: String = "00340434", shippedOn day: String = "1777852800") -> JSON {
        [
            "tracking_provider": "dhl", "custom_tracking_provider": nil, "custom_tracking_link": nil,
            "tracking_number": .string(number), "date_shipped": .string(day), "tracking_id": .string(id),
        ]
    }

    // MARK: Applied

    struct Event: Hashable {
        var topic = "order.updated"
        let body: JSON
        var receivedAt = Instant(seconds: 1_800_000_000)
    }

    static func applied(_ events: [Event]) throws -> (state: OrderState, facts: [Fact.Key]) {
        var state: OrderState?
        var facts: [Fact.Key] = []
        for event in events {
            let understanding = try WooCommerce.understand(
                topic: event.topic,
                body: event.body.serializedBytes,
                receivedAt: event.receivedAt
            )
            guard case .changes(let changes) = understanding else { continue }
            let outcome = OrderMirror.apply(changes, to: state, receivedAt: event.receivedAt)
            state = outcome.state
            facts += outcome.facts.map(\.key)
        }
        return (state ?? OrderState(), facts)
    }

    static func state(_ bodies: JSON...) throws -> OrderState { try applied(bodies.map { Event(body: $0) }).state }
}
