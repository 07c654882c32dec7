import Curl
import FoundationEssentials
import JSON
import Support
import Testing

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
        #expect(answer.header("Allow") == "GET, POST")
        #expect(answer.code == "method_not_allowed")
    }

    @Test func `only JSON is answered`() async throws {
        let tenant = try await TestTenant.make()
        let answer = try await tenant.get("/v1/stores", headers: [("Accept", "text/html, image/*;q=0.5")])
        #expect(answer.status == 406)
        for accept in ["*/*", "application/json", "text/html, application/*;q=0.1", "application/problem+json"] {
            #expect(try await tenant.get("/v1/stores", headers: [("Accept", accept)]).status == 200)
        }
        #expect(try await tenant.get("/v1/stores", headers: [("Accept", "application/json;q=0")]).status == 406)
    }

    @Test(arguments: [nil, "text/plain", "application/xml", "application/json; charset=latin1", "application/jsonx"])
    func `a body that is not JSON is 415`(type: String?) async throws {
        let tenant = try await TestTenant.make()
        let headers = [("Content-Type", type ?? ""), ("Authorization", "Bearer \(tenant.owner)")]
        let answer = try await tenant.server.send("POST", "/v1/stores", headers: headers, raw: Array("{}".utf8))
        #expect(answer.status == 415)
        #expect(answer.header("Accept") == "application/json")
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
