import JSON
import Postgres
import Support
import Testing
import Time

@testable import Aftercare

/// `GET /v1/orders/{order_id}/state` over real HTTP, and the tickets of what contradicts itself.
@Suite(.timeLimit(.minutes(2))) struct OrderStateTests {
    private func expectFits(_ answer: Answer, sourceLocation: SourceLocation = #_sourceLocation) throws {
        let specification = try Specification.load()
        let operation = try #require(
            specification.operations.first { $0.name == "GET /v1/orders/{order_id}/state" }
        )
        let response = try #require(try specification.responses(of: operation).first { $0.status == "200" })
        let schema = try #require(response.value["content"]?["application/json"]?["schema"])
        let violations = try SchemaValidator(document: specification).violations(of: answer.json, against: schema)
        #expect(answer.status == 200 && violations.isEmpty, "\(violations)", sourceLocation: sourceLocation)
    }

    /// Of an order by its id in the shop.
    private func state(_ tenant: TestTenant, _ order: String, as token: String? = nil) async throws -> Answer {
        let id = try #require(try await tenant.order(order)["id"]?.stringValue)
        let answer = try await tenant.get("/v1/orders/\(id)/state", as: token)
        try expectFits(answer)
        return answer
    }

    private func kinds(_ state: Answer) -> [String] {
        state["conflicts"]?.arrayValue?.compactMap { $0["kind"]?.stringValue } ?? []
    }

    private func tickets(_ tenant: TestTenant) async throws -> [String] {
        try await tenant.list("/v1/tickets").compactMap { $0["kind"]?.stringValue }.sorted()
    }

    // MARK: What contradicts itself

    // domain.md 5, case 19.
    @Test func `delivered by the carrier while the shop says unfulfilled: shown at once, a ticket once it insists`()
        async throws
    {
        let tenant = try await TestTenant.make()
        let carrier = try await TrackerConnection.make(tenant, .easypost)
        let placedAt = tenant.ago(days: 4)
        func tell(_ status: JSON, _ asOf: Instant) async throws {
            let changes: [(String, JSON)] = [("as_of", .string(asOf.rfc3339)), ("fulfillment_status", status)]
            _ = try await tenant.putOrder("727", numbers: [("p1", "N1")], placedAt: placedAt, changes)
            try await tenant.settle()
        }
        try await tell("unfulfilled", tenant.ago(days: 3))
        let scans = tenant.times([3, 2, 1])
        var body = ParcelBody.journey(.easypost, scans, number: "N1")
        body.updatedAt = tenant.ago(days: 1).rfc3339
        try await carrier.post(body)
        try await tenant.settle()
        let early = try await state(tenant, "727")
        #expect(kinds(early) == ["delivered_but_unfulfilled"])
        #expect(early["conflicts"]?[0]?["severity"] == "notice" && early["conflicts"]?[0]?["ticket_id"] == .null)
        #expect(try await tickets(tenant) == [])

        // Twice, the second with a time of its own.
        let insistsAt = tenant.ago(days: 0)
        for second in 0..<2 { try await tell("unfulfilled", insistsAt + .seconds(second)) }
        let late = try await state(tenant, "727")
        #expect(kinds(late) == ["delivered_but_unfulfilled"])
        let conflict = try #require(late["conflicts"]?[0])
        let evidence = try #require(conflict["evidence"]?.arrayValue)
        #expect(conflict["severity"] == "warning" && evidence.map { $0["source"] } == ["shop", "carrier"])
        #expect(evidence.map { $0["subject"] } == ["order", "tracking_event"])
        #expect(evidence.first?["id"] == late["order_id"])
        #expect(evidence.last?["id"] == late["shipment"]?["parcels"]?[0]?["id"])
        #expect(evidence.last?["happened_at"]?.stringValue == scans[2])
        #expect(evidence.allSatisfy { $0["received_at"]?.stringValue != nil })
        #expect(try await tickets(tenant) == ["conflicting_order_data"])
        let ticket = try await tenant.ticket(conflict["ticket_id"])
        #expect(ticket["order_id"] == late["order_id"] && ticket["comments"]?.arrayValue?.count == 1)
        let text = ticket["comments"]?[0]?["body"]?.stringValue ?? ""
        #expect(text.hasPrefix(OrderConflict.Kind.deliveredButUnfulfilled.sentence), "\(text)")
        #expect(text.contains("the order is unfulfilled") && text.contains("the parcel is delivered"))

        // The shop comes round.
        try await tell("fulfilled", insistsAt + .seconds(60))
        #expect(try await kinds(state(tenant, "727")) == [])
    }

    // domain.md 5, case 15.
    @Test func `delivered and then on its way, told again and again, is one ticket`() async throws {
        let tenant = try await TestTenant.make()
        let carrier = try await TrackerConnection.make(tenant, .easypost)
        try await tenant.putOrder("A-1", numbers: [("P-1", "N1")], placedAt: tenant.ago(days: 6))
        var body = ParcelBody.journey(.easypost, tenant.times([5, 4, 3]), number: "N1")
        body.scans.append(.init(status: "in_transit", at: tenant.times([2])[0], message: "Departed"))
        let lastTold = tenant.ago(days: 1)
        for hour in 0..<3 {
            body.updatedAt = (lastTold - .seconds(hour * 3600)).rfc3339
            try await carrier.post(body)
            try await tenant.settle()
        }
        let state = try await state(tenant, "A-1")
        #expect(kinds(state) == ["scanned_after_delivery"])
        let conflict = try #require(state["conflicts"]?[0])
        #expect(
            conflict["evidence"]?.arrayValue?.map { $0["says"] } == [
                "the parcel is delivered", "the parcel is in_transit",
            ]
        )
        #expect(try await tickets(tenant) == ["conflicting_tracking"])
        #expect(try await tenant.ticket(conflict["ticket_id"])["comments"]?.arrayValue?.count == 1)
        let parcel = try #require(state["shipment"]?["parcels"]?[0])
        #expect(parcel["told_by"] == "carrier" && parcel["status"] == "delivered")
        #expect(parcel["verified_at"]?.stringValue == lastTold.rfc3339)
    }

    // domain.md 5, case 12.
    @Test func `refunds above what was paid, and one that is taken back, are for a person`() async throws {
        let tenant = try await TestTenant.make()
        let shop = try await WooShop.connect(tenant)
        let start = tenant.ago(days: 2)
        func order(_ hour: Int, _ refunds: JSON...) -> JSON {
            let changes: [(String, JSON)] = [
                ("date_created_gmt", WooOrder.gmt(start)), ("refunds", .array(refunds)),
            ]
            return WooOrder.body(727, at: start + .seconds(hour * 3600), changes)
        }
        let (one, two) = (WooOrder.refund(801, "30.00"), WooOrder.refund(802, "30.00"))
        try await shop.post("order.updated", order(1, one))
        try await tenant.settle()
        #expect(try await kinds(state(tenant, "727")) == [])
        #expect(try await tickets(tenant) == [])
        try await shop.post("order.updated", order(2, one, two))
        try await tenant.settle()
        let above = try await state(tenant, "727")
        #expect(kinds(above) == ["refunded_above_total"])
        let evidence = above["conflicts"]?[0]?["evidence"]?.arrayValue ?? []
        #expect(evidence.map { $0["subject"] } == ["order", "refund", "refund"])
        #expect(evidence.compactMap { $0["amount"]?["amount"]?.int64Value } == [4_990, 3_000, 3_000])
        #expect(evidence.last?["id"]?.stringValue?.hasPrefix("rfd_") == true)
        #expect(above["conflicts"]?[0]?["ticket_id"]?.stringValue != nil)

        for _ in 0..<2 {
            try await shop.post("order.updated", order(3, one))
            try await tenant.settle()
        }
        let back = try await state(tenant, "727")
        #expect(kinds(back) == ["refund_taken_back"] && back["money"]?["moved"] == .null)
        #expect(back["money"]?["refunds"]?.arrayValue?.map { $0["state"] } == ["recorded_unverified", "removed"])
        #expect(try await tickets(tenant) == ["conflicting_order_data", "conflicting_order_data"])
        let ticket = try await tenant.ticket(back["conflicts"]?[0]?["ticket_id"])
        #expect(ticket["comments"]?.arrayValue?.count == 1)
        #expect(ticket["comments"]?[0]?["body"]?.stringValue?.contains("EUR 30.00") == true)
    }

    // domain.md 5, case 14.
    @Test func `a refund of a payment that a bank has taken back is critical, whichever came first`() async throws {
        for isRefundFirst in [true, false] {
            let tenant = try await TestTenant.make()
            func refund() async throws {
                let asOf = tenant.ago(days: 1, hours: isRefundFirst ? 2 : 0)
                let payment: JSON = [
                    "external_id": "T", "status": "succeeded", "amount": ["amount": 11_900, "currency": "EUR"],
                    "processed_at": .string(asOf.rfc3339),
                ]
                let body = PutBody.order.with("as_of", .string(asOf.rfc3339)).with("financial_status", "refunded")
                    .with("refunds", [["external_id": "R", "transactions": [payment]]])
                #expect(try await tenant.put(body).status < 300)
            }
            func dispute() async throws {
                let body = DisputeBody.put.with("type", "chargeback").with("order_external_id", "A-1")
                    .with("amount", ["amount": 11_900, "currency": "EUR"])
                    .with("as_of", .string(tenant.ago(days: 1, hours: 1).rfc3339))
                let path = "/v1/stores/\(tenant.store)/disputes/by-external-id/D"
                #expect(try await tenant.send("PUT", path, body).status < 300)
            }
            if !isRefundFirst { #expect(try await tenant.put(PutBody.order).status == 201) }
            for step in isRefundFirst ? [refund, dispute] : [dispute, refund] {
                try await step()
                try await tenant.settle()
            }
            let state = try await state(tenant, "A-1")
            #expect(kinds(state) == ["refunded_and_disputed"])
            let conflict = try #require(state["conflicts"]?[0])
            #expect(conflict["severity"] == "critical" && conflict["ticket_id"]?.stringValue != nil)
            let evidence = conflict["evidence"]?.arrayValue ?? []
            #expect(evidence.map { $0["id"]?.stringValue?.prefix(3) } == ["dsp", "rfd"])
            #expect(state["dispute"]?["is_open"] == true && state["dispute"]?["disputes"]?.arrayValue?.count == 1)
            #expect(try await tickets(tenant) == ["charge_dispute", "conflicting_order_data"])
        }
    }

    // domain.md 5, case 18.
    @Test func `goods that come back unannounced are for a person, by the warehouse's word`() async throws {
        let tenant = try await TestTenant.make()
        let delivered = PutBody.delivered(at: tenant.ago(days: 1), asOf: tenant.ago(days: 0))
        #expect(try await tenant.put(delivered).status == 201)
        for _ in 0..<2 {
            let body = ReturnBody.receipt(2, at: 1).with("order_external_id", "A-1")
            #expect(try await tenant.putReturn(body).status < 300)
            try await tenant.settle()
        }
        let state = try await state(tenant, "A-1")
        #expect(kinds(state) == ["return_not_expected"] && state["return"]?["returns"]?.arrayValue?.count == 1)
        #expect(state["conflicts"]?[0]?["evidence"]?[0]?["id"] == state["return"]?["returns"]?[0]?["id"])
        #expect(try await tickets(tenant) == ["conflicting_order_data"])
    }

    // domain.md 5, case 15.
    @Test func `what is told of a former number is seen, though it is about no parcel any more`() async throws {
        let tenant = try await TestTenant.make()
        let carrier = try await TrackerConnection.make(tenant, .easypost)
        let placedAt = tenant.ago(days: 6)
        try await tenant.putOrder("A-1", numbers: [("P-1", "N1")], placedAt: placedAt)
        var body = ParcelBody.journey(.easypost, tenant.times([5, 4]), number: "N1")
        body.updatedAt = tenant.ago(days: 4).rfc3339
        try await carrier.post(body)
        try await tenant.settle()
        let replaced: [(String, JSON)] = [("as_of", .string(tenant.ago(days: 3).rfc3339))]
        try await tenant.putOrder("A-1", numbers: [("P-1", "N2")], placedAt: placedAt, replaced)
        #expect(try await kinds(state(tenant, "A-1")) == [])
        body.scans.append(.init(status: "out_for_delivery", at: tenant.times([1])[0]))
        body.updatedAt = tenant.ago(days: 1).rfc3339
        try await carrier.post(body)
        try await tenant.settle()
        let state = try await state(tenant, "A-1")
        #expect(kinds(state) == ["former_number_goes_on"])
        #expect(state["shipment"]?["parcels"]?[0]?["status"] == "unknown")
        #expect(state["conflicts"]?[0]?["evidence"]?[0]?["says"] == "its tracking number is N2")
    }

    // MARK: Nobody is told of history

    // domain.md 5, case 25.
    @Test func `an import opens no ticket, and many orders told as news open one each`() async throws {
        let tenant = try await TestTenant.make()
        let conflicting = PutBody.delivered(at: tenant.ago(days: 3), asOf: tenant.ago(days: 2))
            .with("lifecycle_status", "cancelled").with("as_of", .string(tenant.ago(days: 4).rfc3339))
        let lines = (0..<3).map { conflicting.with("external_id", .string("I-\($0)")) }
        #expect(try await tenant.importOrders(lines)["state"] == "succeeded")
        try await tenant.settle()
        let imported = try await state(tenant, "I-1")
        #expect(kinds(imported) == ["cancelled_but_delivered"] && imported["historical"] == true)
        #expect(imported["conflicts"]?[0]?["ticket_id"] == .null)
        #expect(try await tickets(tenant) == [])

        let news = (0..<3).map { conflicting.with("external_id", .string("B-\($0)")) }
        for _ in 0..<2 {
            let told = try await tenant.send(
                "POST",
                "/v1/stores/\(tenant.store)/orders/bulk",
                ["orders": .array(news)]
            )
            #expect(told.status == 207)
            try await tenant.settle()
        }
        #expect(try await tickets(tenant) == Array(repeating: "conflicting_order_data", count: 3))
        #expect(try await state(tenant, "B-1")["conflicts"]?[0]?["ticket_id"]?.stringValue != nil)
    }

    // MARK: How old it is

    @Test func `ages go by the store's own time, and asking the shop makes it young again`() async throws {
        let tenant = try await TestTenant.make()
        let asOf = tenant.ago(days: 2)
        #expect(try await tenant.put(PutBody.order.with("as_of", .string(asOf.rfc3339))).status == 201)
        let first = try await state(tenant, "A-1")
        for group in ["order", "money"] {
            #expect(first[group]?["happened_at"]?.stringValue == asOf.rfc3339)
            #expect(first[group]?["as_of"] == first[group]?["happened_at"] && first[group]?["verified_at"] == .null)
            let received = try #require(first[group]?["received_at"]?.stringValue.flatMap { Instant(rfc3339: $0) })
            #expect(received > asOf + .seconds(86_400))
            #expect(((2 * 86_400)...(2 * 86_400 + 60)).contains(first[group]?["age_seconds"]?.int64Value ?? 0))
        }
        #expect(first["unknowns"]?.arrayValue?.map { $0["kind"] } == ["never_verified"])
        #expect(first.header("ETag") == nil && first.header("Cache-Control") == "private, no-store")

        try await tenant.advance(days: 10)
        let old = try await state(tenant, "A-1")
        let now = try #require(old["now"]?.stringValue.flatMap { Instant(rfc3339: $0) })
        #expect(old["age_seconds"]?.int64Value == (now - asOf).microseconds / 1_000_000)
        #expect((old["age_seconds"]?.int64Value ?? 0) >= 12 * 86_400)

        let id = try #require(old["order_id"]?.stringValue.flatMap { OrderID($0) })
        let verifiedAt = now - .seconds(60)
        _ = try await tenant.rows(OrderStore.verify([id], tenant: tenant.id, at: verifiedAt))
        let verified = try await state(tenant, "A-1")
        #expect(verified["order"]?["verified_at"]?.stringValue == verifiedAt.rfc3339)
        #expect(verified["as_of"] == verified["order"]?["verified_at"] && verified["age_seconds"] == 60)
        #expect(verified["unknowns"] == [] && verified["version"] == old["version"])
    }

    @Test func `that a shop has told all there was to tell makes its orders as young as that`() async throws {
        let tenant = try await TestTenant.make()
        let told = PutBody.order.with("as_of", .string(tenant.ago(days: 20).rfc3339))
        #expect(try await tenant.put(told).status == 201)
        let completeAsOf = tenant.ago(days: 1)
        let watermark: JSON = ["complete_as_of": .string(completeAsOf.rfc3339)]
        #expect(try await tenant.send("PUT", "/v1/stores/\(tenant.store)/watermark", watermark).status == 200)
        let state = try await state(tenant, "A-1")
        #expect(state["order"]?["verified_at"]?.stringValue == completeAsOf.rfc3339)
        #expect(state["as_of"] == state["order"]?["verified_at"] && state["unknowns"] == [])
    }

    @Test func `of two stores each sees its own order`() async throws {
        let tenant = try await TestTenant.make()
        let other = try await tenant.addStore()
        let conflicting = PutBody.delivered(at: tenant.ago(days: 3), asOf: tenant.ago(days: 4))
            .with("lifecycle_status", "cancelled")
        #expect(try await tenant.put(conflicting).status == 201)
        #expect(try await tenant.put(PutBody.order, store: other).status == 201)
        try await tenant.settle()
        let theirs = try await tenant.get("/v1/stores/\(other)/orders/by-external-id/A-1")
        let id = try #require(theirs["id"]?.stringValue)
        let mine = try await state(tenant, "A-1")
        #expect(kinds(mine) == ["cancelled_but_delivered"] && mine["store_id"]?.stringValue == "\(tenant.store)")
        let clean = try await tenant.get("/v1/orders/\(id)/state")
        try expectFits(clean)
        #expect(clean["conflicts"] == [] && clean["store_id"]?.stringValue == "\(other)")
        let key = try await tenant.key([.ordersRead], store: tenant.store)
        #expect(try await tenant.get("/v1/orders/\(id)/state", as: key).status == 404)
        #expect(try await state(tenant, "A-1", as: key)["order_id"] == mine["order_id"])
        #expect(try await tenant.get("/v1/orders/\(OrderID.new())/state").status == 404)
        let viewer = try await tenant.signIn(.viewer)
        #expect(try await state(tenant, "A-1", as: viewer)["conflicts"] == mine["conflicts"])
    }
}
