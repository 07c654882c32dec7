import Foundation
import JSON
import Postgres
import Support
import Testing
import Time

@testable import Aftercare

/// What is told of an order in parts: parcels, carriers' reports, refunds.
@Suite struct `Parts of an order` {
    // MARK: Over HTTP

    @Test func `a warehouse tells a parcel of an order nobody knows yet, and the shop tells the order`() async throws {
        let tenant = try await TestTenant.make()
        let made = try await tenant.putPart("shipments/P-1", PartBody.shipment)
        #expect(made.status == 201 && made["outcome"] == "created", "\(made.json)")
        let id = try #require(made["order"]?["id"]?.stringValue)
        #expect(made.header("Location") == "/v1/orders/\(id)" && made.header("ETag") == "\"v1\"")
        #expect(made["order"]?["is_complete"] == false && made["order"]?["external_id"] == "A-1")
        let parcel = made["order"]?["shipments"]?[0]
        #expect(parcel?["status"] == "in_transit" && parcel?["carrier"] == "DHL" && parcel?["tracking_number"] == "T-1")

        let whole = try await tenant.put(PutBody.order)
        #expect(whole["outcome"] == "updated" && whole["order"]?["id"] == .string(id))
        #expect(whole["order"]?["is_complete"] == true && whole["order"]?["shipments"]?[0]?["status"] == "in_transit")
        try await tenant.settle()
        let facts = try await tenant.rows(
            "SELECT kind FROM facts WHERE tenant_id = \(tenant.id.uuid) ORDER BY kind"
        )
        #expect(try facts.decode(String.self) == ["order_paid", "order_placed", "shipped"])
    }

    @Test func `what a body leaves out it says nothing of, and what is older changes nothing`() async throws {
        let tenant = try await TestTenant.make()
        _ = try await tenant.putPart("shipments/P-1", PartBody.shipment)
        let again = try await tenant.putPart("shipments/P-1", PartBody.shipment)
        #expect(again.status == 200 && again["outcome"] == "unchanged" && again["order"]?["version"] == 1)
        let news: JSON = ["as_of": "2026-05-05T12:00:00Z", "status": "delivered"]
        let delivered = try await tenant.putPart("shipments/P-1", news)
        let parcel = delivered["order"]?["shipments"]?[0]
        #expect(delivered["outcome"] == "updated" && parcel?["status"] == "delivered", "\(delivered.json)")
        #expect(parcel?["tracking_number"] == "T-1" && parcel?["delivered_at"] == "2026-05-05T12:00:00.000Z")
        let late: JSON = ["as_of": "2026-05-04T11:00:00Z", "status": "label_created", "carrier": "UPS"]
        let stale = try await tenant.putPart("shipments/P-1", late)
        #expect(stale["outcome"] == "stale" && stale["order"]?["version"] == 2)
        #expect(stale["order"] == delivered["order"])
        // The shop's whole order is newer, and has another number.
        let whole = PutBody.order.with("as_of", "2026-05-06T10:00:00Z").with(
            "shipments",
            [["external_id": "P-1", "carrier": "GLS", "tracking_number": "T-2", "status": "delivered"]]
        )
        let shops = try await tenant.put(whole)["order"]?["shipments"]?[0]
        #expect(shops?["carrier"] == "GLS" && shops?["tracking_number"] == "T-2")
        #expect(shops?["delivered_at"] == "2026-05-05T12:00:00.000Z")
    }

    @Test func `a carrier's reports are each told once, and go the walk to one mail`() async throws {
        let tenant = try await TestTenant.make()
        let now = tenant.server.environment.clock.now()
        func ago(_ seconds: Int) -> JSON { .string((now - .seconds(seconds)).rfc3339) }
        _ = try await tenant.put(PutBody.order.with("as_of", ago(200_000)).with("placed_at", ago(300_000)))
        let events: JSON = [
            "events": [
                ["external_id": "E-1", "status": "in_transit", "happened_at": ago(180_000)],
                ["external_id": "E-2", "status": "delivered", "happened_at": ago(90_000)],
            ]
        ]
        let made = try await tenant.putPart("shipments/P-1/tracking-events", events)
        #expect(made.status == 201 && made["order"]?["shipments"]?[0]?["status"] == "delivered", "\(made.json)")
        for _ in 0..<3 {
            let again = try await tenant.putPart("shipments/P-1/tracking-events", events)
            #expect(again.status == 200 && again["outcome"] == "unchanged" && again["order"]?["version"] == 2)
        }
        let more: JSON = ["events": [["external_id": "E-0", "status": "picked_up", "happened_at": ago(190_000)]]]
        let added = try await tenant.putPart("shipments/P-1/tracking-events", more)
        #expect(added["outcome"] == "updated" && added["order"]?["shipments"]?[0]?["events"]?.arrayValue?.count == 3)
        try await tenant.settle()
        try await tenant.advance(days: 60)
        #expect(try await tenant.list("/v1/messages").map { $0["state"] } == ["accepted"])
    }

