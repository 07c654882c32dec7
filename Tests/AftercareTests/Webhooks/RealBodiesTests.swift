import Foundation
import JSON
import Postgres
import Support
import Testing
import Time

@testable import Aftercare

/// Real bodies of real shops, read in place, through the whole receiver.
@Suite struct RealBodiesTests {
    private struct Delivery {
        let topic: String
        let body: JSON

        /// The order it is about, as its bytes say, and not as the program reads them.
        var order: String? {
            switch topic {
            case "app/uninstalled": nil
            case let topic where topic.hasPrefix("orders/"): (body["id"] ?? body["order_edit"]?["order_id"])?.serialized
            default: (body["order_id"] ?? body["order"]?["id"]).flatMap { $0.isNull ? nil : $0.serialized }
            }
        }
    }

    /// The topics of a REST answer's resources. `fulfillment_order-…` is none of them.
    private static let resources = [
        "order": "orders/updated", "fulfillment": "fulfillments/update",
        "fulfillment_event": "fulfillment_events/create", "dispute": "disputes/update",
        "customer": "customers/update",
    ]

    private static func deliveries() throws -> [Delivery] {
        var deliveries: [Delivery] = []
        let families = [
            "orders/", "fulfillments/", "fulfillment_events/", "returns/", "disputes/", "customers/", "shop/",
            "app/uninstalled",
        ]
        for file in try SharedData.files(below: "webhooks/shopify") {
            let topic = String(file.split(separator: "/").last?.dropLast(5) ?? "").replacing("__", with: "/")
            guard families.contains(where: topic.hasPrefix), ShopifyTopic(rawValue: topic) != nil else { continue }
            deliveries.append(
                Delivery(topic: topic, body: try JSON(parsing: SharedData.bytes(file), limits: .foreign))
            )
        }
        for file in try SharedData.files(below: "webhooks/shopify_rest") {
            let name = String(file.split(separator: "/").last?.prefix { $0 != "-" } ?? "")
            guard let topic = resources[name] else { continue }
            let json = try JSON(parsing: SharedData.bytes(file), limits: .foreign)
            // Most wrap one resource, or a list of them, into a member of an object.
            let wrapped = json.objectValue.flatMap { $0.count == 1 ? $0.first?.value : nil }
            let only = wrapped ?? json
            for body in only.arrayValue ?? [only] { deliveries.append(Delivery(topic: topic, body: body)) }
        }
        // Last, because nothing is applied after it.
        return deliveries.filter { $0.topic != "app/uninstalled" } + deliveries.filter { $0.topic == "app/uninstalled" }
    }

    @Test(.enabled(if: SharedData.isThere, "\(SharedData.absent)"))
    func `every real body of what is mirrored is applied, or ignored by name`() async throws {
        let tenant = try await TestTenant.make()
        let demo = DemoOrder(tenant)
        let deliveries = try Self.deliveries()
        #expect(deliveries.count > 70)
        for delivery in deliveries {
            if delivery.topic == "app/uninstalled" { try await tenant.settle() }
            #expect(try await demo.post(delivery.topic, body: delivery.body.serializedBytes).status == 200)
        }
        try await tenant.settle()

        // What became of them, by topic.
        let rows = try await tenant.rows(
            """
            SELECT topic, state, coalesce(reason, ''), count(*)
              FROM inbound_events
             WHERE tenant_id = \(tenant.id.uuid)
             GROUP BY topic, state, reason
             ORDER BY topic
            """
        )
        let outcomes = try rows.decode((String, String, String, Int).self)
        let ignored = [
            "orders/edited": "told_by_orders_updated", "fulfillment_events/delete": "deletions_not_mirrored",
            "customers/merge": "merger_not_completed", "shop/update": "shop_not_mirrored",
        ]
        for (topic, state, reason, count) in outcomes {
            print("\(topic): \(count) \(state) \(reason)")
            #expect(state == (ignored[topic] == nil ? "applied" : "ignored"), "\(topic) \(reason)")
            #expect(reason == ignored[topic] ?? "")
            #expect(count == deliveries.count { $0.topic == topic }, "\(topic)")
        }
        #expect(outcomes.map(\.0) == Set(deliveries.map(\.topic)).sorted())

        // The orders are those the bodies name, each once, none of them lost.
        let applied = deliveries.filter { ignored[$0.topic] == nil }
        let named = Set(applied.compactMap(\.order))
        let mirrored = try await tenant.rows("SELECT external_id FROM orders WHERE tenant_id = \(tenant.id.uuid)")
            .decode(String.self)
        #expect(mirrored.sorted() == named.sorted() && !named.isEmpty)
        for id in named {
            let path = "/v1/stores/\(tenant.store)/orders/by-external-id/\(id)"
            try expect(try await tenant.get(path), tells: applied.filter { $0.order == id }, id)
        }
        let connection = try await tenant.get("/v1/connections/\(tenant.demo.connection)")
        #expect(connection["state_reason"] == "app_uninstalled")
    }

    private func expect(_ order: Answer, tells deliveries: [Delivery], _ id: String) throws {
        #expect(order.status == 200)
        let bodies = deliveries.filter { $0.topic.hasPrefix("orders/") && $0.topic != "orders/delete" }.map(\.body)
        #expect(order["is_complete"] == .bool(!bodies.isEmpty), "\(id)")
        let isDeleted = deliveries.contains { $0.topic == "orders/delete" }
        #expect((order["lifecycle_status"] == "deleted") == isDeleted, "\(id)")
        // The newest body's word counts for the whole; one without a time counts from now.
        let times = bodies.compactMap { $0["updated_at"]?.stringValue.flatMap { Instant(rfc3339: $0) } }
        if let newest = times.max(), times.count == bodies.count, !isDeleted {
            #expect(order["as_of"] == .string(newest.rfc3339), "\(id)")
            let words = bodies.filter { $0["updated_at"]?.stringValue.flatMap { Instant(rfc3339: $0) } == newest }
                .compactMap { $0["financial_status"]?.stringValue }
            #expect(words.isEmpty || words.contains(order["financial_status_raw"]?.stringValue ?? ""), "\(id)")
        }
        // Every fulfillment is a shipment, wherever it was told.
        let inside = bodies.flatMap { $0["fulfillments"]?.arrayValue ?? [] }.compactMap { $0["id"]?.serialized }
        let alone = deliveries.filter { $0.topic.hasPrefix("fulfillments/") }.compactMap { $0.body["id"]?.serialized }
        let events = deliveries.filter { $0.topic == "fulfillment_events/create" }
        let shipments = order["shipments"]?.arrayValue ?? []
        #expect(
            Set(shipments.compactMap { $0["external_id"]?.stringValue })
                == Set(inside + alone + events.compactMap { $0.body["fulfillment_id"]?.serialized }),
            "\(id)"
        )
        let reports = shipments.flatMap { $0["events"]?.arrayValue ?? [] }.compactMap { $0["external_id"]?.stringValue }
        #expect(Set(reports) == Set(events.compactMap { $0.body["id"]?.serialized }), "\(id)")
    }
}
