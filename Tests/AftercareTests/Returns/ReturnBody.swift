import JSON
import Postgres
import Testing
import Time

@testable import Aftercare

/// Bodies of Shopify's return topics, in the shapes they come in, about the demo's order.
enum ReturnBody {
    static let order = "9107199254740991001"
    static let id = "9107199254745001001"
    static let line = "9107199254745101001"

    /// `returns/request`, `returns/approve`: with the order and the lines, and without any time.
    static func whole(_ status: String, id: String = Self.id, order: String = Self.order) -> [UInt8] {
        Array(
            """
            {"id":\(id),"admin_graphql_api_id":"gid://shopify/Return/\(id)","status":"\(status)",
             "order":{"id":\(order),"admin_graphql_api_id":"gid://shopify/Order/\(order)"},
             "total_return_line_items":1,"name":"#1001-R1",
             "return_line_items":[{"id":\(line),"quantity":3,"return_reason":"size_too_small",
               "return_reason_note":"","customer_note":"Too tight.",
               "fulfillment_line_item":{"id":7,"line_item":{"id":9107199254740993001}}}]}
            """.utf8
        )
    }

    /// `returns/close` and the like, as older versions send them: the return alone.
    static func bare(_ status: String, id: String = Self.id) -> [UInt8] {
        Array(#"{"id":\#(id),"admin_graphql_api_id":"gid://shopify/Return/\#(id)","status":"\#(status)"}"#.utf8)
    }

    /// `reverse_deliveries/attach_deliverable`: names the return, and no order.
    static func label(id: String = Self.id) -> [UInt8] {
        Array(
            """
            {"id":88,"return":{"id":\(id),"admin_graphql_api_id":"gid://shopify/Return/\(id)"},
             "shipping_deliverable":{"label":{"created_at":null,"public_file_url":"https://labels.example/1.pdf"},
              "tracking":{"carrier_name":"DHL","tracking_number":"T-9","tracking_url":null}}}
            """.utf8
        )
    }

    /// Of `PUT …/returns/by-external-id/{external_id}`.
    static let put: JSON = [
        "as_of": "2026-05-04T10:00:00Z",
        "order_external_id": "A-1",
        "state": "requested",
        "lines": [["external_id": "L-1", "order_line_external_id": "1", "quantity": 3, "reason": "defective"]],
    ]

    /// What a warehouse counted.
    static func receipt(_ quantity: Int, at minute: Int) -> JSON {
        [
            "as_of": .string("2026-05-05T10:\(minute < 10 ? "0" : "")\(minute):00Z"),
            "lines": [["external_id": "L-1", "received_quantity": .number(JSONNumber(Int64(quantity)))]],
        ]
    }
}

extension TestTenant {
    func putReturn(_ body: JSON, _ id: String = "R-1", as token: String? = nil) async throws -> Answer {
        try await send("PUT", "/v1/stores/\(store)/returns/by-external-id/\(id)", body, as: token)
    }

    /// The facts about returns, each with what it is about.
    func returnFacts() async throws -> [String] {
        let rows = try await rows(
            """
            SELECT kind, episode
              FROM facts
             WHERE tenant_id = \(id.uuid) AND kind LIKE 'return%'
             ORDER BY kind, episode
            """
        )
        return try rows.decode((String, String).self).map { "\($0.0) \($0.1)" }
    }
}
