import Curl
import FoundationEssentials
import Glibc
import JSON
import Observability
import Support
import Testing
import Time

@testable import Aftercare

/// What every answer has, and how every request that is none of ours is refused. Over real HTTP.
@Suite struct EnvelopeTests {
    @Test func `every answer has an id and says that it is private`() async throws {
        let tenant = try await TestTenant.make()
        for path in ["/v1/stores", "/v1/nothing", "/v1/stores?limit=0", "/health/live"] {
            let answer = try await tenant.get(path)
            #expect(answer.header("X-Request-Id")?.hasPrefix("req_") == true)
            #expect(answer.header("Cache-Control")?.contains("private") == true)
            #expect(answer.header("Vary") == "Authorization")
            #expect(answer.header("X-Content-Type-Options") == "nosniff")
        }
    }

    @Test func `every answer says when it was made, and how long it is`() async throws {
        let tenant = try await TestTenant.make()
        for path in ["/v1/stores", "/v1/nothing", "/health/live"] {
            let began = Int64(time(nil))
            let answer = try await tenant.get(path)
            let seconds = began...Int64(time(nil))
            let dates = seconds.map { "\(Instant(seconds: $0).internetMessageDate) GMT" }
            #expect(dates.contains(try #require(answer.header("Date"))))
            #expect(answer.header("Content-Length") == String(answer.response.body.count))
        }
    }

    @Test func `what failed is in the log under the id that the answer shows`() async throws {
        let tenant = try await TestTenant.make()
        try await tenant.holdingStore { release in
            defer { release() }
            let path = "/v1/stores/\(tenant.store)"
            let answer = try await tenant.send("PATCH", path, ["name": "Waited"], headers: [("Idempotency-Key", "k-1")])
            let id = try #require(answer.header("X-Request-Id"))
            let lines = tenant.server.log.lines.filter { $0.contains(id) }
            #expect(answer.status == 503 && lines.count == 1 && lines[0].contains("a request failed"), "\(lines)")
        }
    }

    @Test(arguments: [("0123456789abcdef", true), ("a-b_c-d_e", true), ("short", false), ("with space here", false)])
    func `a caller's request id is kept if it is one`(id: String, isKept: Bool) async throws {
        let server = try await TestServer.shared()
        let answer = try await server.send("GET", "/v1/nothing", headers: [("X-Request-Id", id)])
        #expect((answer.header("X-Request-Id") == id) == isKept)
        #expect(answer["request_id"]?.stringValue == answer.header("X-Request-Id"))
    }

