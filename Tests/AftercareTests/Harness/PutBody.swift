import JSON
import Time

@testable import Aftercare

/// Bodies of `PUT …/orders/by-external-id/{external_id}`.
enum PutBody {
    /// An order that was paid and not shipped yet.
    static let order: JSON = [
        "as_of": "2026-05-04T10:00:00Z",
        "number": "A-1",
        "email": "ada@example.com",
        "customer_name": "Ada Example",
        "total": ["amount": 11900, "currency": "EUR"],
        "financial_status": "paid",
        "fulfillment_status": "unfulfilled",
        "placed_at": "2026-05-04T09:00:00Z",
        "lines": [
            [
                "external_id": "1", "title": "Rain jacket", "sku": "JK-1", "quantity": 1,
                "unit_price": ["amount": 11900, "currency": "EUR"],
            ]
        ],
    ]

    /// The same with a parcel that was delivered at this time.
    static func delivered(at instant: Instant, asOf: Instant, shipment: String = "P-1") -> JSON {
        order.with("as_of", .string(asOf.rfc3339)).with("fulfillment_status", "fulfilled").with(
            "shipments",
            [
                [
                    "external_id": .string(shipment), "carrier": "DHL", "tracking_number": "T-1",
                    "tracking_url": "https://example.com/T-1", "status": "delivered",
                    "shipped_at": .string((instant - .seconds(86_400)).rfc3339),
                    "events": [
                        [
                            "external_id": "E-1", "status": "in_transit", "message": "On its way.",
                            "happened_at": .string((instant - .seconds(3600)).rfc3339),
                        ],
                        [
                            "external_id": "E-2", "status": "delivered",
                            "happened_at": .string(instant.rfc3339),
                        ],
                    ],
                ]
            ]
        )
    }
}

extension TestTenant {
    func put(_ body: JSON, _ id: String = "A-1", store: StoreID? = nil, as token: String? = nil) async throws -> Answer
    {
        try await send("PUT", "/v1/stores/\(store ?? self.store)/orders/by-external-id/\(id)", body, as: token)
    }
}
