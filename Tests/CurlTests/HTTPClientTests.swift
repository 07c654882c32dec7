import Curl
import Foundation
import Testing

@Suite(.timeLimit(.minutes(1)))
struct HTTPClientTests {
    let client = HTTPClient()

    struct Echo: Decodable, Sendable {
        var method: String
        var target: String
        var headers: [[String]]
        var body: Data
        var connection: Int

        init(_ response: HTTPClient.Response) throws {
            self = try JSONDecoder().decode(Echo.self, from: Data(response.body))
        }
    }

    @Test(arguments: ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PURGE"])
    func `every method carries a body`(method: String) async throws {
        let server = try await PythonServer.shared.value
        let body = Array("{\"a\":\"\u{0}\u{e9}\"}".utf8)
        let echo = try Echo(try await client.send(.init(method, server.url("/echo"), body: body)))
        #expect(echo.method == method)
        #expect(echo.body == Data(body))
    }

    @Test func `a request says what it was given, and Host, and no more`() async throws {
        let server = try await PythonServer.shared.value
        let request = HTTPClient.Request(
            "GET",
            server.url("/a/../b/%2e%2E//c?x=%00&y"),
            headers: [("X-One", "1"), ("x-one", "2"), ("X-Empty", "")]
        )
        let echo = try Echo(try await client.send(request))
        #expect(echo.target == "/a/../b/%2e%2E//c?x=%00&y")
        #expect(
            echo.headers == [["Host", "127.0.0.1:\(server.port)"], ["X-One", "1"], ["x-one", "2"], ["X-Empty", ""]]
        )
    }

    @Test func `an empty POST says so, an empty GET says nothing`() async throws {
        let server = try await PythonServer.shared.value
        let post = try Echo(try await client.send(.init("POST", server.url("/echo"))))
        #expect(post.headers.contains(["Content-Length", "0"]))
        #expect(post.headers.count == 2)
        let get = try Echo(try await client.send(.init("DELETE", server.url("/echo"))))
        #expect(get.headers.count == 1)
    }

    @Test(arguments: [[], Array("body".utf8)])
    func `HEAD expects no body, with or without its own`(body: [UInt8]) async throws {
        let server = try await PythonServer.shared.value
        let before = try Echo(try await client.send(.init("GET", server.url("/echo"))))
        let response = try await client.send(.init("HEAD", server.url("/huge?5000"), body: body))
        #expect(response.status == 200)
        #expect(response["content-length"] == "5000")
        #expect(response.body.isEmpty)
        // The body left the connection in order.
        let after = try Echo(try await client.send(.init("GET", server.url("/echo"))))
        #expect(after.connection == before.connection)
    }

    @Test func `a large body goes up and comes back`() async throws {
        let server = try await PythonServer.shared.value
        let body = Array(String(repeating: "\u{0}\u{1F9FE}\r\n0123456789", count: 20_000).utf8)
        let request = HTTPClient.Request("PUT", server.url("/echo"), body: body, maximumResponseBytes: 4 << 20)
        #expect(try Echo(try await client.send(request)).body == Data(body))
    }

    @Test func `headers are the final answer's, every one, in any case`() async throws {
        let server = try await PythonServer.shared.value
        let response = try await client.send(.init("GET", server.url("/interim")))
        #expect(response.status == 200)
        #expect(response["x-early"] == nil)
        #expect(response.all("SET-COOKIE") == ["a=1", "b=2"])
        #expect(response["X-Empty"] == "")
        let chunked = try await client.send(.init("GET", server.url("/chunked")))
        #expect(chunked.body == Array("abc".utf8))
        #expect(chunked["X-Trailer"] == nil)
    }

    @Test func `a redirect is an answer, not an order`() async throws {
        let server = try await PythonServer.shared.value
        let response = try await client.send(.init("GET", server.url("/redirect")))
        #expect(response.status == 302)
        #expect(response["location"] == "/echo")
    }

    @Test(arguments: [200, 404, 429, 503])
    func `any status is a response`(status: Int) async throws {
        let server = try await PythonServer.shared.value
        #expect(try await client.send(.init("POST", server.url("/status/\(status)"))).status == status)
    }

    @Test func `a response is read up to the limit and not beyond`() async throws {
        let server = try await PythonServer.shared.value
        var request = HTTPClient.Request("GET", server.url("/huge?100000"), maximumResponseBytes: 100_000)
        #expect(try await client.send(request).body.count == 100_000)
        request.maximumResponseBytes = 99_999
        await #expect(throws: TransferError.responseTooLarge(limit: 99_999)) { try await client.send(request) }
        let endless = HTTPClient.Request("GET", server.url("/endless-headers"))
        await #expect(throws: TransferError.self) { try await client.send(endless) }
    }

    @Test func `a pinned address is connected to, whatever the host says`() async throws {
        let server = try await PythonServer.shared.value
        var request = HTTPClient.Request("GET", "http://hooks.example.test:\(server.port)/echo")
        request.pinnedAddress = "127.0.0.1"
        let echo = try Echo(try await client.send(request))
        #expect(echo.headers == [["Host", "hooks.example.test:\(server.port)"]])
        // The other way round: the URL leads to the server, the pin does not. The pin before left nothing behind.
        request.url = server.url("/echo")
        request.pinnedAddress = "::1"
        await #expect(throws: TransferError.self) { try await client.send(request) }
    }

    @Test func `connections are kept and reused`() async throws {
        let server = try await PythonServer.shared.value
        var connections: Set<Int> = []
        for _ in 0..<5 {
            let echo = try Echo(try await client.send(.init("POST", server.url("/echo"), body: [1])))
            connections.insert(echo.connection)
        }
        #expect(connections.count == 1)
    }

