import Support
import Testing
import Time

@testable import Aftercare

@Suite struct `Returns in the mirror` {
    private static let receivedAt = Instant(seconds: 2_000_000_000)

    private static func minute(_ minute: Int) -> Instant { Instant(seconds: 1_780_000_000 + Int64(minute) * 60) }

    private static func stamp(_ minute: Int, _ hash: UInt8 = 0) -> Stamp {
        Stamp(at: Self.minute(minute), hash: [hash])
    }

    private static func reported(_ state: ReturnState, at minute: Int) -> ReturnStatement {
        var statement = ReturnStatement(stamp: stamp(minute), told: [.reported])
        statement.values.reported = state
        return statement
    }

    private static func announced(_ quantities: [Int], at minute: Int) -> ReturnStatement {
        var statement = ReturnStatement(stamp: stamp(minute), told: [.announced])
        statement.values.announced = quantities.enumerated().map {
            AnnouncedLine(externalID: "\($0.offset)", quantity: $0.element)
        }
        return statement
    }

    private static func received(_ quantities: [String: Int], at minute: Int) -> ReturnStatement {
        ReturnStatement(stamp: stamp(minute), receipts: quantities)
    }

    private static func applied(_ statements: [ReturnStatement]) -> Return {
        var state = Return()
        for statement in statements { state.apply(statement, receivedAt: receivedAt) }
        return state
    }

    private static func facts(_ state: Return) -> [Fact.Kind] { state.facts.map(\.kind) }

    // MARK: Any order, any number of times

    /// Any statement: of several fields, of receipts, with times that are often the same.
    private static func anything(_ random: inout SeededGenerator) -> ReturnStatement {
        let told = ReturnField.allCases.filter { _ in Int.random(in: 0..<3, using: &random) == 0 }
        var values = ReturnValues()
        values.name = ["#1-R1", "#1-R2"].randomElement(using: &random)
        values.reported = ReturnState.allCases.randomElement(using: &random)
        values.outcome = ReturnOutcome.allCases.randomElement(using: &random)
        values.trackingNumber = ["T-1", nil].randomElement(using: &random) ?? nil
        values.labelURL = ["https://labels.example/1", nil].randomElement(using: &random) ?? nil
        values.announced = (0..<Int.random(in: 0...2, using: &random)).map {
            AnnouncedLine(externalID: "\($0)", quantity: Int.random(in: 0...3, using: &random))
        }
        var receipts: [String: Int] = [:]
        for line in ["0", "1", "2"] where Int.random(in: 0..<4, using: &random) == 0 {
            receipts[line] = Int.random(in: 0...3, using: &random)
        }
        return ReturnStatement(
            stamp: stamp(Int.random(in: 0...4, using: &random), UInt8.random(in: 0...250, using: &random)),
            told: Set(told),
            values: values,
            receipts: receipts
        )
    }

    @Test(arguments: 0..<200 as Range<UInt64>)
    func `whatever the order and however often, a return and its facts end up the same`(_ seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var statements: [ReturnStatement] = []
        // Two statements of one stamp are one and the same.
        while statements.count < 7 {
            let next = Self.anything(&random)
            if !statements.contains(where: { $0.stamp == next.stamp }) { statements.append(next) }
        }
        let expected = Self.applied(statements)
        for _ in 0..<10 {
            let copies = statements + statements.filter { _ in Bool.random(using: &random) }
            let state = Self.applied(copies.shuffled(using: &random))
            #expect(state == expected)
            #expect(Self.facts(state) == Self.facts(expected))
        }
    }

    // MARK: Cases by name

    // domain.md 5, case 18.
    @Test func `of three announced, two are a part, and the third makes it whole`() {
        let announced = [Self.reported(.approved, at: 0), Self.announced([3], at: 0)]
        let part = Self.applied(announced + [Self.received(["0": 2], at: 5)])
        #expect(part.state == .partiallyReceived && part.receivedQuantity == 2 && part.announcedQuantity == 3)
        let whole = Self.applied(announced + [Self.received(["0": 2], at: 5), Self.received(["0": 3], at: 9)])
        #expect(whole.state == .received)
        #expect(Self.facts(whole) == [.returnApproved, .returnReceived])
        // The count that comes late takes nothing back.
        #expect(Self.applied(announced + [Self.received(["0": 3], at: 9), Self.received(["0": 2], at: 5)]) == whole)
    }

    // domain.md 5, case 18.
    @Test func `what comes back without having been announced is a part of nobody knows what`() {
        let state = Self.applied([Self.received(["x": 1], at: 3)])
        #expect(state.state == .partiallyReceived && state.announcedQuantity == 0)
        #expect(Self.facts(state) == [.returnReceived])
    }

    @Test func `a label is evidence, and does not undo what is further along`() {
        var label = ReturnStatement(stamp: Self.stamp(4), told: [.label])
        label.values.labelURL = "https://labels.example/1"
        #expect(Self.applied([Self.reported(.approved, at: 1), label]).state == .labelIssued)
        #expect(Self.applied([Self.reported(.inspected, at: 1), label]).state == .inspected)
    }

    @Test(arguments: [ReturnState.declined, .cancelled, .expired, .resolved])
    func `goods that come back after the end do not open a return again`(_ end: ReturnState) {
        let state = Self.applied([
            Self.announced([1], at: 0), Self.reported(end, at: 1), Self.received(["0": 1], at: 5),
        ])
        #expect(state.state == end && state.receivedQuantity == 1)
        #expect(Self.facts(state).contains(.returnReceived))
    }

    @Test func `a return that is opened again goes on, and was closed once all the same`() {
        let events = [
            Self.reported(.requested, at: 0), Self.reported(.approved, at: 1), Self.reported(.resolved, at: 2),
            Self.reported(.approved, at: 3),
        ]
        for order in [events, events.reversed()] {
            let state = Self.applied(order)
            #expect(state.state == .approved)
            #expect(Self.facts(state) == [.returnRequested, .returnApproved, .returnClosed])
            #expect(state.moments[.approved] == Self.minute(1))
        }
    }

    // domain.md 5, Ingest 8.
    @Test func `a state nobody knows is unknown, whatever the evidence`() {
        let state = Self.applied([Self.reported(.unknown, at: 1), Self.received(["0": 1], at: 5)])
        #expect(state.state == .unknown)
    }

    // MARK: The order's axis

    @Test(arguments: [
        ([ReturnState.requested], ReturnStatus.requested), ([.underReview], .requested), ([.approved], .inProgress),
        ([.partiallyReceived], .inProgress), ([.received], .inProgress), ([.inspected], .inspected),
        ([.resolved], .returned), ([.declined], .none), ([.cancelled, .expired], .none),
        ([.resolved, .approved], .inProgress), ([.resolved, .declined], .returned),
        ([.resolved, .requested, .approved], .requested), ([.resolved, .unknown], .unknown),
    ])
    func `the axis follows from the returns`(_ returns: [ReturnState], _ axis: ReturnStatus) {
        #expect(ReturnStatus.following(from: returns) == axis)
    }

    @Test func `without any return the axis is the shop's to say`() {
        #expect(ReturnStatus.following(from: []) == nil)
        var state = OrderState()
        state.values.returns = .failed
        state.settleReturns()
        #expect(state.values.returns == .failed)
    }
}