    @Test func `a refund goes from recorded to moved, and its customer is told`() async throws {
        let tenant = try await TestTenant.make()
        let now = tenant.server.environment.clock.now().rfc3339
        _ = try await tenant.put(PutBody.order)
        let first = try await tenant.putPart("refunds/RF-1", PartBody.refund)
        #expect(first.status == 201 && first["order"]?["refunds"]?[0]?["state"] == "pending", "\(first.json)")
        let moved = PartBody.refund.with("as_of", .string(now)).with("recorded_at", .string(now)).with(
            "transactions",
            [["external_id": "T-1", "status": "succeeded", "amount": ["amount": 1990, "currency": "EUR"]]]
        )
        let second = try await tenant.putPart("refunds/RF-1", moved)
        #expect(second["outcome"] == "updated" && second["order"]?["refunds"]?[0]?["state"] == "succeeded")
        #expect(try await tenant.putPart("refunds/RF-1", moved)["outcome"] == "unchanged")
        #expect(try await tenant.putPart("refunds/RF-1", PartBody.refund)["outcome"] == "stale")
        try await tenant.settle()
        let facts = try await tenant.rows(
            "SELECT kind FROM facts WHERE tenant_id = \(tenant.id.uuid) AND episode = 'RF-1' ORDER BY kind"
        )
        #expect(try facts.decode(String.self) == ["refund_recorded", "refund_succeeded"])
    }

