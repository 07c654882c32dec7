import Support
import Testing

@testable import Postgres

/// The pool's state machine against a model, over many random sequences of events.
@Suite struct PoolStateTests {
    private typealias State = PoolState<Int, Int>

    /// What the pool's shell would hold: who has which connection, who connects, who waits in which order.
    private struct Model {
        var state: State
        let maximum: Int
        let start = ContinuousClock.now
        var now = ContinuousClock.now
        var made = 0
        var lent: Set<Int> = []
        var connecting = 0
        var queue: [(id: Int, deadline: ContinuousClock.Instant)] = []
        var arrived = 0
        var finished: Set<Int> = []

        init(maximum: Int) {
            self.maximum = maximum
            state = State(maximum: maximum)
        }

        mutating func ask(patience: Int) {
            arrived += 1
            let deadline = now + .milliseconds(patience)
            switch state.lease() {
            case .wait:
                // Only an empty pool, full to its bound, makes anybody wait.
                #expect(state.idle.isEmpty && state.count == maximum)
                if case .wait = state.enqueue(arrived, id: UInt64(arrived), deadline: deadline) {
                    queue.append((arrived, deadline))
                } else {
                    Issue.record("nothing came back in between")
                }
            case let lease: got(lease, arrived)
            }
        }

        private mutating func got(_ lease: State.Lease, _ waiter: Int) {
            switch lease {
            case .take(let connection): lend(connection, waiter)
            case .connect:
                #expect(queue.isEmpty)
                connecting += 1
                finished.insert(waiter)
            case .refuse:
                #expect(state.isShutDown)
                finished.insert(waiter)
            case .wait: Issue.record("asked for a lease")
            }
        }

        private mutating func lend(_ connection: Int, _ waiter: Int) {
            #expect(!lent.contains(connection), "connection \(connection) is lent twice")
            #expect(!finished.contains(waiter), "waiter \(waiter) is served twice")
            lent.insert(connection)
            finished.insert(waiter)
        }

        mutating func handle(_ handover: State.Handover, of connection: Int? = nil) {
            switch handover {
            case .give(let given, let waiter):
                #expect(given == connection)
                #expect(waiter == queue.first?.id, "the first in the queue comes first")
                queue.removeFirst()
                lend(given, waiter)
            case .letConnect(let waiter):
                #expect(waiter == queue.first?.id)
                queue.removeFirst()
                connecting += 1
                #expect(!finished.contains(waiter))
                finished.insert(waiter)
            case .close: #expect(state.isShutDown)
            case .nothing: #expect(queue.isEmpty)
            }
        }

        mutating func connected() {
            connecting -= 1
            made += 1
            lent.insert(made)
        }

        mutating func giveBack(_ connection: Int) {
            lent.remove(connection)
            handle(state.giveBack(connection), of: connection)
        }

        mutating func withdraw(_ id: Int) {
            let index = queue.firstIndex { $0.id == id }
            let withdrawn = state.withdraw(id: UInt64(id))
            #expect(withdrawn == index.map { queue[$0].id })
            if let index {
                queue.remove(at: index)
                finished.insert(id)
            }
        }

        mutating func pass(milliseconds: Int) {
            now += .milliseconds(milliseconds)
            let (expired, isWatching) = state.expire(now)
            #expect(expired == queue.filter { $0.deadline <= now }.map(\.id))
            queue.removeAll { $0.deadline <= now }
            finished.formUnion(expired)
            #expect(isWatching == !queue.isEmpty)
        }

        func check() {
            #expect(state.count <= maximum)
            #expect(state.count == lent.count + connecting + state.idle.count)
            #expect(lent.isDisjoint(with: state.idle))
            #expect(Set(state.idle).count == state.idle.count)
            #expect(state.waiting == queue.count)
            #expect(finished.count + queue.count == arrived, "a waiter is lost")
            // Nobody waits while something is free.
            if !queue.isEmpty { #expect(state.idle.isEmpty && state.count == maximum) }
        }
    }

    @Test(arguments: 0..<20)
    func `whatever happens, nothing is lent twice and nobody is forgotten`(seed: Int) {
        var generator = SeededGenerator(seed: UInt64(seed))
        var model = Model(maximum: .random(in: 1...5, using: &generator))
        for _ in 0..<400 {
            switch Int.random(in: 0..<12, using: &generator) {
            case 0..<4: model.ask(patience: .random(in: 1...50, using: &generator))
            case 4..<6: if model.connecting > 0 { model.connected() }
            case 6..<8:
                if let connection = model.lent.sorted().randomElement(using: &generator) { model.giveBack(connection) }
            case 8:
                if let broken = model.lent.sorted().randomElement(using: &generator) {
                    model.lent.remove(broken)
                    model.handle(model.state.lose())
                }
            case 9:
                if model.connecting > 0 {
                    model.connecting -= 1
                    model.handle(model.state.lose())
                }
            case 10: if model.arrived > 0 { model.withdraw(.random(in: 1...model.arrived, using: &generator)) }
            default: model.pass(milliseconds: .random(in: 0...20, using: &generator))
            }
            model.check()
        }
        let (idle, waiters) = model.state.shutDown()
        #expect(waiters == model.queue.map(\.id))
        #expect(model.lent.isDisjoint(with: idle))
        model.queue.removeAll()
        model.finished.formUnion(waiters)
        model.check()
        for connection in model.lent { model.giveBack(connection) }
        while model.connecting > 0 {
            model.connected()
            model.giveBack(model.made)
        }
        model.ask(patience: 1)
        model.check()
        #expect(model.state.count == 0)
    }

    @Test func `the timer starts with the first waiter and ends with the last`() {
        var state = State(maximum: 1)
        let now = ContinuousClock.now
        _ = state.lease()
        var starts = [state.startTimer()]
        _ = state.enqueue(1, id: 1, deadline: now + .seconds(1))
        starts.append(state.startTimer())
        _ = state.enqueue(2, id: 2, deadline: now + .seconds(2))
        starts.append(state.startTimer())
        let looks = (0...2).map { state.expire(now + .seconds($0)) }
        #expect(looks.map(\.expired) == [[], [1], [2]])
        #expect(looks.map(\.isWatching) == [true, true, false])
        _ = state.enqueue(3, id: 3, deadline: now + .seconds(9))
        starts.append(state.startTimer())
        #expect(starts == [false, true, false, true])
    }

    @Test func `the connection that came back last goes out first`() {
        var state = State(maximum: 3)
        for _ in 1...3 { _ = state.lease() }
        for connection in 1...3 { _ = state.giveBack(connection) }
        guard case .take(3) = state.lease(), case .take(2) = state.lease() else {
            Issue.record("not in that order")
            return
        }
    }
}