    @Test func `an error is a problem document`() async throws {
        let server = try await TestServer.shared()
        let answer = try await server.send("GET", "/v1/nothing?x=1")
        #expect(answer.status == 404)
        #expect(answer.header("Content-Type") == "application/problem+json")
        #expect(answer["type"] == "urn:aftercare:problem:not_found")
        #expect(answer["status"] == 404)
        #expect(answer["instance"] == "/v1/nothing")
        for member in ["title", "detail", "code", "request_id"] { #expect(answer[member]?.stringValue != nil) }
    }

    @Test(arguments: ["PUT", "DELETE", "TRACE", "OPTIONS", "PATCH"])
    func `a method the path does not have is 405 and names those it has`(method: String) async throws {
        let tenant = try await TestTenant.make()
        let answer = try await tenant.send(method, "/v1/stores")
        #expect(answer.status == 405)
        #expect(answer.header("Allow") == "GET, HEAD, POST")
        #expect(answer.code == "method_not_allowed")
    }

    /// A body would be read as the beginning of the next answer.
    @Test func `HEAD has the headers of GET and no body, also where it is refused`() async throws {
        let tenant = try await TestTenant.make()
        let server = tenant.server
        let port = try #require(server.baseURL.split(separator: ":").last.flatMap { Int($0) })
        let authorization = "Host: x\r\nAuthorization: Bearer \(tenant.owner)\r\n"
        let socket = try RawSocket(port: port)
        for path in ["/health/live", "/v1/stores/\(tenant.store)", "/v1/nothing", "/v1/sessions"] {
            #expect(socket.send("HEAD \(path) HTTP/1.1\r\n\(authorization)\r\n"))
        }
        #expect(socket.send("GET /health/live HTTP/1.1\r\nConnection: close\r\n\(authorization)\r\n"))
        let text = try await socket.untilClosed(within: .seconds(20)).text
        let answers = text.components(separatedBy: "\r\n\r\n")
        let statuses = answers.dropLast().map { $0.prefix(12).suffix(3) }
        #expect(statuses == ["200", "200", "404", "405", "200"], "\(text)")
        let store = try await tenant.get("/v1/stores/\(tenant.store)")
        #expect(answers[1].contains("Content-Length: \(store.response.body.count)\r\n"))
        #expect(answers[1].contains("ETag: "))
    }

    @Test func `only JSON is answered`() async throws {
        let tenant = try await TestTenant.make()
        let answer = try await tenant.get("/v1/stores", headers: [("Accept", "text/html, image/*;q=0.5")])
        #expect(answer.status == 406)
        for accept in ["*/*", "application/json", "text/html, application/*;q=0.1", "application/problem+json"] {
            #expect(try await tenant.get("/v1/stores", headers: [("Accept", accept)]).status == 200)
        }
        for accept in ["application/json;q=0", "text/plain", "text/*"] {
            #expect(try await tenant.get("/v1/stores", headers: [("Accept", accept)]).status == 406, "\(accept)")
        }
        // A monitor asks for text, and that is what it gets.
        let metrics = try await tenant.server.send("GET", "/metrics", headers: [("Accept", "text/plain;version=0.0.4")])
        #expect(metrics.status == 200)
    }

    /// Whatever else is wrong with the request: who is not known hears nothing about it.
    @Test func `without a valid credential the answer is 401, whatever else is wrong`() async throws {
        let server = try await TestServer.shared()
        let pepper = server.environment.masterKey.pepper
        let made = Token(tenant: .new(), subject: .apiKey(.new(), store: nil), pepper: pepper).text.reveal()
        let json = ("Content-Type", "application/json")
        let requests: [(method: String, path: String, headers: [(String, String)], body: String)] = [
            ("GET", "/v1/stores/no-id", [], ""), ("GET", "/v1/stores?colour=red", [], ""),
            ("GET", "/v1/orders?cursor=x", [], ""), ("GET", "/v1/stores", [("Accept", "text/html")], ""),
            ("POST", "/v1/stores", [json], "{"), ("POST", "/v1/stores", [json], "{\"name\": 7}"),
            ("POST", "/v1/stores", [("Content-Type", "text/plain")], "{}"),
            ("POST", "/v1/stores", [json, ("Idempotency-Key", "with space")], "{}"),
            ("POST", "/v1/stores", [json, ("Idempotency-Key", "k")], "{}"),
            ("POST", "/v1/stores", [json], String(repeating: " ", count: 2 << 20)),
        ]
        for request in requests {
            for token in [nil, "nonsense", made] {
                let authorization = token.map { [("Authorization", "Bearer \($0)")] } ?? []
                let answer = try await server.send(
                    request.method,
                    request.path,
                    headers: request.headers + authorization,
                    raw: Array(request.body.utf8)
                )
                #expect(answer.status == 401, "\(request.method) \(request.path) \(request.headers): \(answer.json)")
            }
        }
    }

    @Test func `without the scope the answer is 403 and names it, whatever else is wrong`() async throws {
        let tenant = try await TestTenant.make()
        let reader = try await tenant.key([.ordersRead])
        let bound = try await tenant.key([.storesWrite, .keysWrite, .keysRead], store: tenant.store)
        let more: JSON = ["name": "S", "scopes": ["orders:read", "stores:write"]]
        let strong = try await tenant.send("POST", "/v1/api-keys", more)
        let strongID = try #require(strong["id"]?.stringValue)
        let writer = try await tenant.key([.keysWrite, .ordersRead])
        let store: JSON = ["name": "S", "platform": "other", "time_zone": "UTC", "currency": "EUR"]
        let refused = [
            (try await tenant.send("GET", "/v1/stores/no-id", as: reader), "stores:read"),
            (try await tenant.send("POST", "/v1/stores", ["colour": "red"], as: reader), "stores:write"),
            (try await tenant.send("POST", "/v1/stores", store, as: bound), "stores:write"),
            (try await tenant.send("POST", "/v1/api-keys/\(strongID)/rotate", [:], as: writer), "stores:write"),
        ]
        for (answer, scope) in refused {
            #expect(answer.status == 403 && answer["required_scopes"] == [.string(scope)], "\(scope): \(answer.json)")
        }
    }

    @Test func `an instant that UTC puts past the year 9999 is refused where it stands`() async throws {
        let tenant = try await TestTenant.make()
        let key: JSON = ["name": "K", "scopes": ["orders:read"], "expires_at": "9999-12-31T23:59:59-01:00"]
        let answer = try await tenant.send("POST", "/v1/api-keys", key)
        #expect(answer.status == 422 && answer.pointers == ["#/expires_at"])
        #expect(answer["errors"]?[0]?["detail"]?.stringValue?.contains("before the year 10000") == true)
        let last = key.with("expires_at", "9999-12-31T23:59:59Z")
        #expect(try await tenant.send("POST", "/v1/api-keys", last).status == 201)
    }

    @Test(arguments: [nil, "text/plain", "application/xml", "application/json; charset=latin1", "application/jsonx"])
    func `a body that is not JSON is 415`(type: String?) async throws {
        let tenant = try await TestTenant.make()
        let headers = [("Content-Type", type ?? ""), ("Authorization", "Bearer \(tenant.owner)")]
        let answer = try await tenant.server.send("POST", "/v1/stores", headers: headers, raw: Array("{}".utf8))
        #expect(answer.status == 415)
        #expect(answer.header("Accept") == "application/json")
    }

    @Test(arguments: [("gzip", 415), ("br, gzip", 415), ("identity", 201)])
    func `a body that is compressed is 415`(encoding: String, status: Int) async throws {
        let tenant = try await TestTenant.make()
        let answer = try await tenant.putPart("risk", PartBody.risk, headers: [("Content-Encoding", encoding)])
        #expect(answer.status == status, "\(answer.json)")
        #expect(answer.header("Accept-Encoding") == (status == 415 ? "identity" : nil))
    }

    @Test func `a body above one mebibyte is 413, announced or not`() async throws {
        let tenant = try await TestTenant.make()
        let body = Array("{\"name\": \"".utf8) + [UInt8](repeating: 0x61, count: 1 << 20) + Array("\"}".utf8)
        for more in [[], [("Transfer-Encoding", "chunked")]] {
            let headers = [("Content-Type", "application/json"), ("Authorization", "Bearer \(tenant.owner)")] + more
            let answer = try await tenant.server.send("POST", "/v1/stores", headers: headers, raw: body)
            #expect(answer.status == 413)
            #expect(answer.code == "payload_too_large")
        }
    }

    @Test(arguments: [
        "", "{", "[1,2", "nul", "{\"a\":1,\"a\":2}", "\u{FEFF}{}", "{\"a\":1}x", String(repeating: "[", count: 100_000),
    ])
    func `what is not JSON is 400`(text: String) async throws {
        let tenant = try await TestTenant.make()
        let headers = [("Content-Type", "application/json"), ("Authorization", "Bearer \(tenant.owner)")]
        let answer = try await tenant.server.send("POST", "/v1/stores", headers: headers, raw: Array(text.utf8))
        #expect(answer.status == 400)
        #expect(answer.code == "malformed_json")
    }

    @Test func `all invalid fields are named at once, unknown ones too`() async throws {
        let tenant = try await TestTenant.make()
        let answer = try await tenant.send(
            "POST",
            "/v1/stores",
            [
                "name": "", "platform": "magento", "time_zone": "Mars/Olympus", "currency": "euro", "locale": "x",
                "tenant_id": "tnt_x", "mode": 7,
            ]
        )
        #expect(answer.status == 422)
        let expected = ["#/name", "#/platform", "#/time_zone", "#/currency", "#/locale", "#/tenant_id", "#/mode"]
        #expect(Set(answer.pointers) == Set(expected))
    }

    @Test func `a NUL character is refused where it stands`() async throws {
        let tenant = try await TestTenant.make()
        let body: JSON = ["name": "a\u{0}b", "platform": "other", "time_zone": "UTC", "currency": "EUR"]
        let answer = try await tenant.send("POST", "/v1/stores", body)
        #expect(answer.status == 422)
        #expect(answer.pointers == ["#/name"])
        #expect(try await tenant.get("/v1/stores/%00").status == 404)
        #expect(try await tenant.get("/v1/stores?cursor=%00").status == 400)
    }

    @Test func `unknown, doubled and unreadable query parameters are named at once`() async throws {
        let tenant = try await TestTenant.make()
        let answer = try await tenant.get("/v1/stores?limit=5&limit=6&colour=red&%ZZ=1")
        #expect(answer.status == 400)
        let names = answer["errors"]?.arrayValue?.compactMap { $0["parameter"]?.stringValue } ?? []
        #expect(Set(names) == ["limit", "colour", "%ZZ"])
    }

    @Test(arguments: ["not-an-id", "sto_", "ord_01h455vb4pex5vsknk084sn02q", "sto_81h455vb4pex5vsknk084sn02q"])
    func `an id of another kind or of none is 404`(id: String) async throws {
        let tenant = try await TestTenant.make()
        #expect(try await tenant.get("/v1/stores/\(id)").status == 404)
    }

    @Test func `failures on our side tell nothing but an id`() async throws {
        let problem = Failure(PretendFailure()).problem
        #expect(problem.code == .internal)
        let body = String(decoding: problem.body(instance: "/x", requestID: "req_1"), as: UTF8.self)
        #expect(!body.contains("password"))
    }

    private struct PretendFailure: Error { let secret = "password of the database" }
}