    @Test func `everything wrong is said at once, and nothing of it is taken`() async throws {
        let tenant = try await TestTenant.make()
        func pointers(_ part: String, _ body: JSON) async throws -> Set<String> {
            let refused = try await tenant.putPart(part, body)
            #expect(refused.status == 422, "\(refused.json)")
            return Set(refused.pointers)
        }
        let parcel: JSON = [
            "as_of": "today", "carrier": "", "tracking_url": "ftp://x", "status": nil, "status_raw": "x",
            "colour": "red", "events": [["external_id": "1", "status": "gone", "happened_at": "now"]],
        ]
        #expect(
            try await pointers("shipments/P-1", parcel) == [
                "#/as_of", "#/carrier", "#/tracking_url", "#/status_raw", "#/colour", "#/events/0/status",
                "#/events/0/happened_at",
            ]
        )
        let event: JSON = ["external_id": "1", "status": "lost", "happened_at": "2026-05-05T08:00:00Z"]
        let reports: JSON = ["events": [event, event.with("status", "gone"), ["external_id": "2", "status": "lost"]]]
        #expect(
            try await pointers("shipments/P-1/tracking-events", reports) == [
                "#/events/1/status", "#/events/2/happened_at",
            ]
        )
        #expect(
            try await pointers("shipments/P-1/tracking-events", ["events": [event, event]]) == [
                "#/events/1/external_id"
            ]
        )
        #expect(try await pointers("shipments/P-1/tracking-events", ["events": []]) == ["#/events"])
        let transaction: JSON = ["external_id": "T", "status": "pending"]
        let refund: JSON = ["transactions": [transaction, transaction], "external_id": "RF-1"]
        #expect(
            try await pointers("refunds/RF-1", refund) == [
                "#/as_of", "#/transactions/1/external_id", "#/external_id",
            ]
        )
        let ahead = (tenant.server.environment.clock.now() + .seconds(100_000)).rfc3339
        for (part, body) in [("shipments/P-1", PartBody.shipment), ("refunds/RF-1", PartBody.refund)] {
            #expect(try await pointers(part, body.with("as_of", .string(ahead))) == ["#/as_of"])
        }
        let late = event.with("happened_at", .string(ahead))
        #expect(
            try await pointers("shipments/P-1/tracking-events", ["events": [event, late.with("external_id", "2")]]) == [
                "#/events/1/happened_at"
            ]
        )
        let parcels = PartBody.shipment.with("delivered_at", .string(ahead)).with("events", [late])
        #expect(try await pointers("shipments/P-1", parcels) == ["#/delivered_at", "#/events/0/happened_at"])
        #expect(try await tenant.list("/v1/orders").isEmpty)
        let long = try await tenant.putPart("shipments/\(String(repeating: "x", count: 256))", PartBody.shipment)
        #expect(long.status == 400 && long["errors"]?[0]?["parameter"] == "shipment_external_id")
    }

    @Test func `a transaction is one refund's, and one letter is one letter however it is spelled`() async throws {
        let tenant = try await TestTenant.make()
        #expect(try await tenant.putPart("refunds/R-1", PartBody.refund).status == 201)
        let taken = try await tenant.putPart("refunds/R-2", PartBody.refund)
        #expect(taken.status == 422 && taken.pointers == ["#/transactions/0/external_id"])
        let whole = PutBody.order.with(
            "refunds",
            [["external_id": "R-3", "transactions": PartBody.refund["transactions"] ?? []]]
        )
        let refused = try await tenant.put(whole)
        #expect(refused.status == 422 && refused.pointers == ["#/refunds/0/transactions/0/external_id"])
        // Composed, and letter by letter.
        let other = try await TestTenant.make()
        #expect(try await other.putPart("refunds/%C3%A9", PartBody.refund).status == 201)
        let respelled = try await other.putPart("refunds/e%CC%81", PartBody.refund)
        #expect(respelled.status == 200 && respelled["order"]?["refunds"]?.arrayValue?.count == 1, "\(respelled.json)")
    }

    private static let parts: [(String, JSON)] = [
        ("shipments/P-1", PartBody.shipment), ("shipments/P-1/tracking-events", PartBody.events),
        ("refunds/RF-1", PartBody.refund), ("risk", PartBody.risk),
    ]

    @Test func `another's store is not there, a reader may not write, and a version is matched`() async throws {
        let (tenant, stranger) = (try await TestTenant.make(), try await TestTenant.make())
        let bound = try await tenant.key([.ordersWrite], store: try await tenant.addStore())
        let reader = try await tenant.key([.ordersRead])
        for (part, body) in Self.parts {
            let path = "/v1/stores/\(tenant.store)/orders/by-external-id/A-1/\(part)"
            let method = part.hasSuffix("tracking-events") ? "POST" : "PUT"
            #expect(try await stranger.send(method, path, body).status == 404)
            #expect(try await tenant.putPart(part, body, as: bound).status == 404)
            #expect(try await tenant.putPart(part, body, as: reader).status == 403)
            #expect(try await tenant.putPart(part, body, headers: [("If-Match", "*")]).status == 412)
        }
        _ = try await tenant.put(PutBody.order)
        let parcel = PartBody.shipment
        #expect(try await tenant.putPart("shipments/P-1", parcel, headers: [("If-Match", "\"v2\"")]).status == 412)
        #expect(try await tenant.putPart("shipments/P-1", parcel, headers: [("If-Match", "\"v1\"")]).status == 201)
        let key = [("Idempotency-Key", "one")]
        let first = try await tenant.putPart("refunds/RF-1", PartBody.refund, headers: key)
        let again = try await tenant.putPart("refunds/RF-1", PartBody.refund, headers: key)
        #expect(first.status == 201 && again.json == first.json && again.header("Idempotent-Replayed") == "true")
    }

    @Test func `history starts nothing, whoever tells the part`() async throws {
        let tenant = try await TestTenant.make()
        for (part, body) in Self.parts { _ = try await tenant.putPart(part, body.with("historical", true)) }
        let order = try #require(try await tenant.list("/v1/orders").first)
        #expect(order["historical"] == true && order["risk_level"] == "high")
        #expect(try await tenant.count("SELECT count(*) FROM jobs WHERE tenant_id = \(tenant.id.uuid)") == 0)
        #expect(try await tenant.list("/v1/tickets").isEmpty)
    }

    // MARK: In any order

    private static let now = Instant(seconds: 1_790_000_000)

    private typealias Telling = (OrderState?) -> OrderState?

    private static func parts(_ whole: JSON) throws -> [Telling] {
        func taken(_ apply: @escaping (OrderState?) -> (PutOrder.Outcome, OrderMirror.Outcome?)) -> Telling {
            { known in apply(known).1?.state ?? known }
        }
        let asOf = whole["as_of"] ?? .null
        func bare(_ json: JSON, without names: [String]) -> JSON {
            var object = JSONObject()
            for member in json.objectValue ?? [:] where !names.contains(member.name) {
                object[member.name] = member.value
            }
            object["as_of"] = asOf
            return .object(object)
        }
        var tellings: [Telling] = []
        let order = try FieldReader.read(bare(whole, without: ["shipments", "refunds", "risk"]), PutOrder.init)
        tellings.append(taken { order.apply(to: $0, of: "A-1", receivedAt: now) })
        for shipment in whole["shipments"]?.arrayValue ?? [] {
            let id = shipment["external_id"]?.stringValue ?? ""
            let body = bare(shipment, without: ["external_id", "events"])
            let parcel = try FieldReader.read(body) { (body) throws(FieldErrors) in try PutShipment(&body, id) }
            tellings.append(taken { parcel.apply(to: $0, of: "A-1", receivedAt: now) })
            for event in shipment["events"]?.arrayValue ?? [] {
                let report = try FieldReader.read(["events": [event]], PutTracking.init)
                tellings.append(taken { report.apply(to: $0, of: "A-1", shipment: id, receivedAt: now) })
            }
        }
        for refund in whole["refunds"]?.arrayValue ?? [] {
            let id = refund["external_id"]?.stringValue ?? ""
            let body = bare(refund, without: ["external_id"])
            let told = try FieldReader.read(body) { (body) throws(FieldErrors) in try PutRefund(&body, id) }
            tellings.append(taken { told.apply(to: $0, of: "A-1", receivedAt: now) })
        }
        let risk = try FieldReader.read(bare(whole["risk"] ?? [:], without: []), PutRisk.init)
        tellings.append(taken { risk.apply(to: $0, of: "A-1", receivedAt: now) })
        return tellings
    }

    /// All of a state but the hashes that tell one body from another.
    private static func mirror(_ state: OrderState?) throws -> [String] {
        let state = try #require(state)
        var lines = ["\(state.values)", "\(state.isComplete) \(state.isHistorical)"]
        for (id, parcel) in state.shipments.sorted(by: { $0.key < $1.key }) {
            let events = parcel.events.values.sorted { $0.precedes($1) }
            lines.append(
                "\(id) \(parcel.values) \(parcel.status) \(parcel.statusRaw ?? "") \(parcel.isDelayed) \(events)"
                    + " \(parcel.shippedAt?.rfc3339 ?? "") \(parcel.deliveredAt?.rfc3339 ?? "")"
            )
        }
        for (id, refund) in state.refunds.sorted(by: { $0.key < $1.key }) {
            lines.append("\(id) \(refund.state) \(refund.amount as Any) \(refund.moved as Any) \(refund.recordedAt)")
        }
        for (id, risk) in state.risks.sorted(by: { $0.key < $1.key }) {
            lines.append("\(id) \(risk.level) \(risk.reasons) \(risk.assessedAt?.rfc3339 ?? "")")
        }
        return lines + state.facts.map { "\($0.kind) \($0.episode) \($1.rfc3339)" }.sorted()
    }

    // domain.md 5, Ingest 3.
    @Test(arguments: 0..<30 as Range<UInt64>)
    func `an order told in parts, in whatever order and again, is the order told as a whole`(_ seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let transaction: JSON = [
            "external_id": "T-1", "status": "succeeded", "amount": ["amount": 500, "currency": "EUR"],
            "processed_at": "2026-05-04T09:40:00Z",
        ]
        let whole = PutBody.delivered(at: Instant(seconds: 1_780_000_000), asOf: Instant(seconds: 1_780_000_060))
            .with("refunds", [["external_id": "RF-1", "transactions": [transaction]]])
            .with("risk", ["level": "medium", "reasons": ["Far away"], "source": "F"])
        let told = try FieldReader.read(whole, PutOrder.init)
        let expected = try Self.mirror(told.apply(to: nil, of: "A-1", receivedAt: Self.now).1?.state)
        let parts = try Self.parts(whole)
        for _ in 0..<5 {
            var state: OrderState?
            for part in (parts + parts).shuffled(using: &random) { state = part(state) }
            #expect(try Self.mirror(state) == expected)
        }
        // And the whole among its parts.
        var state: OrderState?
        let among = parts.shuffled(using: &random)
        for (index, part) in among.enumerated() {
            if index == among.count / 2 {
                state = told.apply(to: state, of: "A-1", receivedAt: Self.now).1?.state ?? state
            }
            state = part(state)
        }
        #expect(try Self.mirror(state) == expected)
    }
}
