import CCurl
import Glibc
import Synchronization

/// One thread that drives every transfer handed to it, over one `curl_multi`.
///
/// Callers suspend; no cooperative thread ever blocks. The thread starts with the first transfer and ends with
/// ``shutdown()`` or when the last client that holds the loop goes away. Share one loop between clients.
public final class TransferLoop: Sendable {
    private let inbox = Inbox()
    private static let started: Bool = curl_global_init(Int(CURL_GLOBAL_ALL)) == CURLE_OK

    public init() {}

    deinit { inbox.close() }

    /// Ends the thread and closes every connection; transfers under way fail with `.shutDown`. Later ones do at once.
    /// Returns when the thread has let go of everything.
    public func shutdown() async {
        await withCheckedContinuation { inbox.close(whenEnded: $0) }
    }

    /// Runs what `make` builds around the continuation it is given, aborting it when the calling task is cancelled.
    func run<Outcome: Sendable>(
        _ make: @Sendable (CheckedContinuation<Outcome, Never>) -> any Transfer
    ) async -> Outcome {
        let ticket = inbox.nextTicket()
        // Once the handler is gone no cancellation can come any more.
        defer { inbox.forget(ticket) }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let transfer = make(continuation)
                if let error = inbox.submit(transfer, ticket) { transfer.fail(error) }
            }
        } onCancel: {
            inbox.cancel(ticket)
        }
    }

    /// What callers leave for the thread, and the thread's own life cycle.
    final class Inbox: Sendable {
        typealias Ticket = UInt64

        enum Phase {
            case idle
            case running(Multi)
            case closing
            case closed
        }

        struct State {
            var phase = Phase.idle
            var submitted: [(ticket: Ticket, transfer: any Transfer)] = []
            var cancelled: Set<Ticket> = []
            var live: Set<Ticket> = []
            var waitingForEnd: [CheckedContinuation<Void, Never>] = []
        }

        private let tickets = Atomic<UInt64>(0)
        private let state = Mutex(State())

        func nextTicket() -> Ticket { tickets.add(1, ordering: .relaxed).newValue }

        /// Queues a transfer, starting the thread if need be. A returned error means it was not queued.
        func submit(_ transfer: any Transfer, _ ticket: Ticket) -> TransferError? {
            state.withLock { state in
                switch state.phase {
                case .closing, .closed: return .shutDown
                case .running(let multi):
                    if state.cancelled.remove(ticket) != nil { return .cancelled }
                    state.live.insert(ticket)
                    state.submitted.append((ticket, transfer))
                    multi.wake()
                    return nil
                case .idle:
                    if state.cancelled.remove(ticket) != nil { return .cancelled }
                    guard TransferLoop.started, let multi = Multi() else {
                        return .notConnected("libcurl did not initialise")
                    }
                    guard LoopThread.start(LoopThread(multi: multi, inbox: self)) else {
                        return .notConnected("no thread could be started")
                    }
                    state.phase = .running(multi)
                    state.live.insert(ticket)
                    state.submitted.append((ticket, transfer))
                    return nil
                }
            }
        }

        /// May run before `submit` (a task cancelled at birth), during the transfer, or after its end.
        func cancel(_ ticket: Ticket) {
            state.withLock { state in
                state.cancelled.insert(ticket)
                if case .running(let multi) = state.phase { multi.wake() }
            }
        }

        func close(whenEnded continuation: CheckedContinuation<Void, Never>? = nil) {
            let alreadyEnded = state.withLock { state in
                switch state.phase {
                case .idle, .closed:
                    state.phase = .closed
                    return true
                case .running(let multi):
                    state.phase = .closing
                    multi.wake()
                case .closing: break
                }
                if let continuation { state.waitingForEnd.append(continuation) }
                return false
            }
            if alreadyEnded { continuation?.resume() }
        }

        /// The thread's turn: everything new since the last one.
        func collect() -> (submitted: [(ticket: Ticket, transfer: any Transfer)], cancelled: [Ticket], open: Bool) {
            state.withLock { state in
                // A cancellation whose submission has not come yet stays for it.
                let cancelled = state.cancelled.intersection(state.live)
                state.cancelled.subtract(cancelled)
                defer { state.submitted.removeAll() }
                guard case .running = state.phase else { return (state.submitted, [], false) }
                return (state.submitted, Array(cancelled), true)
            }
        }

        func forget(_ ticket: Ticket) {
            state.withLock { state in
                state.live.remove(ticket)
                state.cancelled.remove(ticket)
            }
        }

        func ended() {
            let waiting = state.withLock { state in
                state.phase = .closed
                defer { state.waitingForEnd.removeAll() }
                return state.waitingForEnd
            }
            for continuation in waiting { continuation.resume() }
        }
    }
}
