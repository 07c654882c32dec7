import Foundation
import Glibc
import Synchronization

/// A network between client and server that can be made to fail: a TCP proxy on a port of its own.
///
/// A fault holds for every connection from when it is set. A call returns once the fault is in force: no byte passes
/// a stall after `stall()` returned.
public final class FaultProxy: Sendable {
    public enum Direction: Sendable {
        case toServer
        case toClient
    }

    /// What becomes of a connection whose answers are cut.
    public enum Ending: Sendable {
        /// It stays open, and says nothing any more.
        case silence
        /// It is closed, but not before the server has answered all it was sent.
        case close
    }

    public let port: Int
    private let loop: ProxyLoop

    private init(to cluster: TestCluster) throws {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = loopbackAddress(port: 0)
        guard bindTo(&address, listener), listen(listener, 64) == 0 else {
            throw ChildProcess.Failure(description: "the proxy got no port")
        }
        port = portOf(listener)
        loop = ProxyLoop(listener: listener, server: cluster.port)
        Thread.detachNewThread { [loop] in loop.run() }
    }

    /// A proxy in front of a cluster, for the length of `body`.
    public static func run<Result>(
        to cluster: TestCluster = .shared,
        isolation: isolated (any Actor)? = #isolation,
        _ body: (FaultProxy) async throws -> Result
    ) async throws -> Result {
        let proxy = try FaultProxy(to: cluster)
        defer { proxy.loop.order { $0.isOver = true } }
        return try await body(proxy)
    }

    public func url(database: String = "postgres", user: String = "postgres") -> String {
        TestCluster.url(host: "127.0.0.1", port: port, database: database, user: user)
    }

    // MARK: Faults

    /// Forwards nothing, both ways or in one direction. Connections are still accepted.
    public func stall(_ directions: Direction...) {
        loop.order {
            $0.holdsRequests = directions.isEmpty || directions.contains(.toServer)
            $0.holdsAnswers = directions.isEmpty || directions.contains(.toClient)
        }
    }

    /// Ends a stall; what was held back goes on.
    public func resume() {
        loop.order { ($0.holdsRequests, $0.holdsAnswers) = (false, false) }
    }

    /// Resets every connection (RST).
    public func reset() {
        loop.order { $0.endings = .reset }
    }

    /// Closes every connection (FIN).
    public func disconnect() {
        loop.order { $0.endings = .finish }
    }

    /// Once a client has sent `text`, on that connection and only there: its bytes still reach the server, and no
    /// answer to them, or to anything later, reaches the client.
    ///
    /// A prepared statement's text is sent only the first time a session runs it.
    public func cutReplies(after text: String, then ending: Ending) {
        loop.order { $0.cut = (Array(text.utf8), ending) }
    }

    // MARK: Counts

    /// How often a client spoke and the server then answered, over all connections.
    public var roundTrips: Int { loop.counts.roundTrips }
    /// How many connections were made.
    public var connections: Int { loop.counts.connections }
    /// How many connections are open.
    public var openConnections: Int { loop.counts.openConnections }
    /// How many connections lost their answers to `cutReplies`.
    public var cuts: Int { loop.counts.cuts }
    /// The bytes that clients sent and that reached the server.
    public var requestBytes: Int { loop.counts.requestBytes }
}

// MARK: Sockets

func loopbackAddress(port: Int) -> sockaddr_in {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(port).bigEndian
    address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
    return address
}

func bindTo(_ address: inout sockaddr_in, _ socket: Int32) -> Bool {
    withUnsafePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            bind(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
        }
    } == 0
}

func connectTo(_ address: inout sockaddr_in, _ socket: Int32) -> Bool {
    withUnsafePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
        }
    } == 0
}

func portOf(_ socket: Int32) -> Int {
    var address = sockaddr_in()
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    _ = withUnsafeMutablePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(socket, $0, &length) }
    }
    return Int(in_port_t(bigEndian: address.sin_port))
}
