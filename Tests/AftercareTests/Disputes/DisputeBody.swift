import JSON
import Time

@testable import Aftercare

/// Bodies of Shopify's dispute topics, in the shape they come in, about the demo's order.
enum DisputeBody {
    static let id = "9107199254746001001"

    static func webhook(
        _ status: String,
        type: String = "chargeback",
        order: String? = ReturnBody.order,
        due: String? = "2026-06-30T00:00:00Z",
        sent: String? = nil
    ) -> [UInt8] {
        func text(_ text: String?) -> String { text.map { "\"\($0)\"" } ?? "null" }
        return Array(
            """
            {"id":\(id),"order_id":\(order ?? "null"),"type":"\(type)","amount":"11.50","currency":"EUR",
             "reason":"fraudulent","network_reason_code":"4837","status":"\(status)","evidence_due_by":\(text(due)),
             "evidence_sent_on":\(text(sent)),"finalized_on":null,"initiated_at":"2026-05-20T12:00:00Z"}
            """.utf8
        )
    }

    /// Of `PUT …/disputes/by-external-id/{external_id}`.
    static let put: JSON = [
        "as_of": "2026-05-04T10:00:00Z",
        "type": "inquiry",
        "status": "needs_response",
        "amount": ["amount": 1150, "currency": "EUR"],
        "reason": "product_not_received",
        "evidence_due_by": "2026-05-20T00:00:00Z",
    ]
}

extension TestTenant {
    func putDispute(_ body: JSON, _ id: String = "D-1") async throws -> Answer {
        try await send("PUT", "/v1/stores/\(store)/disputes/by-external-id/\(id)", body)
    }
}
