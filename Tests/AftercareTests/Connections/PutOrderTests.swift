import JSON
import Support
import Testing
import Time

@testable import Aftercare

@Suite struct `Orders that are put` {
    private static let now = Instant(seconds: 1_790_000_000)

    private static func read(_ body: JSON) throws(FieldErrors) -> PutOrder {
        try FieldReader.read(body, PutOrder.init)
    }

    private static func pointers(_ body: JSON) -> [String] {
        do throws(FieldErrors) {
            _ = try read(body)
            return []
        } catch {
            return error.errors.map { "\($0.pointer) \($0.code.rawValue)" }
        }
    }

    private static func applied(_ bodies: [PutOrder]) -> (state: OrderState?, outcomes: [PutOrder.Outcome]) {
        var state: OrderState?
        var outcomes: [PutOrder.Outcome] = []
        for body in bodies {
            let (outcome, next) = body.apply(to: state, of: "A-1", receivedAt: now)
            outcomes.append(outcome)
            if let next { state = next.state }
        }
        return (state, outcomes)
    }

    // MARK: Reading

    @Test func `a whole body is understood, in our words with those of the shop beside`() throws {
        let day = Instant(seconds: 1_780_000_000)
        let body = PutBody.delivered(at: day, asOf: day + .seconds(60))
            .with("financial_status_raw", "settled").with("return_status", "requested")
            .with("presentment_total", ["amount": 12800, "currency": "USD"])
        let order = try Self.read(body)
        #expect(order.values.financial == .paid && order.values.financialRaw == "settled")
        #expect(order.values.returns == .requested && order.values.lifecycle == .open)
        #expect(order.values.total == Money(amount: 11900, currency: "EUR"))
        #expect(order.values.presentmentTotal == Money(amount: 12800, currency: "USD"))
        #expect(order.values.lines.first?.unitPrice == 11900)
        let state = try #require(Self.applied([order]).state)
        let shipment = try #require(state.shipments["P-1"])
        #expect(shipment.status == .delivered && shipment.deliveredAt == day)
        #expect(shipment.shippedAt == day - .seconds(86_400) && shipment.events.count == 2)
        #expect(state.isComplete && !state.isHistorical)
        #expect(
            state.facts.keys.map(\.kind).sorted { $0.rawValue < $1.rawValue }
                == [.delivered, .orderPaid, .orderPlaced, .shipped]
        )
    }

    @Test func `everything wrong is named at once, with a pointer to it`() {
        let line: JSON = ["external_id": "1", "title": "Pen", "quantity": 1]
        let body: JSON = [
            "as_of": "yesterday", "number": "", "email": "nobody", "total": ["amount": 1.5, "currency": "EUX"],
            "financial_status": "settled", "colour": "red", "placed_at": nil,
            "lines": [
                line.with("unit_price", ["amount": 100, "currency": "eur"]), line.with("quantity", -1),
                line.with("title", "\u{0}"),
            ],
            "shipments": [
                ["external_id": "P", "tracking_url": "javascript:alert(1)", "events": [["status": "lost!"]]]
            ],
        ]
        #expect(
            Set(Self.pointers(body)) == [
                "#/as_of invalid_format", "#/number too_short", "#/email invalid_format",
                "#/total/amount invalid_type", "#/total/currency invalid_format", "#/financial_status unknown_value",
                "#/fulfillment_status required", "#/placed_at required", "#/lines/0/unit_price/currency invalid_format",
                "#/lines/1/quantity out_of_range", "#/lines/2/title not_storable", "#/colour unknown_member",
                "#/shipments/0/tracking_url invalid_format", "#/shipments/0/events/0/external_id required",
                "#/shipments/0/events/0/status unknown_value", "#/shipments/0/events/0/happened_at required",
            ]
        )
    }

    @Test func `what contradicts itself is refused`() {
        let line: JSON = ["external_id": "1", "title": "Pen", "quantity": 1]
        let dollars = line.with("unit_price", ["amount": 100, "currency": "USD"])
        #expect(
            Self.pointers(PutBody.order.with("lines", [dollars])) == ["#/lines/0/unit_price/currency unknown_value"]
        )
        #expect(Self.pointers(PutBody.order.with("lines", [line, line])) == ["#/lines/1/external_id invalid_format"])
        let cancelled = PutBody.order.with("cancelled_at", "2026-05-04T09:30:00Z").with("cancel_reason", "customer")
        #expect(Self.pointers(cancelled) == ["#/cancelled_at unknown_value", "#/cancel_reason unknown_value"])
        #expect(Self.pointers(cancelled.with("lifecycle_status", "cancelled")) == [])
        #expect(Self.pointers(PutBody.order.with("total", ["amount": -1, "currency": "EUR"])) != [])
        // What some shops write where they know no time.
        for time: JSON in ["1970-01-01T00:00:00Z", "0001-01-01T00:00:00Z"] {
            let parcel: JSON = ["external_id": "P", "delivered_at": time, "status": "in_transit"]
            let body = PutBody.order.with("shipments", [parcel])
            #expect(Self.pointers(body).contains("#/shipments/0/delivered_at out_of_range"))
        }
    }

    private static let refund: JSON = [
        "external_id": "R-1",
        "transactions": [
            [
                "external_id": "T-1", "status": "succeeded", "amount": ["amount": 500, "currency": "EUR"],
                "processed_at": "2026-05-04T09:40:00Z",
            ]
        ],
    ]

    @Test func `a refund is recorded and its money moves, each once`() throws {
        let pending = try JSON(parsing: Array(Self.refund.serialized.replacing("succeeded", with: "pending").utf8))
        let first = try Self.read(PutBody.order.with("refunds", [pending]))
        let second = try Self.read(PutBody.order.with("as_of", "2026-05-05T10:00:00Z").with("refunds", [Self.refund]))
        #expect(Self.applied([first]).state?.refunds["R-1"]?.state == .pending)
        let state = try #require(Self.applied([first, second, second]).state)
        let refund = try #require(state.refunds["R-1"])
        #expect(refund.state == .succeeded && refund.moved == Money(amount: 500, currency: "EUR"))
        #expect(refund.recordedAt == first.asOf)
        #expect(state.facts.keys.count { $0.episode == "R-1" } == 2)
        let other = Self.refund.with("external_id", "R-2")
        #expect(
            Self.pointers(PutBody.order.with("refunds", [Self.refund, other]))
                == ["#/refunds/1/transactions/0/external_id invalid_format"]
        )
    }

    // MARK: Applying

    @Test func `the same again is nothing new, however it is spelled`() throws {
        let body = try Self.read(PutBody.order)
        let spelled = try Self.read(
            PutBody.order.with("as_of", "2026-05-04T12:00:00.000+02:00").with("customer_locale", nil)
                .with("lifecycle_status", "open").with("shipments", [])
        )
        #expect(Self.applied([body, body, spelled]).outcomes == [.created, .unchanged, .unchanged])
    }

    // domain.md 5, Ingest 4.
    @Test func `what is older than what is known changes nothing of it, and what nobody told of yet is taken`() throws {
        let newer = try Self.read(PutBody.order.with("as_of", "2026-05-05T10:00:00Z").with("number", "A-2"))
        let delivered = Instant(seconds: 1_770_000_000)
        let delivery = try Self.read(PutBody.delivered(at: delivered, asOf: Instant(seconds: 1_770_000_001)))
        let (state, outcomes) = Self.applied([newer, try Self.read(PutBody.order)])
        var expected = Self.applied([newer]).state
        // All that it tells is that it was paid by then.
        expected?.facts[Fact.Key(kind: .orderPaid, episode: "order")] = Instant(rfc3339: "2026-05-04T10:00:00Z")
        #expect(outcomes == [.created, .stale] && state == expected)
        let late = Self.applied([newer, delivery])
        #expect(late.outcomes == [.created, .stale] && late.state?.values == newer.values)
        #expect(late.state?.shipments["P-1"]?.deliveredAt == delivered)
        #expect(late.state == Self.applied([delivery, newer]).state)
        #expect(Self.applied([newer, delivery, delivery]).state == late.state)
    }

    // domain.md 5, Ingest 3 and 4.
    @Test(arguments: 0..<100 as Range<UInt64>)
    func `in whatever order they come, with whatever parts, they end the same`(_ seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let bodies = try (0..<5).map { _ in
            let minute = Int.random(in: 0..<9, using: &random)
            func time(_ range: ClosedRange<Int>) -> JSON {
                .string("2026-05-04T1\(Int.random(in: range, using: &random)):00:00Z")
            }
            let parcels = ["P-1", "P-2"].filter { _ in Bool.random(using: &random) }.map { id -> JSON in
                let status = ["label_created", "in_transit", "delivered", "lost"].randomElement(using: &random)
                let event: JSON = [
                    "external_id": .string("E-\(Int.random(in: 0...2, using: &random))"),
                    "status": .string(status ?? ""), "happened_at": time(0...3),
                ]
                return ["external_id": .string(id), "tracking_number": .string("T-\(id)"), "events": [event]]
            }
            let refunds = ["R-1", "R-2"].filter { _ in Bool.random(using: &random) }.map { id -> JSON in
                let transaction: JSON = [
                    "external_id": .string("T-\(id)"), "status": Bool.random(using: &random) ? "succeeded" : "pending",
                    "amount": ["amount": 1000, "currency": "EUR"], "started_at": time(0...3),
                ]
                return ["external_id": .string(id), "recorded_at": time(0...3), "transactions": [transaction]]
            }
            let paid: JSON = Bool.random(using: &random) ? "paid" : "pending"
            return try Self.read(
                PutBody.order.with("as_of", .string("2026-05-04T10:0\(minute):00Z")).with("financial_status", paid)
                    .with("shipments", .array(parcels)).with("refunds", .array(refunds))
            )
        }
        let expected = Self.applied(bodies)
        for _ in 0..<10 {
            let mixed = Self.applied((bodies + bodies).shuffled(using: &random))
            #expect(mixed.state == expected.state)
            #expect(mixed.state?.facts == expected.state?.facts)
        }
    }

    // domain.md 5, Ingest 3.
    @Test(arguments: 0..<50 as Range<UInt64>)
    func `in whatever order they come, the newest one counts`(_ seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        var bodies: [PutOrder] = []
        for number in 0..<6 {
            // Some of one instant, which the hash tells apart.
            let minute = Int.random(in: 0..<4, using: &random)
            let body = PutBody.order.with("as_of", .string("2026-05-04T10:0\(minute):00Z"))
            bodies.append(try Self.read(body.with("number", .string("A-\(number)"))))
        }
        let newest = try #require(bodies.max { $0.stamp < $1.stamp })
        for _ in 0..<10 {
            let (state, outcomes) = Self.applied((bodies + bodies).shuffled(using: &random))
            #expect(state?.values == newest.values && state?.provenance.newest == newest.stamp)
            #expect(outcomes.count { $0 == .created } == 1)
        }
    }

    // domain.md 4, 3 and 5, case 25.
    @Test func `an order is history as long as only history was told of it`() throws {
        let imported = try Self.read(PutBody.order.with("historical", true))
        let later = try Self.read(PutBody.order.with("as_of", "2026-05-05T10:00:00Z"))
        let sweep = try Self.read(PutBody.order.with("as_of", "2026-05-06T10:00:00Z").with("historical", true))
        #expect(Self.applied([imported]).state?.isHistorical == true)
        #expect(Self.applied([imported, later]).state?.isHistorical == false)
        #expect(Self.applied([imported, later, sweep]).state?.isHistorical == false)
        #expect(Self.applied([imported, sweep]).state?.isHistorical == true)
    }

    @Test func `a parcel that is left out later stays, and what is unsaid when it happened was so by then`() throws {
        let body = PutBody.order.with("shipments", [["external_id": "P", "status": "delivered"]])
        let asOf = try Self.read(body).asOf
        let later = try Self.read(PutBody.order.with("as_of", "2026-05-05T10:00:00Z"))
        let shipment = try #require(Self.applied([try Self.read(body), later]).state?.shipments["P"])
        #expect(shipment.status == .delivered && shipment.deliveredAt == asOf && shipment.shippedAt == asOf)
    }
}
