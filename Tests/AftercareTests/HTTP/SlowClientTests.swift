import Foundation
import Support
import Testing

@testable import Aftercare

/// OWASP API4: clients that take their time, over raw sockets. One second is allowed for a head, one for a body; each
/// client here would need several times that and is never silent for long.
@Suite(.timeLimit(.minutes(2))) struct SlowClientTests {
    private static let settings = ["AFTERCARE_HTTP_IDLE_SECONDS": "1", "AFTERCARE_HTTP_BODY_SECONDS": "1"]
    private let long = String(repeating: "a", count: 400)

    private func connect(
        _ settings: [String: String] = settings,
        _ body: (RawSocket, OwnServer) async throws -> Void
    ) async throws {
        try await OwnServer.run(settings) { try await body(RawSocket(port: $0.port), $0) }
    }

    @Test func `a request line that drips in is cut off`() async throws {
        try await connect { socket, _ in
            let (text, after) = try await socket.untilClosed(dripping: "GET /" + long, within: .seconds(60))
            #expect(text.isEmpty && after > .milliseconds(500))
        }
    }

    @Test func `headers that drip in are cut off`() async throws {
        try await connect { socket, _ in
            #expect(socket.send("GET /health/live HTTP/1.1\r\nHost: a\r\n"))
            let drip = String(repeating: "X: y\r\n", count: 70)
            let (text, after) = try await socket.untilClosed(dripping: drip, within: .seconds(60))
            #expect(text.isEmpty && after > .milliseconds(500))
        }
    }

    @Test func `a body that drips in is answered with 408, and then cut off`() async throws {
        let fields = "Host: a\r\nContent-Type: application/json\r\nContent-Length: 400\r\n"
        let head = "POST /v1/sessions HTTP/1.1\r\n\(fields)\r\n"
        try await connect { socket, _ in
            #expect(socket.send(head))
            let (text, after) = try await socket.untilClosed(dripping: long, within: .seconds(60))
            #expect(text.hasPrefix("HTTP/1.1 408 ") && text.contains("request_timeout"), "\(text)")
            #expect(after > .milliseconds(500))
        }
    }

    @Test func `a chunked body that drips in is cut off, and so is one whose answer came at once`() async throws {
        let head = "POST /v1/stores HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        try await connect { socket, _ in
            #expect(socket.send(head))
            let drip = String(repeating: "1\r\na\r\n", count: 100)
            let (text, _) = try await socket.untilClosed(dripping: drip, within: .seconds(60))
            // No credential: that needs no body to know.
            #expect(text.hasPrefix("HTTP/1.1 401 "), "\(text)")
        }
    }

    @Test func `a connection that is kept alive and not used is closed, and until then it serves`() async throws {
        // Long enough that a busy machine does not use it up.
        try await connect(["AFTERCARE_HTTP_IDLE_SECONDS": "5"]) { socket, _ in
            for _ in 0..<4 {
                #expect(socket.send("GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n"))
                var text = ""
                try await eventually {
                    text += socket.receive() ?? ""
                    return text.contains("\"live\"")
                }
                #expect(text.hasPrefix("HTTP/1.1 200 "))
                // In all, longer than it may be idle for at once.
                try await Task.sleep(for: .milliseconds(1700))
            }
            let (text, _) = try await socket.untilClosed(within: .seconds(60))
            #expect(text.isEmpty)
        }
    }

    @Test func `a connection that is never used is closed`() async throws {
        try await connect { socket, _ in
            let (text, after) = try await socket.untilClosed(within: .seconds(60))
            #expect(text.isEmpty && after > .milliseconds(500))
        }
    }

    @Test func `who takes no answers is cut off`() async throws {
        try await connect { socket, _ in
            // Requests whose answers nobody reads, until neither side's buffers take any more; then nothing is read.
            let request = "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"
            try await eventually {
                for _ in 0..<100 where !socket.send(request) { return true }
                return false
            }
            try await eventually(within: .seconds(30)) { !socket.isOpen }
        }
    }

    /// Slow is not the same as busy: what takes us long is no client's fault.
    @Test func `a client that waits for its answer is left alone`() async throws {
        let tenant = try await TestTenant.make()
        try await connect { socket, _ in
            try await tenant.holdingStore { release in
                let body = "{\"name\": \"Late\"}"
                let head = """
                    PATCH /v1/stores/\(tenant.store) HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer \(tenant.owner)\r
                    Content-Type: application/merge-patch+json\r\nContent-Length: \(body.utf8.count)\r\n\r\n
                    """
                #expect(socket.send(head + body))
                try await Task.sleep(for: .milliseconds(3500))
                #expect(socket.receive() == "")
                release()
                var text = ""
                try await eventually {
                    text += socket.receive() ?? ""
                    return text.contains("Late")
                }
                #expect(text.hasPrefix("HTTP/1.1 200 "))
            }
        }
    }
}
