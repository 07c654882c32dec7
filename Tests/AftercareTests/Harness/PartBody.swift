import JSON

@testable import Aftercare

/// Bodies of what is told of an order in parts, and besides it.
enum PartBody {
    /// Of `PUT …/shipments/{shipment_external_id}`.
    static let shipment: JSON = [
        "as_of": "2026-05-04T12:00:00Z", "carrier": "DHL", "tracking_number": "T-1", "status": "in_transit",
        "status_raw": "IT", "shipped_at": "2026-05-04T11:00:00Z",
    ]

    /// Of `POST …/tracking-events`.
    static let events: JSON = [
        "events": [
            [
                "external_id": "E-1", "status": "out_for_delivery", "message": "On its way.",
                "happened_at": "2026-05-05T08:00:00Z",
            ],
            ["external_id": "E-2", "status": "delivered", "happened_at": "2026-05-05T09:00:00Z"],
        ]
    ]

    /// One of `POST /v1/stores/{store_id}/tracking-events`.
    static let eventsByNumber: JSON = [
        "tracking_number": "T-1", "external_id": "E-1", "status": "delivered", "happened_at": "2026-05-05T09:00:00Z",
    ]

    /// Of `PUT …/refunds/{refund_external_id}`.
    static let refund: JSON = [
        "as_of": "2026-05-06T10:00:00Z", "recorded_at": "2026-05-06T09:00:00Z",
        "transactions": [
            [
                "external_id": "T-1", "status": "pending", "amount": ["amount": 1990, "currency": "EUR"],
                "started_at": "2026-05-06T09:00:00Z",
            ]
        ],
    ]

    /// Of `PUT …/risk`.
    static let risk: JSON = [
        "as_of": "2026-05-04T10:30:00Z", "level": "high", "level_raw": "97", "reasons": ["The card is from afar."],
        "source": "fraud-service",
    ]

    /// Of `PUT …/customers/by-external-id/{external_id}`.
    static let customer: JSON = [
        "as_of": "2026-05-04T10:00:00Z", "email": "ada@example.com", "name": "Ada Example",
    ]

    /// Of `PUT …/stock/{sku}`.
    static let stock: JSON = ["as_of": "2026-05-04T10:00:00Z", "available": 7]
}

extension TestTenant {
    /// A part of the order `A-1`.
    func putPart(
        _ part: String,
        _ body: JSON,
        of order: String = "A-1",
        as token: String? = nil,
        headers: [(String, String)] = []
    ) async throws -> Answer {
        let method = part.hasSuffix("tracking-events") ? "POST" : "PUT"
        let path = "/v1/stores/\(store)/orders/by-external-id/\(order)/\(part)"
        return try await send(method, path, body, as: token, headers: headers)
    }

    func putStock(_ body: JSON, _ sku: String = "JK-1", headers: [(String, String)] = []) async throws -> Answer {
        try await send("PUT", "/v1/stores/\(store)/stock/\(sku)", body, headers: headers)
    }

    func putCustomer(_ body: JSON, _ id: String = "C-1") async throws -> Answer {
        try await send("PUT", "/v1/stores/\(store)/customers/by-external-id/\(id)", body)
    }
}
