import JSON
import Testing
import Time

@testable import Aftercare

/// An import is many a PUT, written at once: the two side by side, table by table.
@Suite(.timeLimit(.minutes(3))) struct ImportSameAsPutTests {
    private static func at(_ day: Int) -> JSON { .string("2026-05-\(day < 10 ? "0" : "")\(day)T10:00:00Z") }

    /// An order with everything there can be in one.
    private static func rich(_ day: Int, parcels: Int, lines: Int) -> JSON {
        func money(_ amount: Int64, _ currency: String = "EUR") -> JSON {
            ["amount": .number(JSONNumber(amount)), "currency": .string(currency)]
        }
        let shipments: [JSON] = (1...parcels).map { parcel in
            [
                "external_id": .string("P-\(parcel)"), "carrier": "DHL", "tracking_number": "T-1",
                "tracking_url": "https://example.com/T-1", "status": "in_transit", "status_raw": "Unterwegs",
                "shipped_at": at(4), "delivered_at": parcel == 1 ? at(6) : nil,
                "events": [
                    [
                        "external_id": "E-1", "status": "in_transit", "status_raw": "IT", "message": "On its way.",
                        "happened_at": at(5),
                    ],
                    ["external_id": .string("E-\(day)"), "status": "delayed", "happened_at": at(5)],
                ],
            ]
        }
        let transaction: JSON = [
            "external_id": "T-1", "status": day > 8 ? "succeeded" : "failed", "status_raw": "ok", "gateway": "visa",
            "parent_external_id": "S-1", "amount": money(500, "USD"), "shop_amount": money(450),
            "started_at": at(6), "processed_at": at(7),
        ]
        return [
            "as_of": at(day), "number": "R-1", "email": "Ada@Example.com", "customer_name": "Ada",
            "customer_locale": "de-DE", "customer_external_id": "C-1", "total": money(11_900),
            "presentment_total": money(12_900, "USD"),
            "financial_status": "partially_refunded", "financial_status_raw": "f", "fulfillment_status": "fulfilled",
            "fulfillment_status_raw": "u", "lifecycle_status": "cancelled", "lifecycle_status_raw": "l",
            "return_status": "requested", "return_status_raw": "r", "cancel_reason": "changed mind",
            "cancelled_at": at(7), "placed_at": at(1),
            "risk": ["level": "high", "level_raw": "9", "reasons": ["Far away"], "assessed_at": at(2), "source": "F"],
            "lines": .array(
                (1...lines).map { line in
                    [
                        "external_id": .string("\(line)"), "title": .string("Line \(line) of \(lines)"), "sku": "JK",
                        "quantity": 2, "unit_price": money(-5),
                    ]
                }
            ),
            "shipments": .array(shipments),
            "refunds": [
                ["external_id": "R-1", "recorded_at": at(6), "transactions": [transaction]],
                ["external_id": "R-2", "recorded_at": at(6), "transactions": []],
            ],
        ]
    }

    private static let stories: [[JSON]] = [
        [rich(8, parcels: 1, lines: 3)],
        [rich(8, parcels: 2, lines: 1), rich(9, parcels: 3, lines: 2)],
        [rich(9, parcels: 3, lines: 2), rich(8, parcels: 1, lines: 1)],
        [PutBody.order, PutBody.order, PutBody.order.with("as_of", "2026-05-05T10:00:00Z").with("lines", [])],
    ]

    @Test func `an import comes to the same as putting its lines as history, one by one`() async throws {
        let (putting, importing) = (try await TestTenant.make(), try await TestTenant.make())
        var lines: [JSON] = []
        for step in 0..<3 {
            for (number, story) in Self.stories.enumerated() where story.indices.contains(step) {
                let answer = try await putting.put(story[step].with("historical", true), "S-\(number)")
                #expect(answer.status < 300, "\(answer.json)")
                lines.append(story[step].with("external_id", .string("S-\(number)")))
            }
        }
        let done = try await importing.importOrders(lines)
        #expect(done["state"] == "succeeded" && done["lines_read"] == 8 && done["finished_at"] != .null)
        #expect(ImportFile.tally(done) == ["created": 4, "updated": 2, "unchanged": 1, "stale": 1])
        let (one, other) = (try await putting.mirror(), try await importing.mirror())
        for (table, rows) in one { #expect(other[table] == rows, "\(table)") }
        #expect(one.values.allSatisfy { !$0.isEmpty })
        // A column that is new has to be written in bulk as well: give it a value above.
        let empty = try await ImportFile.emptyColumns(of: importing.id, in: importing.server.database)
        #expect(
            empty == [
                "facts": ["event_id"],
                // What no shop can tell by a PUT.
                "orders": [
                    "redacted_at", "listed_refunds", "refunds_listed_at", "refunds_listed_hash", "verified_at",
                ],
                "refunds": ["stated_amount", "stated_currency", "reason"],
                "shipments": ["estimated_delivery", "signed_by", "tracker_said_at", "silent_since"],
                "tracking_events": ["tracking_key", "local_time", "place"],
            ]
        )
    }
}
