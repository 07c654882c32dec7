import Foundation
import Glibc
import JSON
import Logging
import Postgres
import Support

@testable import Aftercare

/// A second process's worth of the API, over the database that all tests share, with settings of one test's own.
struct OwnServer: Sendable {
    let port: Int
    let baseURL: String

    /// Serves for the length of `body`.
    static func run(
        _ settings: [String: String],
        isolation: isolated (any Actor)? = #isolation,
        _ body: (OwnServer) async throws -> Void
    ) async throws {
        let shared = try await TestServer.shared()
        let config = try TestServer.config(shared.database, shared.mailDirectory, with: settings)
        let program = Program(config, logger: Logger(label: "own") { _ in SwiftLogNoOpLogHandler() })
        let (ports, port) = AsyncStream.makeStream(of: Int.self)
        let serving = Task.detached { try await program.run([.serve], stoppingOn: []) { port.yield($0) } }
        defer { serving.cancel() }
        var iterator = ports.makeAsyncIterator()
        guard let number = await iterator.next() else { throw TestServer.NotStarted() }
        try await body(OwnServer(port: number, baseURL: "http://127.0.0.1:\(number)"))
    }
}

extension OwnServer {
    func send(
        _ method: String,
        _ path: String,
        token: String? = nil,
        body: JSON? = nil,
        headers: [(String, String)] = [],
        raw: [UInt8]? = nil
    ) async throws -> Answer {
        try await TestServer.shared().send(
            method,
            path,
            token: token,
            body: body,
            headers: headers,
            raw: raw,
            baseURL: baseURL
        )
    }

    /// The first of the demo's webhooks.
    func post(_ demo: DemoOrder) async throws -> Answer {
        let body = try demo.body("orders/create")
        let headers = [
            ("Content-Type", "application/json"), ("X-Shopify-Topic", "orders/create"),
            ("X-Shopify-Hmac-Sha256", DemoOrder.signature(body, secret: demo.tenant.demo.webhookSecret)),
        ]
        return try await send("POST", demo.hook, headers: headers, raw: body)
    }
}

/// A client's socket, for what no HTTP client does.
final class RawSocket: Sendable {
    fileprivate let descriptor: Int32

    init(port: Int) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let outcome = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, length) }
        }
        guard outcome == 0 else { throw NeverHappened(description: "no connection: errno \(errno)") }
        _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
    }

    deinit { close(descriptor) }

    /// False once the other side has closed.
    func send(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        return Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count
    }

    /// What is there now; nil once the other side has closed.
    func receive() -> String? {
        var bytes = [UInt8](repeating: 0, count: 65_536)
        let count = recv(descriptor, &bytes, bytes.count, 0)
        if count > 0 { return String(decoding: bytes.prefix(count), as: UTF8.self) }
        return count < 0 && (errno == EAGAIN || errno == EINTR) ? "" : nil
    }

    /// Reads until the other side closes, sending a byte of `drip` now and then; what came, and how long it took.
    func untilClosed(dripping drip: String = "", within limit: Duration) async throws -> (text: String, after: Duration)
    {
        let start = ContinuousClock.now
        var (text, rest) = ("", Array(drip).makeIterator())
        while start.duration(to: .now) < limit {
            guard let more = receive() else { return (text, start.duration(to: .now)) }
            text += more
            if let next = rest.next() { _ = send(String(next)) }
            try await Task.sleep(for: .milliseconds(50))
        }
        throw NeverHappened(description: "still open after \(limit): \(text)")
    }
}

extension RawSocket {
    /// Whether the connection still stands; takes nothing of what has come.
    var isOpen: Bool {
        var state = tcp_info()
        var length = socklen_t(MemoryLayout<tcp_info>.size)
        guard getsockopt(descriptor, Int32(IPPROTO_TCP), TCP_INFO, &state, &length) == 0 else { return false }
        // TCP_ESTABLISHED; anything else means that the other side has closed.
        return state.tcpi_state == 1
    }
}

extension TestTenant {
    /// Runs `body` while another session holds the store's row, so that what wants to change it has to wait; until
    /// `release` is called, or `body` ends.
    func holdingStore(
        isolation: isolated (any Actor)? = #isolation,
        _ body: (@escaping @Sendable () -> Void) async throws -> Void
    ) async throws {
        let (released, releasing) = AsyncStream.makeStream(of: Void.self)
        let (held, holding) = AsyncStream.makeStream(of: Void.self)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                try await server.database.superuser.withTransaction { transaction in
                    _ = try await transaction.query(
                        "SELECT id FROM stores WHERE tenant_id = \(id.uuid) AND id = \(store.uuid) FOR NO KEY UPDATE"
                    )
                    holding.finish()
                    for await _ in released {}
                }
            }
            for await _ in held {}
            defer { releasing.finish() }
            try await body { releasing.finish() }
        }
    }
}
