import Glibc
import Synchronization

/// The proxy's one thread: it forwards between pairs of sockets, and looks at the faults before each step.
final class ProxyLoop: Sendable {
    struct Orders {
        enum Endings {
            case none
            case finish
            case reset
        }

        var holdsRequests = false
        var holdsAnswers = false
        var endings = Endings.none
        var cut: (text: [UInt8], ending: FaultProxy.Ending)?
        var isOver = false
    }

    struct Counts {
        var roundTrips = 0
        var connections = 0
        var openConnections = 0
        var cuts = 0
        var requestBytes = 0
    }

    /// One client's connection and the server's that belongs to it.
    private struct Link {
        let client: Int32
        let server: Int32
        /// What one side sent and the other has not taken yet.
        var toServer: [UInt8] = []
        var toClient: [UInt8] = []
        /// The client's last bytes, for a text that comes in two pieces.
        var tail: [UInt8] = []
        var ending: FaultProxy.Ending?
        var clientSpokeLast = false
        var isOver = false
    }

    private let listener: Int32
    private let server: Int32
    private let wakeUp: Int32
    private let state = Mutex((orders: Orders(), counts: Counts()))

    init(listener: Int32, server: Int) {
        self.listener = listener
        self.server = Int32(server)
        var ends: [Int32] = [-1, -1]
        // A socket pair, not an eventfd, which Swift's Glibc lacks. The other end is `wake`.
        _ = socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0, &ends)
        (wakeUp, wake) = (ends[0], ends[1])
    }

    private let wake: Int32

    deinit {
        Glibc.close(wakeUp)
        Glibc.close(wake)
    }

    var counts: Counts { state.withLock { $0.counts } }

    func order(_ change: (inout Orders) -> Void) {
        state.withLock { change(&$0.orders) }
        _ = send(wake, [1], 1, Int32(MSG_NOSIGNAL))
    }

    func run() {
        var links: [Link] = []
        while true {
            var sources = [
                pollfd(fd: wakeUp, events: Int16(POLLIN), revents: 0),
                pollfd(fd: listener, events: Int16(POLLIN), revents: 0),
            ]
            let orders = state.withLock { $0.orders }
            for link in links { sources += interests(of: link, orders) }
            guard poll(&sources, nfds_t(sources.count), -1) > 0 else { continue }
            if sources[0].revents != 0 {
                var byte: UInt8 = 0
                _ = recv(wakeUp, &byte, 1, 0)
            }
            // Under the lock, so that an order is in force when it returns to its caller.
            let isOver = state.withLock { state in
                for index in links.indices {
                    let (client, server) = (sources[2 + 2 * index].revents, sources[3 + 2 * index].revents)
                    forward(&links[index], client, server, &state.orders, &state.counts)
                }
                end(&links, &state.orders)
                if sources[1].revents != 0, let link = accept() {
                    links.append(link)
                    state.counts.connections += 1
                }
                state.counts.openConnections = links.count
                return state.orders.isOver
            }
            if isOver { break }
        }
        for link in links { close(link, reset: false) }
        Glibc.close(listener)
    }

    private func interests(of link: Link, _ orders: Orders) -> [pollfd] {
        let reads = (client: link.toServer.isEmpty && !orders.holdsRequests, server: link.toClient.isEmpty)
        let writes = (client: !link.toClient.isEmpty && !orders.holdsAnswers, server: !link.toServer.isEmpty)
        func source(_ socket: Int32, _ reads: Bool, _ writes: Bool) -> pollfd {
            let events = Int16(reads ? POLLIN : 0) | Int16(writes ? POLLOUT : 0)
            // A negative descriptor is skipped: poll would report the hang-up of a stalled one over and over.
            return pollfd(fd: events == 0 ? -1 : socket, events: events, revents: 0)
        }
        return [
            source(link.client, reads.client, writes.client),
            source(link.server, reads.server && !orders.holdsAnswers, writes.server && !orders.holdsRequests),
        ]
    }

    private func accept() -> Link? {
        let client = Glibc.accept(listener, nil, nil)
        guard client >= 0 else { return nil }
        let upstream = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = loopbackAddress(port: Int(server))
        guard connectTo(&address, upstream) else {
            Glibc.close(client)
            Glibc.close(upstream)
            return nil
        }
        for socket in [client, upstream] {
            var on: Int32 = 1
            setsockopt(socket, Int32(IPPROTO_TCP), TCP_NODELAY, &on, 4)
            _ = fcntl(socket, F_SETFL, O_NONBLOCK)
        }
        return Link(client: client, server: upstream)
    }

    // MARK: Forwarding

    private func forward(
        _ link: inout Link,
        _ client: Int16,
        _ server: Int16,
        _ orders: inout Orders,
        _ counts: inout Counts
    ) {
        if !orders.holdsRequests {
            if client & Int16(POLLIN | POLLHUP | POLLERR) != 0, link.toServer.isEmpty {
                if !receive(from: link.client, &link.toServer) { link.isOver = true }
                if !link.toServer.isEmpty { link.clientSpokeLast = true }
                counts.requestBytes += link.toServer.count
                noteCut(&link, &orders, &counts)
            }
            if !write(&link.toServer, to: link.server) { link.isOver = true }
        }
        if !orders.holdsAnswers {
            if server & Int16(POLLIN | POLLHUP | POLLERR) != 0, link.toClient.isEmpty {
                if !receive(from: link.server, &link.toClient) { link.isOver = true }
                if link.clientSpokeLast, !link.toClient.isEmpty {
                    counts.roundTrips += 1
                    link.clientSpokeLast = false
                }
                dropIfCut(&link)
            }
            if !write(&link.toClient, to: link.client) { link.isOver = true }
        }
    }

    /// False when the sender has closed or broken its connection.
    private func receive(from socket: Int32, _ bytes: inout [UInt8]) -> Bool {
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        let count = recv(socket, &buffer, buffer.count, 0)
        bytes = Array(buffer[..<max(count, 0)])
        return count > 0 || (count < 0 && (errno == EAGAIN || errno == EINTR))
    }

    /// False when the receiver is gone.
    private func write(_ bytes: inout [UInt8], to socket: Int32) -> Bool {
        guard !bytes.isEmpty else { return true }
        let count = send(socket, bytes, bytes.count, Int32(MSG_NOSIGNAL))
        bytes.removeFirst(max(count, 0))
        return count > 0 || errno == EAGAIN || errno == EINTR
    }

    private func noteCut(_ link: inout Link, _ orders: inout Orders, _ counts: inout Counts) {
        guard let cut = orders.cut else { return }
        link.tail += link.toServer
        guard contains(link.tail, cut.text) else {
            link.tail = Array(link.tail.suffix(cut.text.count))
            return
        }
        link.ending = cut.ending
        orders.cut = nil
        counts.cuts += 1
    }

    private func dropIfCut(_ link: inout Link) {
        guard let ending = link.ending else { return }
        // ReadyForQuery, which ends the server's answers, and the state it reports: idle.
        let isAnswered = link.toClient.suffix(6) == Array("Z".utf8) + [0, 0, 0, 5] + Array("I".utf8)
        link.toClient.removeAll()
        if ending == .close, isAnswered { link.isOver = true }
    }

    private func contains(_ bytes: [UInt8], _ text: [UInt8]) -> Bool {
        guard bytes.count >= text.count, !text.isEmpty else { return false }
        return (0...(bytes.count - text.count)).contains { start in
            bytes[start] == text[0] && bytes[start..<start + text.count].elementsEqual(text)
        }
    }

    // MARK: Endings

    private func end(_ links: inout [Link], _ orders: inout Orders) {
        for link in links where link.isOver || orders.endings != .none {
            close(link, reset: orders.endings == .reset)
        }
        if orders.endings == .none { links.removeAll(where: \.isOver) } else { links.removeAll() }
        orders.endings = .none
    }

    private func close(_ link: Link, reset: Bool) {
        for socket in [link.client, link.server] {
            // Lingering for no time at all is how a socket is told to send RST instead of FIN.
            var linger = linger(l_onoff: reset ? 1 : 0, l_linger: 0)
            setsockopt(socket, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout.size(ofValue: linger)))
            // A child process that just starts may hold a copy for a moment, and close alone would send nothing then.
            if !reset { shutdown(socket, Int32(SHUT_RDWR)) }
            Glibc.close(socket)
        }
    }
}
