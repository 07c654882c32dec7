import Crypto
import Foundation
import JSON
import Postgres
import Support
import Testing
import Time

@testable import Aftercare

/// Whatever is posted to a hook of the running server: it answers and goes on, keeps all that is signed and nothing else,
/// and does nothing that the signature does not cover.
@Suite(.timeLimit(.minutes(5))) struct HookFuzzTests {
    private static let requests = ProcessInfo.processInfo.environment["AFTERCARE_FUZZ"] == "full" ? 20_000 : 2_000

    /// A connection and how its provider proves itself.
    private struct Target: Sendable {
        let provider: Connection.Provider
        let path: String
        let secret: String
        let bodies: [[UInt8]]

        /// Headers and path of a request with this proof, or with none.
        func request(_ body: [UInt8], signedWith secret: String?) -> (path: String, headers: [(String, String)]) {
            guard let secret else { return (path, []) }
            let base64 = Data(TrackerConnection.mac(body, secret)).base64EncodedString()
            return switch provider {
            case .shopify: (path, [("X-Shopify-Hmac-Sha256", base64)])
            case .wooCommerce: (path, [("X-WC-Webhook-Signature", base64)])
            case .easypost:
                (
                    path,
                    [
                        (
                            "X-Hmac-Signature",
                            "hmac-sha256-hex=\(TrackerConnection.hex(TrackerConnection.mac(body, secret)))"
                        )
                    ]
                )
            case .aftership: (path, [("aftership-hmac-sha256", base64)])
            default: (path + "?token=" + secret, [])
            }
        }
    }

    private static func targets(_ tenant: TestTenant) async throws -> [Target] {
        let demo = DemoOrder(tenant)
        let shopify = try DemoOrder.topics.map { try demo.body($0) } + [Array(#"{"id":5}"#.utf8)]
        let shop = try await WooShop.connect(tenant)
        let woo = [WooOrder.body(727), WooOrder.body(728, minute: 3, ("status", "completed")), ["id": 727]]
        var targets = [
            Target(provider: .shopify, path: demo.hook, secret: tenant.demo.webhookSecret, bodies: shopify),
            Target(provider: .wooCommerce, path: shop.hook, secret: shop.secret, bodies: woo.map(\.serializedBytes)),
        ]
        for provider in Connection.Provider.trackers {
            let connection = try await tenant.send(
                "POST",
                "/v1/connections",
                [
                    "store_id": .string("\(tenant.store)"), "provider": .string(provider.rawValue), "account": "fuzz",
                    "secret": "a-secret-of-letters",
                ]
            )
            let id = try #require(connection["id"]?.stringValue)
            let times = ["2026-05-04T10:00:00Z", "2026-05-05T10:00:00Z"]
            targets.append(
                Target(
                    provider: provider,
                    path: "/v1/hooks/\(tenant.id)/\(id)",
                    secret: "a-secret-of-letters",
                    bodies: [ParcelBody.journey(provider, times, number: "1Z999AA10123456784").bytes]
                )
            )
        }
        return targets
    }

    /// One request, and whether its body is signed as it is.
    private struct Attempt: Sendable {
        var path: String
        var headers: [(String, String)]
        var body: [UInt8]
        var isSigned: Bool
    }

    private static func attempt(_ target: Target, _ random: inout SeededGenerator) -> Attempt {
        var body = target.bodies.randomElement(using: &random) ?? []
        spoil(&body, &random)
        // WooCommerce's ping is no webhook, and no body of ours.
        if body.starts(with: Array("webhook_id=".utf8)) { body = [] }
        let isSigned = Int.random(in: 0..<10, using: &random) < 6
        var request = target.request(body, signedWith: isSigned ? target.secret : wrong(target.secret, &random))
        if !isSigned, !request.headers.isEmpty { request.headers[0].1 = spoiled(request.headers[0].1, &random) }
        request.headers += oddHeaders(&random)
        return Attempt(path: request.path, headers: request.headers, body: body, isSigned: isSigned)
    }

    private static func wrong(_ secret: String, _ random: inout SeededGenerator) -> String? {
        [nil, "", secret + "x", "x" + secret, String(secret.reversed()) + "1", secret.uppercased() + "!"]
            .randomElement(using: &random) ?? nil
    }

    /// Of a signature that is wrong anyway.
    private static func spoiled(_ text: String, _ random: inout SeededGenerator) -> String {
        switch Int.random(in: 0..<7, using: &random) {
        case 0: ""
        case 1: String(text.dropLast(3))
        case 2: text + "A"
        case 3: String(repeating: text, count: 40)
        case 4: "hmac-sha256-hex="
        case 5: "\u{E9}\u{1F600}"
        default: text
        }
    }

    private static let topics = [
        "orders/create", "orders/updated", "orders/delete", "app/uninstalled", "shop/redact", "customers/redact",
        "customers/delete", "refunds/create", "fulfillment_events/create", "returns/approve", "disputes/create", "",
        "order.created", "order.updated", "order.deleted", "order.restored", "action.wc", "%00", "\u{E9}",
    ]

    private static func oddHeaders(_ random: inout SeededGenerator) -> [(String, String)] {
        let topic = topics.randomElement(using: &random) ?? ""
        var headers = [("X-Shopify-Topic", topic), ("X-WC-Webhook-Topic", topic)]
        let odd: [(String, String)] = [
            ("Content-Type", "application/json"), ("Content-Type", "text/html; charset=latin-1"),
            ("Content-Type", ";;"),
            ("Content-Encoding", "gzip"), ("Content-Encoding", "br, br"), ("Accept", "image/png"),
            ("Authorization", "Bearer acu_nobody"), ("Idempotency-Key", "one key for all"),
            ("X-Shopify-Webhook-Id", String(repeating: "w", count: 5000)), ("X-Shopify-API-Version", "\u{E9}\u{202E}"),
            ("X-Shopify-Triggered-At", "9999-12-31T23:59:59Z"), ("X-Shopify-Triggered-At", "yesterday"),
            ("X-Shopify-Triggered-At", "0001-01-01T00:00:00Z"), ("X-WC-Webhook-Delivery-ID", ""),
            ("X-Forwarded-For", "::1, ,"), ("If-Match", "*"), ("Range", "bytes=0-1"),
        ]
        for _ in 0..<Int.random(in: 0...3, using: &random) {
            if let header = odd.randomElement(using: &random) { headers.append(header) }
        }
        return headers
    }

    private static let tokens = [
        "null", "true", "-1", "1e999", "9223372036854775808", "\"\"", "\"\\u0000\"", "\"\\ud800\"", "[]", "{}",
        "[null]",
        "\"9999-12-31T23:59:59Z\"", "\"0000-01-01T00:00:00\"", "[[", String(repeating: "9", count: 400),
    ].map { Array($0.utf8) }

    private static func spoil(_ body: inout [UInt8], _ random: inout SeededGenerator) {
        for _ in 0..<Int.random(in: 0...3, using: &random) where !body.isEmpty {
            let place = Int.random(in: body.indices, using: &random)
            switch Int.random(in: 0..<16, using: &random) {
            case 0: body[place] = UInt8.random(in: 0...255, using: &random)
            case 1: body[place] = 0
            case 2: body.insert(contentsOf: [0xFF, 0xFE, 0xC0], at: place)
            case 3: body.removeLast(body.count - place)
            case 4: body = [0x1F, 0x8B, 0x08, 0, 0, 0, 0, 0, 0, 3] + body
            case 5: body = Array(repeating: UInt8(ascii: "["), count: 20_000)
            case 6: body = Array(String(repeating: "{\"id\":", count: 3_000).utf8)
            case 7: body = []
            case 8: body.removeSubrange(place..<min(body.count, place + 30))
            default:
                guard let colon = body[place...].firstIndex(of: UInt8(ascii: ":")) else { continue }
                let isEnd = { (byte: UInt8) in byte == UInt8(ascii: ",") || byte == UInt8(ascii: "}") }
                let end = body[colon...].firstIndex(where: isEnd) ?? body.endIndex
                body.replaceSubrange(body.index(after: colon)..<end, with: tokens.randomElement(using: &random) ?? [])
            }
        }
    }

    // domain.md 5, Ingest 5 and 9.
    @Test func `two thousand spoiled requests are answered, and those that are signed are kept, each as it came`()
        async throws
    {
        let tenant = try await TestTenant.make()
        let targets = try await Self.targets(tenant)
        var random = SeededGenerator(seed: 21)
        var attempts: [Attempt] = []
        for number in 0..<Self.requests { attempts.append(Self.attempt(targets[number % targets.count], &random)) }
        let server = tenant.server
        let answers = try await withThrowingTaskGroup(of: (Int, Answer).self) { group in
            var answers: [Int: Answer] = [:]
            for (number, attempt) in attempts.enumerated() {
                if number >= 16, let done = try await group.next() { answers[done.0] = done.1 }
                group.addTask {
                    let answer = try await server.send(
                        "POST",
                        attempt.path,
                        headers: attempt.headers,
                        raw: attempt.body
                    )
                    return (number, answer)
                }
            }
            for try await done in group { answers[done.0] = done.1 }
            return answers
        }
        var kept: [String: [UInt8]] = [:]
        for (number, attempt) in attempts.enumerated() {
            let answer = try #require(answers[number])
            #expect(answer.status == (attempt.isSigned ? 200 : 401), "\(number): \(answer.json) \(attempt.headers)")
            if let id = answer["id"]?.stringValue { kept[id] = attempt.body }
        }
        let signed = attempts.count(where: \.isSigned)
        #expect(signed > Self.requests / 2 && kept.count > Self.requests / 4)
        try await tenant.settle()
        let rows = try await tenant.rows(
            "SELECT id, state, body FROM inbound_events WHERE tenant_id = \(tenant.id.uuid)"
        ).decode((UUID, String, Bytea).self)
        #expect(Set(rows.map { InboundEventID($0.0).description }) == Set(kept.keys))
        #expect(rows.allSatisfy { $0.1 != "received" })
        #expect(rows.allSatisfy { kept[InboundEventID($0.0).description] == $0.2.bytes })
        #expect(Set(rows.map(\.1)) == ["applied", "ignored", "quarantined"])
        // The log of it can be read, and so can what came of it.
        for path in ["/v1/inbound-events?limit=200", "/v1/orders?limit=200", "/v1/tickets?limit=200"] {
            #expect(try await tenant.get(path).status == 200, "\(path)")
        }
        // No shop took the app out, and nobody asked for anything to be erased.
        let connections = try await tenant.get("/v1/connections")["data"]?.arrayValue ?? []
        #expect(connections.count == 5 && connections.allSatisfy { $0["state"] == "active" })
        #expect(try await tenant.get("/v1/privacy-requests")["data"] == [])
    }

    @Test func `what is no request at all is refused or hung up on, and the next one is answered`() async throws {
        let tenant = try await TestTenant.make()
        let demo = DemoOrder(tenant)
        let port = try #require(tenant.server.baseURL.split(separator: ":").last.flatMap { Int($0) })
        let head = "POST \(demo.hook) HTTP/1.1\r\nHost: localhost\r\n"
        let broken = [
            head + "Content-Length: -1\r\n\r\n{}", head + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
            head + "Content-Length: 99999999999999999999\r\n\r\n{}", head + "Content-Length: \u{664}\r\n\r\n{}",
            head + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
            head + "Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
            head + "Transfer-Encoding: gzip\r\n\r\n{}", head + "X: \u{0}\r\nContent-Length: 2\r\n\r\n{}",
            head + ": x\r\n\r\n", "POST \r\n\r\n", "\u{0}\u{0}\r\n\r\n", "GET \(demo.hook) HTTP/9.9\r\n\r\n",
            head + String(repeating: "X-A: \(String(repeating: "a", count: 1000))\r\n", count: 200) + "\r\n",
        ]
        for request in broken {
            let socket = try RawSocket(port: port)
            _ = socket.send(request + "\r\nGET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            var (text, isOpen) = ("", true)
            try await eventually(within: .seconds(10)) {
                guard let more = socket.receive() else {
                    isOpen = false
                    return true
                }
                text += more
                return text.contains("\r\n\r\n")
            }
            let status = text.split(separator: " ").dropFirst().first ?? ""
            #expect(
                !status.hasPrefix("5") && !status.hasPrefix("2"),
                "\(request.prefix(200)): \(text.prefix(100)) \(isOpen)"
            )
        }
        #expect(try await demo.post("orders/create").status == 200)
        try await tenant.settle()
        #expect(try await tenant.log("").count == 1)
    }

    @Test func `a signed body sent again under another topic or time takes nothing away and reorders nothing`()
        async throws
    {
        let tenant = try await TestTenant.make()
        let demo = DemoOrder(tenant)
        for topic in DemoOrder.topics { try await demo.post(topic) }
        try await tenant.settle()
        let shop = try await WooShop.connect(tenant)
        let woo = WooOrder.body(727)
        try await shop.post("order.created", woo)
        try await shop.post("order.updated", WooOrder.body(727, minute: 5, ("status", "completed")))
        try await tenant.settle()
        let before = (try await demo.order(), try await shop.order().json)
        let now = tenant.server.environment.clock.now()
        for topic in ["orders/delete", "customers/delete", "customers/redact", "shop/redact", "app/uninstalled"] {
            for source in DemoOrder.topics {
                try await demo.post(topic, body: demo.body(source), triggeredAt: now + .seconds(3600))
            }
        }
        // The older of two statements, said to have been triggered later than the newer.
        try await demo.post("orders/updated", body: demo.body("orders/create"), triggeredAt: now + .seconds(7200))
        for topic in ["order.deleted", "order.updated", "order.created"] { try await shop.post(topic, woo) }
        try await tenant.settle()
        #expect(try await demo.order() == before.0)
        #expect(try await shop.order().json == before.1)
        let connections = try await tenant.get("/v1/connections")["data"]?.arrayValue ?? []
        #expect(connections.count == 2 && connections.allSatisfy { $0["state"] == "active" })
        #expect(try await tenant.get("/v1/privacy-requests")["data"] == [])
        let refused = try await tenant.get("/v1/inbound-events?state=quarantined&limit=200")["data"]?.arrayValue ?? []
        let reasons = refused.compactMap { $0["reason"]?.stringValue }
        #expect(reasons.count { $0.hasPrefix("body_of_another_topic") } >= 10, "\(reasons)")
    }
}
