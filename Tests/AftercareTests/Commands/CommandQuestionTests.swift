import FoundationEssentials
import JSON
import Testing
import Time

@testable import Aftercare

/// What an order has to be like. domain.md 5, cases 14, 16, 17 and 18.
@Suite struct CommandQuestionTests {
    private static let now = Instant(seconds: 1_772_000_000)

    static func order(
        _ fulfillment: FulfillmentStatus = .unfulfilled,
        _ lifecycle: LifecycleStatus = .open,
        parcels: [ShipmentStatus] = [],
        isComplete: Bool = true
    ) -> Order {
        var state = OrderState()
        state.isComplete = isComplete
        state.values.fulfillment = fulfillment
        state.values.lifecycle = lifecycle
        state.values.lines = [
            OrderLine(externalID: "1", title: "Tent", sku: nil, quantity: 3, unitPrice: nil),
            OrderLine(externalID: "2", title: "Pole", sku: nil, quantity: 1, unitPrice: nil),
        ]
        var order = Order(
            id: .new(),
            store: .new(),
            externalID: "A-1",
            customer: nil,
            state: state,
            asOf: now,
            version: 1,
            createdAt: now,
            updatedAt: now
        )
        order.shipments = parcels.enumerated().map { index, status in
            var parcel = Shipment()
            parcel.status = status
            return (id: .new(), shipment: parcel, externalID: "P-\(index)")
        }
        return order
    }

    private func obstacle(
        _ body: JSON,
        _ order: Order,
        dispute: Bool = false,
        returns: [CommandQuestion.KnownReturn] = []
    ) throws -> CommandQuestion.Obstacle? {
        let question = CommandQuestion(order: order, hasOpenDispute: dispute, returns: returns)
        return question.obstacle(to: try FieldReader.read(body, CommandParameters.init(request:)))
    }

    @Test(arguments: [
        (FulfillmentStatus.unfulfilled, LifecycleStatus.open, [ShipmentStatus](), nil as CommandReason?),
        (.unfulfilled, .closed, [], nil), (.scheduled, .open, [], nil), (.onHold, .open, [], nil),
        (.inProgress, .open, [], nil), (.notRequired, .open, [], nil), (.unfulfilled, .open, [.cancelled], nil),
        (.unfulfilled, .open, [.labelCreated], nil), (.unfulfilled, .cancelled, [], .alreadyCancelled),
        (.unfulfilled, .deleted, [], .orderDeleted), (.partiallyFulfilled, .open, [], .shipped),
        (.fulfilled, .open, [], .shipped), (.unfulfilled, .open, [.inTransit], .shipped),
        (.unfulfilled, .open, [.labelCreated, .delivered], .shipped), (.unknown, .open, [], .fulfillmentUnknown),
        (.unfulfilled, .open, [.unknown], .fulfillmentUnknown),
    ])
    func `an order is cancelled as long as nothing has left`(
        _ fulfillment: FulfillmentStatus,
        _ lifecycle: LifecycleStatus,
        _ parcels: [ShipmentStatus],
        _ reason: CommandReason?
    ) throws {
        let order = Self.order(fulfillment, lifecycle, parcels: parcels)
        #expect(try obstacle(CommandBody.cancel, order)?.reason == reason)
    }

    // domain.md 5, case 17.
    @Test(arguments: [
        (FulfillmentStatus.unfulfilled, LifecycleStatus.open, [ShipmentStatus](), nil as CommandReason?),
        (.scheduled, .open, [], nil), (.onHold, .open, [], nil), (.unfulfilled, .open, [.cancelled], nil),
        (.unfulfilled, .open, [.labelCreated], .labelCreated), (.unfulfilled, .open, [.unknown], .labelCreated),
        (.unfulfilled, .open, [.pickedUp], .shipped), (.inProgress, .open, [], .inFulfillment),
        (.partiallyFulfilled, .open, [], .shipped), (.fulfilled, .open, [], .shipped),
        (.notRequired, .open, [], .nothingToShip), (.unknown, .open, [], .fulfillmentUnknown),
        (.unfulfilled, .cancelled, [], .alreadyCancelled), (.unfulfilled, .deleted, [], .orderDeleted),
    ])
    func `an address is changed as long as there is no label`(
        _ fulfillment: FulfillmentStatus,
        _ lifecycle: LifecycleStatus,
        _ parcels: [ShipmentStatus],
        _ reason: CommandReason?
    ) throws {
        let order = Self.order(fulfillment, lifecycle, parcels: parcels)
        #expect(try obstacle(CommandBody.address, order)?.reason == reason)
    }

    private func known(_ state: ReturnState, _ quantity: Int, id: String = "R-1") -> CommandQuestion.KnownReturn {
        .init(externalID: id, state: state, knownAt: Self.now, announced: ["1": quantity])
    }

