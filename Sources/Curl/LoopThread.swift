import CCurl
import Glibc

/// One piece of work for the loop. Its continuation is resumed exactly once, by `finished`, `advance` or `fail`.
///
/// The loop's thread alone calls these (`fail` also at submission, before the thread ever sees the transfer).
protocol Transfer: AnyObject, Sendable {
    /// Sets the options; a thrown error ends the transfer.
    func configure(_ easy: EasyHandle) throws(TransferError)

    /// libcurl has ended its part. Returns true when the transfer now talks on the connection itself, see `interest`.
    func finished(_ easy: EasyHandle, _ code: CURLcode) -> Bool

    /// What to wait for, while the transfer talks on the connection itself.
    var interest: Interest { get }

    /// The socket is ready or the deadline passed. Returns true while the talk goes on.
    func advance(_ easy: EasyHandle) -> Bool

    /// Ended from outside: cancelled, shut down, or never started.
    func fail(_ error: TransferError)
}

/// A socket's readiness a transfer waits for, and until when.
struct Interest {
    var socket: curl_socket_t
    var writing: Bool
    var deadline: ContinuousClock.Instant
}

/// A `curl_multi`. The loop's thread drives it; `wake` is the one call libcurl allows from elsewhere.
final class Multi: @unchecked Sendable {  // the pointer never changes, and see above
    let pointer: UnsafeMutableRawPointer

    init?() {
        guard let pointer = curl_multi_init() else { return nil }
        self.pointer = pointer
        // Idle connections kept for reuse.
        _ = ccurl_multi_set_long(pointer, CURLMOPT_MAXCONNECTS, 256)
        _ = ccurl_multi_set_long(pointer, CURLMOPT_PIPELINING, Int(CURLPIPE_NOTHING))
    }

    deinit { curl_multi_cleanup(pointer) }

    func wake() { curl_multi_wakeup(pointer) }
}

/// The loop's thread and what only it touches.
final class LoopThread {
    typealias Ticket = TransferLoop.Inbox.Ticket

    private struct Running {
        var easy: EasyHandle
        var transfer: any Transfer
        var talking = false
    }

    private let multi: Multi
    private let inbox: TransferLoop.Inbox
    private var running: [Ticket: Running] = [:]
    private var tickets: [UnsafeMutableRawPointer: Ticket] = [:]

    init(multi: Multi, inbox: TransferLoop.Inbox) {
        self.multi = multi
        self.inbox = inbox
    }

    /// Gives `loop` its own detached thread. False when the system has no thread left.
    static func start(_ loop: sending LoopThread) -> Bool {
        let context = Unmanaged.passRetained(loop)
        var thread = pthread_t()
        // Signals are for the program's other threads, and a write to a closed peer must not kill the process.
        var all = sigset_t()
        var previous = sigset_t()
        sigfillset(&all)
        pthread_sigmask(SIG_SETMASK, &all, &previous)
        defer { pthread_sigmask(SIG_SETMASK, &previous, nil) }
        let failed = pthread_create(&thread, nil, { LoopThread.main($0) }, context.toOpaque())
        guard failed == 0 else {
            context.release()
            return false
        }
        pthread_detach(thread)
        return true
    }

    private static func main(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
        guard let context else { return nil }
        let inbox: TransferLoop.Inbox
        do {
            let loop = Unmanaged<LoopThread>.fromOpaque(context).takeRetainedValue()
            inbox = loop.inbox
            loop.run()
        }
        inbox.ended()
        return nil
    }

    private func run() {
        while true {
            let news = inbox.collect()
            guard news.open else {
                for (_, transfer) in news.submitted { transfer.fail(.shutDown) }
                for (ticket, entry) in running {
                    drop(ticket)
                    entry.transfer.fail(.shutDown)
                }
                return
            }
            for (ticket, transfer) in news.submitted { begin(ticket, transfer) }
            for ticket in news.cancelled {
                guard let entry = running[ticket] else { continue }
                drop(ticket)
                entry.transfer.fail(.cancelled)
            }
            var active: Int32 = 0
            curl_multi_perform(multi.pointer, &active)
            collectFinished()
            wait()
        }
    }

    private func begin(_ ticket: Ticket, _ transfer: any Transfer) {
        guard let easy = EasyHandle() else { return transfer.fail(.notConnected("out of memory")) }
        do throws(TransferError) {
            try transfer.configure(easy)
            if let refused = easy.refused { throw .invalidRequest(refused) }
        } catch {
            return transfer.fail(error)
        }
        guard curl_multi_add_handle(multi.pointer, easy.pointer) == CURLM_OK else {
            return transfer.fail(.notConnected("libcurl took no further transfer"))
        }
        running[ticket] = Running(easy: easy, transfer: transfer)
        tickets[easy.pointer] = ticket
    }

    private func collectFinished() {
        var remaining: Int32 = 0
        while let message = curl_multi_info_read(multi.pointer, &remaining) {
            guard message.pointee.msg == CURLMSG_DONE, let easy = message.pointee.easy_handle,
                let ticket = tickets[easy], let entry = running[ticket]
            else { continue }
            let code = ccurl_message_result(message)
            if entry.transfer.finished(entry.easy, code) {
                running[ticket]?.talking = true
            } else {
                drop(ticket)
            }
        }
    }

    /// Sleeps until a socket, a timer, a caller or a talking transfer's deadline needs the thread, and serves the last.
    private func wait() {
        var watched: [curl_waitfd] = []
        var order: [Ticket] = []
        var milliseconds = 60_000
        let now = ContinuousClock.now
        for (ticket, entry) in running where entry.talking {
            let interest = entry.transfer.interest
            let events = CURL_WAIT_POLLIN | (interest.writing ? CURL_WAIT_POLLOUT : 0)
            watched.append(curl_waitfd(fd: interest.socket, events: Int16(events), revents: 0))
            order.append(ticket)
            milliseconds = min(milliseconds, (interest.deadline - now).wholeMilliseconds)
        }
        curl_multi_poll(multi.pointer, &watched, UInt32(watched.count), Int32(milliseconds), nil)
        guard !order.isEmpty else { return }
        let later = ContinuousClock.now
        for (ticket, poll) in zip(order, watched) {
            guard let entry = running[ticket] else { continue }
            let due = poll.revents != 0 || entry.transfer.interest.deadline <= later
            if due, !entry.transfer.advance(entry.easy) { drop(ticket) }
        }
    }

    private func drop(_ ticket: Ticket) {
        guard let entry = running.removeValue(forKey: ticket) else { return }
        tickets[entry.easy.pointer] = nil
        curl_multi_remove_handle(multi.pointer, entry.easy.pointer)
    }
}