    @Test func `four hundred requests at once`() async throws {
        let server = try await PythonServer.shared.value
        let targets = try await withThrowingTaskGroup(of: String.self) { group in
            for number in 0..<400 {
                group.addTask {
                    let body = [UInt8](repeating: 7, count: 500)
                    return try Echo(try await client.send(.init("POST", server.url("/echo?\(number)"), body: body)))
                        .target
                }
            }
            return try await group.reduce(into: Set<String>()) { $0.insert($1) }
        }
        #expect(targets.count == 400)
    }

    @Test func `a deadline ends a transfer and tells whether the request was sent`() async throws {
        let server = try await PythonServer.shared.value
        await #expect(throws: TransferError.timedOut(requestSent: true)) {
            try await client.send(.init("GET", server.url("/never")), deadline: .milliseconds(100))
        }
    }

    @Test func `cancelling the task aborts the transfer`() async throws {
        let server = try await PythonServer("http_server.py")
        let task = Task { try await client.send(.init("POST", server.url("/never")), deadline: .seconds(50)) }
        #expect(try await server.next().target == "/never")
        task.cancel()
        await #expect(throws: TransferError.cancelled) { try await task.value }
    }

    @Test func `a task cancelled before it begins sends nothing`() async throws {
        let server = try await PythonServer("http_server.py")
        let task = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return try await client.send(.init("GET", server.url("/unwanted")))
        }
        await #expect(throws: TransferError.cancelled) { try await task.value }
        _ = try await client.send(.init("GET", server.url("/wanted")))
        #expect(try await server.next().target == "/wanted")
    }

    @Test func `a reset after the request is a lost connection, a closed port is no connection`() async throws {
        let server = try await PythonServer.shared.value
        for path in ["/reset", "/nonsense"] {
            await #expect {
                try await client.send(.init("POST", server.url(path), body: [1]))
            } throws: {
                if case .connectionLost = $0 as? TransferError { true } else { false }
            }
        }
        await #expect {
            try await client.send(.init("GET", "http://127.0.0.1:1/"))
        } throws: {
            if case .notConnected = $0 as? TransferError { true } else { false }
        }
    }

    @Test(arguments: [[], [UInt8](repeating: 1, count: 10)])
    func `a POST on a dying reused connection is never sent twice`(body: [UInt8]) async throws {
        let server = try await PythonServer("http_server.py")
        let request = HTTPClient.Request("POST", server.url("/once"), body: body)
        #expect(try await client.send(request).status == 200)
        await #expect {
            try await client.send(request)
        } throws: {
            if case .connectionLost = $0 as? TransferError { true } else { false }
        }
        #expect(try await client.send(.init("GET", server.url("/last"))).status == 200)
        for target in ["/once", "/once", "/last"] { #expect(try await server.next().target == target) }
    }

    @Test func `a GET on a dying reused connection is sent again`() async throws {
        let server = try await PythonServer.shared.value
        let request = HTTPClient.Request("GET", server.url("/once"))
        #expect(try await client.send(request).status == 200)
        #expect(try await client.send(request).status == 200)
    }

    @Test func `an unknown authority is refused, a trusted one is not`() async throws {
        let server = try await PythonServer("http_server.py", tls: true)
        let request = HTTPClient.Request("GET", "https://localhost:\(server.port)/echo", pinnedAddress: "127.0.0.1")
        await #expect {
            try await client.send(request)
        } throws: {
            if case .untrusted = $0 as? TransferError { true } else { false }
        }
        let trusting = HTTPClient(trustedAuthorities: server.certificate)
        #expect(try await trusting.send(request).status == 200)
        let misnamed = HTTPClient.Request("GET", "https://other.test:\(server.port)/", pinnedAddress: "127.0.0.1")
        await #expect {
            try await trusting.send(misnamed)
        } throws: {
            if case .untrusted = $0 as? TransferError { true } else { false }
        }
    }

    @Test(arguments: [
        HTTPClient.Request("GET /x HTTP/1.1\r\nA:", "http://127.0.0.1:1/"),
        HTTPClient.Request("GET", "http://127.0.0.1:1/ x"),
        HTTPClient.Request("GET", "file:///etc/passwd"),
        HTTPClient.Request("GET", "gopher://127.0.0.1:1/"),
        HTTPClient.Request("GET", "http://"),
        HTTPClient.Request("GET", "http://127.0.0.1:1/", headers: [("A", "b\r\nC: d")]),
        HTTPClient.Request("GET", "http://127.0.0.1:1/", headers: [("A b", "c")]),
        HTTPClient.Request("GET", "http://127.0.0.1:1/", pinnedAddress: "localhost"),
    ])
    func `what cannot be said in HTTP is refused before it is sent`(request: HTTPClient.Request) async throws {
        await #expect {
            try await client.send(request)
        } throws: {
            if case .invalidRequest = $0 as? TransferError { true } else { false }
        }
    }

    @Test func `shutting down fails what runs and what comes`() async throws {
        let server = try await PythonServer("http_server.py")
        let loop = TransferLoop()
        let client = HTTPClient(on: loop)
        let task = Task { try await client.send(.init("GET", server.url("/never"))) }
        _ = try await server.next()
        await loop.shutdown()
        await #expect(throws: TransferError.shutDown) { try await task.value }
        await #expect(throws: TransferError.shutDown) { try await client.send(.init("GET", server.url("/echo"))) }
        await loop.shutdown()
    }
}