    // domain.md 5, case 18.
    @Test func `what was delivered comes back, and no more than is left`() throws {
        let delivered = Self.order(.fulfilled, parcels: [.delivered])
        #expect(try obstacle(CommandBody.comeBack(3), delivered) == nil)
        #expect(try obstacle(CommandBody.comeBack(1), Self.order(.fulfilled)) == nil)
        #expect(try obstacle(CommandBody.comeBack(1), Self.order(.fulfilled, .cancelled, parcels: [.delivered])) == nil)
        for order in [Self.order(), Self.order(.fulfilled, parcels: [.inTransit]), Self.order(.partiallyFulfilled)] {
            #expect(try obstacle(CommandBody.comeBack(), order)?.reason == .notDelivered)
        }
        // What was picked up, sold over the counter or posted without a number is a parcel that nobody tracks.
        #expect(try obstacle(CommandBody.comeBack(1), Self.order(.fulfilled, parcels: [.unknown])) == nil)
        #expect(try obstacle(CommandBody.comeBack(4), delivered) == .init(reason: .quantityExceedsLeft, line: 0))
        #expect(try obstacle(CommandBody.comeBack(line: "9"), delivered) == .init(reason: .unknownLine, line: 0))
        for state in ReturnState.allCases {
            let found = try obstacle(CommandBody.comeBack(2), delivered, returns: [known(state, 2)])
            let isOver = state == .declined || state == .cancelled || state == .expired
            #expect((found == nil) == isOver, "\(state)")
        }
    }

    // domain.md 5, case 14.
    @Test(arguments: [CommandBody.cancel, CommandBody.address, CommandBody.comeBack()])
    func `nothing is asked for while a payment is disputed, or of half an order`(_ body: JSON) throws {
        let order = Self.order(.fulfilled, parcels: [.delivered])
        #expect(try obstacle(body, order, dispute: true)?.reason == .disputeOpen)
        #expect(try obstacle(body, Self.order(isComplete: false))?.reason == .orderIncomplete)
    }

    @Test func `it is seen in the mirror that it was done`() throws {
        func shows(_ body: JSON, _ order: Order, _ returns: [CommandQuestion.KnownReturn] = []) throws -> Bool? {
            let command = try CommandStateTests.command(body)
            return CommandQuestion(order: order, hasOpenDispute: false, returns: returns).shows(command)
        }
        #expect(try shows(CommandBody.cancel, Self.order()) == false)
        #expect(try shows(CommandBody.cancel, Self.order(.unfulfilled, .cancelled)) == true)
        #expect(try shows(CommandBody.address, Self.order()) == nil)
        let order = Self.order(.fulfilled, parcels: [.delivered])
        #expect(try shows(CommandBody.comeBack(2), order) == false)
        #expect(try shows(CommandBody.comeBack(2), order, [known(.approved, 1)]) == false)
        #expect(try shows(CommandBody.comeBack(2), order, [known(.cancelled, 2)]) == false)
        #expect(try shows(CommandBody.comeBack(2), order, [known(.approved, 2)]) == true)
    }

    // MARK: Reading requests

    @Test(arguments: [
        ("{}", ["#/kind"]), (#"{"kind":"refund"}"#, ["#/kind"]),
        (#"{"kind":"refund","address":{},"x":1}"#, ["#/kind", "#/x"]),
        (#"{"kind":"cancel_order","reason":"bored","address":{}}"#, ["#/reason", "#/address"]),
        (#"{"kind":"change_shipping_address"}"#, ["#/address"]),
        (
            #"{"kind":"change_shipping_address","address":{"name":"","line1":"L","country":"at","street":"S"}}"#,
            ["#/address/name", "#/address/city", "#/address/country", "#/address/street"]
        ),
        (#"{"kind":"create_return","lines":[]}"#, ["#/lines"]),
        (
            """
            {"kind":"create_return","lines":[{"order_line_external_id":"1","quantity":0},
             {"order_line_external_id":"2"},{"quantity":1}]}
            """,
            ["#/lines/0/quantity", "#/lines/1/quantity", "#/lines/2/order_line_external_id"]
        ),
        (
            """
            {"kind":"create_return","lines":[{"order_line_external_id":"1","quantity":1},
             {"order_line_external_id":"1","quantity":1}]}
            """,
            ["#/lines/1/order_line_external_id"]
        ),
    ])
    func `a request is read whole, with all that is wrong`(_ text: String, _ pointers: [String]) throws {
        let error = #expect(throws: FieldErrors.self) {
            try FieldReader.read(JSON(parsing: Array(text.utf8)), CommandParameters.init(request:))
        }
        #expect(Set(error?.errors.map(\.pointer) ?? []) == Set(pointers))
    }

    @Test(arguments: [CommandBody.cancel, CommandBody.address, CommandBody.comeBack()])
    func `what is stored is read back the same`(_ body: JSON) throws {
        let parameters = try FieldReader.read(body, CommandParameters.init(request:))
        #expect(try CommandParameters(parameters.json, of: parameters.kind) == parameters)
    }
}
