import Foundation
import JSON
import Postgres
import Support
import Testing
import Time

@testable import Aftercare

/// Real bodies of real WooCommerce shops, read in place, through the whole receiver.
@Suite struct WooCommerceRealBodiesTests {
    /// What a file holds. Only orders come by webhook; the rest is what the shop's REST API answers.
    private enum Kind: String, CaseIterable {
        case order
        case refund = "refund (REST only)"
        case parcel = "shipment tracking (REST of an extension only)"
        case note = "order note (REST only)"
        case webhook = "webhook resource (REST only)"
        case failure = "error (REST only)"

        init?(_ json: JSON) {
            switch json {
            case _ where json["error"] != nil: self = .failure
            case _ where json["delivery_url"] != nil: self = .webhook
            case _ where json["tracking_id"] != nil: self = .parcel
            case _ where json["note"] != nil: self = .note
            case _ where json["refunded_payment"] != nil: self = .refund
            case _ where json["status"] != nil && json["line_items"] != nil: self = .order
            default: return nil
            }
        }
    }

    @Test(.enabled(if: SharedData.isThere, "\(SharedData.absent)"))
    func `every real order is applied, or ignored by name`() async throws {
        let tenant = try await TestTenant.make()
        let shop = try await WooShop.connect(tenant)
        let files = try SharedData.files(below: "webhooks/woocommerce")
        #expect(files.count == 81)
        var orders: [JSON] = []
        var counts: [Kind: Int] = [:]
        for file in files {
            let json = try JSON(parsing: SharedData.bytes(file), limits: .foreign)
            let kind = try #require(Kind(json), "\(file)")
            counts[kind, default: 0] += 1
            if kind == .order { orders.append(json) }
        }
        for kind in Kind.allCases where kind != .order { print("\(kind.rawValue): \(counts[kind] ?? 0)") }

        // Each with its very bytes; a body that is in two files is one delivery.
        var expected: [String: String] = [:]
        for order in orders {
            let answer = try await shop.post("order.updated", order)
            #expect(answer.status == 200)
            let isDraft = order["status"]?.stringValue?.hasSuffix("draft") == true
            expected[try #require(answer["id"]?.stringValue)] = isDraft ? "ignored draft_order" : "applied"
        }
        try await tenant.settle()
        var outcomes: [String: Int] = [:]
        for (id, outcome) in expected {
            let event = try await tenant.get("/v1/inbound-events/\(id)")
            let words = [event["state"]?.stringValue, event["reason"]?.stringValue].compactMap { $0 }
            #expect(words.joined(separator: " ") == outcome)
            outcomes[words.joined(separator: " "), default: 0] += 1
        }
        for (outcome, count) in outcomes.sorted(by: { $0.key < $1.key }) { print("order: \(count) \(outcome)") }

        // The orders are those the bodies name, each once, none of them lost.
        let placed = orders.filter { $0["status"]?.stringValue?.hasSuffix("draft") != true }
        let named = Set(placed.compactMap { $0["id"]?.serialized })
        let mirrored = try await tenant.rows("SELECT external_id FROM orders WHERE tenant_id = \(tenant.id.uuid)")
            .decode(String.self)
        #expect(mirrored.sorted() == named.sorted() && named.count >= 20)
        for id in named {
            let order = try await shop.order(try #require(Int(id)))
            try expect(order, tells: placed.filter { $0["id"]?.serialized == id }, id)
        }
    }

    @Test(.enabled(if: SharedData.isThere, "\(SharedData.absent)"))
    func `every real order is mirrored when the shop is asked, with its real refunds`() async throws {
        try await WooCommerceShop.run { shop in
            let tenant = try await TestTenant.make()
            let connected = try await WooShop.connect(tenant, to: shop)
            try await tenant.settle()
            var orders: [String: JSON] = [:]
            for file in try SharedData.files(below: "webhooks/woocommerce") {
                let json = try JSON(parsing: SharedData.bytes(file), limits: .foreign)
                guard Kind(json) == .order, let id = json["id"]?.serialized else { continue }
                shop.put(json)
                orders[id] = json
            }
            // Order 560's, of which the gateway has paid some.
            let rows = try SharedData.files(below: "webhooks/woocommerce").filter {
                $0.contains("order-560-all-refunds")
            }
            .map { try JSON(parsing: SharedData.bytes($0), limits: .foreign) }
            shop.putRefunds(rows, of: 560)
            let sweep = try await connected.pull(.sweep)
            #expect(sweep["failure"] == .null && sweep["changed"]?.int64Value == Int64(orders.count))
            let placed = orders.filter { $0.value["status"]?.stringValue?.hasSuffix("draft") != true }
            let mirrored = try await tenant.rows("SELECT external_id FROM orders WHERE tenant_id = \(tenant.id.uuid)")
                .decode(String.self)
            #expect(mirrored.sorted() == placed.keys.sorted() && placed.count >= 20)
            for (id, order) in placed {
                let read = try await connected.order(try #require(Int(id)))
                #expect(read["financial_status_raw"] == order["status"] && read["total"] != .null, "\(id)")
                // A past that starts nothing.
                #expect(read["historical"] == true, "\(id)")
            }
        }
    }

    private func expect(_ order: Answer, tells bodies: [JSON], _ id: String) throws {
        #expect(order.status == 200 && order["is_complete"] == true, "\(id)")
        // The newest body's word counts.
        let newest = bodies.compactMap { $0["date_modified_gmt"]?.stringValue }.max()
        #expect(order["as_of"] == newest.map { .string($0 + ".000Z") } ?? .null, "\(id)")
        let told = bodies.filter { $0["date_modified_gmt"]?.stringValue == newest }
        #expect(told.contains { $0["status"] == order["financial_status_raw"] }, "\(id)")
        #expect(order["financial_status"] != "unknown" && order["total"] != .null, "\(id)")
        let lines = Set(order["lines"]?.arrayValue?.compactMap { $0["external_id"]?.stringValue } ?? [])
        #expect(told.contains { Set(Self.ids($0["line_items"])) == lines }, "\(id)")
        let refunds = order["refunds"]?.arrayValue ?? []
        #expect(
            Set(refunds.compactMap { $0["external_id"]?.stringValue })
                == Set(bodies.flatMap { Self.ids($0["refunds"]) })
        )
        #expect(refunds.allSatisfy { $0["state"] == "recorded_unverified" && $0["amount"] != .null }, "\(id)")
        if !refunds.isEmpty { #expect(order["financial_status"]?.stringValue?.hasSuffix("refunded") == true, "\(id)") }
        let metadata = bodies.flatMap { $0["meta_data"]?.arrayValue ?? [] }
        let noted = metadata.filter { $0["key"] == "_wc_shipment_tracking_items" }
        let parcels = noted.flatMap { $0["value"]?.arrayValue ?? [] }.compactMap { $0["tracking_id"]?.stringValue }
        let shipments = order["shipments"]?.arrayValue?.compactMap { $0["external_id"]?.stringValue } ?? []
        #expect(shipments.sorted() == parcels.sorted(), "\(id)")
    }

    private static func ids(_ list: JSON?) -> [String] { (list?.arrayValue ?? []).compactMap { $0["id"]?.serialized } }
}
