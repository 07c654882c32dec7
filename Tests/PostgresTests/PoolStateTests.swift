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
            case .give(let given, let waiters):
                #expect(given == connection)
                #expect(waiters == [queue.first?.id], "the first in the queue comes first")
                queue.removeFirst()
                for waiter in waiters { lend(given, waiter) }
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

    // MARK: Waiters that travel together

    private typealias Handover = State.Handover

    /// A pool of five that has both connections for those that travel together out, one for the second time.
    private func moving(at now: ContinuousClock.Instant) -> State {
        var state = State(maximum: 5, maximumShared: 2)
        for waiter in 1...2 {
            guard case .letConnect(waiter)? = state.enqueueShared(waiter, id: UInt64(waiter), deadline: now, now: now)
            else {
                Issue.record("no room for \(waiter)")
                return state
            }
        }
        // One of them comes back, and goes again.
        _ = state.giveBack(1, wasShared: true, now: now)
        guard case .give(1, [0])? = state.enqueueShared(0, id: 0, deadline: now, now: now) else {
            Issue.record("no connection for another one")
            return state
        }
        return state
    }

    /// As `moving`, with an idle connection 3 beside them.
    private func movingBesideIdle(at now: ContinuousClock.Instant) -> State {
        var state = moving(at: now)
        _ = state.lease()
        _ = state.giveBack(3)
        return state
    }

    private func wait(_ waiters: ClosedRange<Int>, in state: inout State, at now: ContinuousClock.Instant) {
        for waiter in waiters {
            guard case .nothing? = state.enqueueShared(waiter, id: UInt64(waiter), deadline: now, now: now) else {
                Issue.record("\(waiter) did not wait")
                return
            }
        }
    }

    private func given(_ handover: Handover?) -> [Int] {
        if case .give(_, let waiters)? = handover { waiters } else { [] }
    }

    @Test func `they wait for one of few connections, and go with it up to eight at once`() {
        let now = ContinuousClock.now
        var state = movingBesideIdle(at: now)
        wait(3...12, in: &state, at: now)
        #expect(given(state.giveBack(1, wasShared: true, now: now)) == Array(3...10))
        #expect(given(state.giveBack(2, wasShared: true, now: now)) == [11, 12])
        #expect(given(state.giveBack(1, wasShared: true, now: now)) == [])
        #expect(state.idle == [3, 1] && state.count == 3 && state.shared == 1)
    }

    @Test func `when none comes back for a while, another connection takes those that wait`() {
        let now = ContinuousClock.now
        var state = movingBesideIdle(at: now)
        wait(3...4, in: &state, at: now + .milliseconds(1))
        #expect(given(state.enqueueShared(5, id: 5, deadline: now, now: now + .milliseconds(3))) == [3, 4, 5])
        // Until one comes back, and not only goes.
        guard case .letConnect(6)? = state.enqueueShared(6, id: 6, deadline: now, now: now + .milliseconds(4)) else {
            Issue.record("it waits")
            return
        }
        #expect(given(state.giveBack(1, wasShared: true, now: now + .milliseconds(4))) == [])
        wait(7...7, in: &state, at: now + .milliseconds(5))
    }

    @Test func `on a far database the first ones do not wait for each other`() {
        let now = ContinuousClock.now
        var state = State(maximum: 3, maximumShared: 2)
        for waiter in 1...3 {
            guard case .letConnect(waiter)? = state.enqueueShared(waiter, id: UInt64(waiter), deadline: now, now: now)
            else {
                Issue.record("\(waiter) waits")
                return
            }
        }
    }

    @Test func `when none comes back and nobody comes either, another connection takes them all the same`() {
        let now = ContinuousClock.now
        var state = movingBesideIdle(at: now)
        wait(3...4, in: &state, at: now)
        #expect(given(state.relieve(now + .milliseconds(1))) == [])
        #expect(given(state.relieve(now + .milliseconds(3))) == [3, 4])
        #expect(given(state.giveBack(1, wasShared: true, now: now + .milliseconds(4))) == [])
        wait(5...5, in: &state, at: now + .milliseconds(4))
        #expect(given(state.relieve(now + .milliseconds(5))) == [])
        #expect(given(state.relieve(now + .milliseconds(9))) == [5])
        #expect(given(state.relieve(now + .milliseconds(19))) == [])
    }

    @Test func `when the next ways are full, another connection takes those that came first`() {
        let now = ContinuousClock.now
        var state = movingBesideIdle(at: now)
        wait(3...18, in: &state, at: now)
        #expect(given(state.enqueueShared(19, id: 19, deadline: now, now: now)) == Array(3...10))
        #expect(state.waiting == 9)
    }

    @Test func `connections that others hold for long do not make them wait`() {
        let now = ContinuousClock.now
        var state = State(maximum: 5, maximumShared: 2)
        for _ in 1...3 { _ = state.lease() }
        guard case .letConnect(1)? = state.enqueueShared(1, id: 1, deadline: now, now: now) else {
            Issue.record("it waits")
            return
        }
    }

    @Test func `one that travels alone goes alone, in its turn`() {
        let now = ContinuousClock.now
        var state = State(maximum: 2, maximumShared: 2)
        for _ in 1...2 { _ = state.lease() }
        wait(1...2, in: &state, at: now)
        guard case .wait = state.enqueue(3, id: 3, deadline: now) else {
            Issue.record("there is no room")
            return
        }
        wait(4...5, in: &state, at: now)
        let ways = [false, true, false].map { given(state.giveBack(1, wasShared: $0, now: now)) }
        #expect(ways == [[1, 2], [3], [4, 5]])
        #expect(state.shared == 1)
    }

    @Test func `a connection that broke is made anew for them only when no other comes back`() {
        let now = ContinuousClock.now
        var state = moving(at: now)
        wait(3...4, in: &state, at: now)
        guard case .nothing = state.lose(wasShared: true, now: now),
            case .letConnect(3) = state.lose(wasShared: true, now: now)
        else {
            Issue.record("not in that order")
            return
        }
        #expect(state.count == 1 && state.shared == 1 && state.waiting == 1)
    }

    @Test func `the room of a connection that broke goes to one that travels alone`() {
        let now = ContinuousClock.now
        var state = State(maximum: 2, maximumShared: 2)
        for _ in 1...2 { _ = state.lease() }
        wait(1...1, in: &state, at: now)
        guard case .wait = state.enqueue(2, id: 2, deadline: now) else {
            Issue.record("there is no room")
            return
        }
        wait(3...3, in: &state, at: now)
        #expect(given(state.giveBack(1, now: now)) == [1])
        wait(4...4, in: &state, at: now)
        guard case .wait = state.enqueue(5, id: 5, deadline: now), case .letConnect(2) = state.lose(now: now) else {
            Issue.record("not to the first of them")
            return
        }
        #expect(state.count == 2 && state.waiting == 3)
    }

    @Test func `they too are refused once the pool is shut down`() {
        let now = ContinuousClock.now
        var state = moving(at: now)
        _ = state.shutDown()
        #expect(state.enqueueShared(3, id: 3, deadline: now, now: now).map { _ in true } == nil)
    }

    /// Whatever happens: nobody is served twice or forgotten, no connection is idle while one that travels alone waits, and
    /// those that travel together wait only for connections that are out for such.
    @Test(arguments: 0..<200) func `whatever happens, everybody is served once`(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        var state = State(maximum: 4, maximumShared: 2)
        var now = ContinuousClock.now
        var out: [(connection: Int, isShared: Bool)] = []
        var connecting: [Bool] = []
        var (arrived, made) = (0, 0)
        var (sharing, waiting, served) = (Set<Int>(), Set<Int>(), Set<Int>())

        func serve(_ waiters: [Int]) {
            #expect(waiters.count <= 8 && (waiters.count == 1 || waiters.allSatisfy(sharing.contains)))
            for waiter in waiters {
                #expect(waiting.remove(waiter) != nil && served.insert(waiter).inserted, "\(waiter)")
            }
        }
        func handle(_ handover: Handover) {
            switch handover {
            case .give(let connection, let waiters):
                out.append((connection, sharing.contains(waiters[0])))
                serve(waiters)
            case .letConnect(let waiter):
                connecting.append(sharing.contains(waiter))
                serve([waiter])
            case .close, .nothing: break
            }
        }

        for _ in 0..<300 {
            now += .microseconds(Int.random(in: 0...1500, using: &generator))
            switch Int.random(in: 0..<11, using: &generator) {
            case 0..<3:
                arrived += 1
                (sharing, waiting) = (sharing.union([arrived]), waiting.union([arrived]))
                if let handover = state.enqueueShared(arrived, id: UInt64(arrived), deadline: now, now: now) {
                    handle(handover)
                }
            case 3:
                arrived += 1
                waiting.insert(arrived)
                switch state.enqueue(arrived, id: UInt64(arrived), deadline: now) {
                case .take(let connection): handle(.give(connection, to: [arrived]))
                case .connect: handle(.letConnect(arrived))
                case .wait, .refuse: break
                }
            case 4..<7:
                guard let index = out.indices.randomElement(using: &generator) else { continue }
                let (connection, isShared) = out.remove(at: index)
                handle(
                    Int.random(in: 0..<8, using: &generator) == 0
                        ? state.lose(wasShared: isShared, now: now)
                        : state.giveBack(connection, wasShared: isShared, now: now)
                )
            case 7..<9:
                guard let index = connecting.indices.randomElement(using: &generator) else { continue }
                let isShared = connecting.remove(at: index)
                guard Bool.random(using: &generator) else {
                    handle(state.lose(wasShared: isShared, now: now))
                    continue
                }
                made += 1
                out.append((made, isShared))
            case 9:
                guard let waiter = waiting.randomElement(using: &generator) else { continue }
                #expect(state.withdraw(id: UInt64(waiter)) == waiter)
                waiting.remove(waiter)
            default: handle(state.relieve(now))
            }
            #expect(state.count == out.count + connecting.count + state.idle.count && state.count <= 4)
            #expect(state.shared == out.count { $0.isShared } + connecting.count { $0 })
            #expect(state.waiting == waiting.count)
            let aloneWait = !waiting.isSubset(of: sharing)
            #expect(waiting.isEmpty || state.shared > 0 || state.idle.isEmpty, "somebody waits for nothing")
            #expect(!aloneWait || (state.idle.isEmpty && state.count == 4), "there is room while one waits for any")
        }
        // Everything comes back: nobody is left.
        while !out.isEmpty || !connecting.isEmpty {
            for isShared in connecting {
                made += 1
                out.append((made, isShared))
            }
            connecting = []
            let (connection, isShared) = out.removeFirst()
            handle(state.giveBack(connection, wasShared: isShared, now: now))
        }
        #expect(waiting == [] && state.shared == 0)
    }
}
