import Foundation
import JSON
import Observability
import Postgres
import Support
import Testing
import Time

@testable import Aftercare

/// What nobody can know, what changed meanwhile, and what must not stay behind. domain.md 5, cases 17, 22 and 38.
@Suite(.timeLimit(.minutes(3))) struct CommandDoubtTests {
    // domain.md 5, case 17: the label is printed between the request and the sending.
    @Test func `an address is not changed any more when a label was printed meanwhile`() async throws {
        try await LoopbackReceiver.run { receiver in
            let tenant = try await TestTenant.make()
            try await tenant.takeCommands(at: receiver.url())
            let order = try await tenant.tell()
            let command = try await tenant.seedCommand(order, CommandBody.address)
            try await tenant.tell("C-1", [CommandBody.label])
            try await tenant.sendNow(command)
            let refused = try await tenant.wait(for: command.id, .refused)
            #expect(refused["reason"] == "label_created" && refused["attempt_count"] == 0)
            #expect(receiver.requests.isEmpty)
            try await eventually { try await tenant.commandTickets().count == 1 }
        }
    }

    @Test func `a label printed after a try that broke off leaves it in doubt`() async throws {
        try await LoopbackReceiver.run { _, _ in
            .hangUp
        } _: { receiver in
            let tenant = try await TestTenant.make()
            try await tenant.takeCommands(at: receiver.url())
            let order = try await tenant.tell()
            let id = try await tenant.command(order, CommandBody.address)
            try await eventually {
                try await tenant.get("/v1/commands/\(id)")["attempts"]?[0]?["outcome"] == "unknown"
            }
            try await tenant.tell("C-1", [CommandBody.label])
            #expect(try await tenant.wait(for: id, .unknown)["reason"] == "label_created")
        }
    }

    // domain.md 5, case 22.
    @Test func `a run that died while it told a connector leaves unknown, and nothing is sent again`() async throws {
        try await LoopbackReceiver.run { receiver in
            let tenant = try await TestTenant.make()
            try await tenant.takeCommands(at: receiver.url())
            let order = try await tenant.tell()
            let command = try await tenant.seedCommand(order, through: tenant.demo.connection, isInterrupted: true)
            try await tenant.sendNow(command)
            let doubted = try await tenant.wait(for: command.id, .unknown)
            #expect(doubted["reason"] == "interrupted" && doubted["attempts"]?[0]?["outcome"] == "unknown")
            try await eventually { try await tenant.commandTickets().count == 1 }
            #expect(receiver.requests.isEmpty && doubted["attempt_count"] == 1)
            // Nobody but a connector speaks for it.
            #expect(try await tenant.acknowledge(command.id, ["outcome": "done"]).status == 409)
            // The mirror shows in the end that it was done.
            try await tenant.tell("C-1", [("lifecycle_status", "cancelled")])
            try await tenant.wait(for: command.id, .verified)
        }
    }

    @Test func `a run that died while it told a program is repeated under the same id`() async throws {
        try await LoopbackReceiver.run { receiver in
            let tenant = try await TestTenant.make()
            try await tenant.takeCommands(at: receiver.url())
            let command = try await tenant.seedCommand(try await tenant.tell(), isInterrupted: true)
            try await tenant.sendNow(command)
            let taken = try await tenant.wait(for: command.id, .accepted, tries: 2)
            #expect(taken["attempts"]?.arrayValue?.map { $0["outcome"]?.stringValue } == ["unknown", "accepted"])
            #expect(receiver.requests.map { $0.header("webhook-id") } == ["\(command.id)"])
        }
    }

    @Test func `a store with a connector that only listens, and no endpoint, is told so`() async throws {
        let tenant = try await TestTenant.make()
        let order = try await tenant.deliveredOrder()
        let answer = try await tenant.ask(order, CommandBody.comeBack(line: "9107199254740991003"))
        #expect(answer.status == 409 && answer["reason"] == "no_way_to_command", "\(answer.json)")
    }

    @Test func `each connector carries what its shop knows, and a tracker nothing`() throws {
        let kept = CommandBody.cancel.with("restock", false)
        let asked = try [CommandBody.cancel, kept, CommandBody.address, CommandBody.comeBack()].map {
            try FieldReader.read($0, CommandParameters.init(request:))
        }
        for provider in Connection.Provider.allCases {
            let carried: [Bool] =
                switch provider {
                case .shopify: [true, true, true, true]
                case .wooCommerce: [true, false, true, false]
                case .easypost, .aftership, .shippo: [false, false, false, false]
                }
            #expect(asked.map { provider.carries($0) } == carried, "\(provider)")
        }
    }

    // MARK: The endpoint

    @Test func `while a secret is replaced both sign, and none is shown again`() async throws {
        try await LoopbackReceiver.run { receiver in
            let tenant = try await TestTenant.make()
            let path = "/v1/stores/\(tenant.store)/command-endpoint"
            #expect(try await tenant.get(path)["url"] == .null)
            let key = [("Idempotency-Key", "endpoint")]
            let made = try await tenant.send("PUT", path, CommandBody.endpoint(receiver.url()), headers: key)
            let old = try #require(made["secret"]?.stringValue)
            let repeated = try await tenant.send("PUT", path, CommandBody.endpoint(receiver.url()), headers: key)
            #expect(repeated.status == 200 && repeated["secret"] == .null)
            let rotated = try await tenant.send("POST", "\(path)/rotate-secret", ["overlap_seconds": 3600])
            let new = try #require(rotated["secret"]?.stringValue)
            #expect(new != old && rotated["previous_secret_until"] != .null)
            let order = try await tenant.tell()
            try await tenant.wait(for: try await tenant.command(order), .accepted)
            let both = try #require(receiver.requests.first)
            #expect(isSigned(both, by: old) && isSigned(both, by: new))
            #expect(both.header("webhook-signature")?.split(separator: " ").count == 2)
            // Replaced at once, the old one signs no more.
            let last = try await tenant.send("POST", "\(path)/rotate-secret", ["overlap_seconds": 0])
            let second = try await tenant.command(order, CommandBody.address)
            try await tenant.wait(for: second, .accepted)
            let one = try #require(receiver.requests.last)
            #expect(isSigned(one, by: last["secret"]?.stringValue ?? "") && !isSigned(one, by: new))
            let shown = try await tenant.get(path).json.serialized
            let logged = tenant.server.log.lines.joined()
            for secret in [old, new] {
                #expect(!shown.contains(secret) && !logged.contains(secret))
                let sealed = try await tenant.rows(
                    "SELECT c::text FROM command_endpoints AS c WHERE tenant_id = \(tenant.id.uuid)"
                ).decode(String.self)
                let hex = Data(base64Encoded: String(secret.dropFirst(6)))?.map {
                    String($0 >> 4, radix: 16) + String($0 & 15, radix: 16)
                }
                let text = try #require(hex?.joined())
                #expect(!sealed.joined().contains(text))
            }
            let other = try await tenant.addStore()
            #expect(
                try await tenant.send("POST", "/v1/stores/\(other)/command-endpoint/rotate-secret", [:]).status == 404
            )
        }
    }

    @Test func `while the program's key is replaced, an endpoint's secrets are sealed under the new one`() async throws
    {
        let tenant = try await TestTenant.make()
        let text = try await tenant.takeCommands(at: "http://127.0.0.1:9/")
        let (environment, former) = (tenant.server.environment, MasterKey(Secret(Array(repeating: 9, count: 32))))
        let secret = try #require(StandardWebhook.secret(text))
        let place = CommandEndpoint.place(of: tenant.store, tenant: tenant.id)
        func endpoint() async throws -> CommandEndpoint {
            let rows = try await tenant.rows(CommandEndpointStore.endpoint(of: tenant.store, tenant: tenant.id))
            return try CommandEndpointStore.decode(try #require(rows.first))
        }
        // As it was under a key before this server's.
        var old = try await endpoint()
        old.secret = try former.seal(secret.reveal(), for: place)
        _ = try await tenant.rows(CommandEndpointStore.save(old, tenant: tenant.id))
        var replacing = environment
        let key = try #require(Data(base64Encoded: TestServer.secretKey))
        replacing.masterKey = MasterKey(
            Secret(Array(key)),
            previous: Secret(Array(repeating: 9, count: 32))
        )
        let reseal = ResealSecrets(environment: replacing)
        #expect(try await reseal.reseal(tenant.store.uuid, tenant: tenant.id.uuid) == 1)
        let now = environment.clock.now()
        let opened = try await endpoint().secrets(tenant.id, environment.masterKey, now: now)
        #expect(opened.map { $0.reveal() } == [secret.reveal()])
        #expect(try await reseal.reseal(tenant.store.uuid, tenant: tenant.id.uuid) == 0)
    }

    @Test func `an endpoint in a private network is refused where they are not allowed`() async throws {
        let tenant = try await TestTenant.make()
        let path = "/v1/stores/\(tenant.store)/command-endpoint"
        try await OwnServer.run(["AFTERCARE_OUTBOUND_PRIVATE_ADDRESSES": "refuse"]) { server in
            for url in [
                "http://shop.example/", "https://127.0.0.1/", "https://shop.example:8080/", "https://[fd00::1]/",
            ] {
                let refused = try await server.send("PUT", path, token: tenant.owner, body: CommandBody.endpoint(url))
                #expect(refused.status == 422 && refused.pointers == ["#/url"], "\(url)")
            }
            let good = CommandBody.endpoint("https://shop.example/hook")
            #expect(try await server.send("PUT", path, token: tenant.owner, body: good).status == 200)
        }
        let wrong: JSON = ["url": "shop.example", "kinds": ["refund"], "secret": "mine"]
        let answer = try await tenant.send("PUT", path, wrong)
        #expect(Set(answer.pointers) == ["#/url", "#/kinds/0", "#/secret"])
        let disabled = CommandBody.endpoint("https://shop.example/hook").with("state", "disabled")
        #expect(try await tenant.send("PUT", path, disabled)["state_reason"] == "disabled_by_user")
    }

    // MARK: Personal data

    // domain.md 5, case 38.
    @Test func `an address is gone from everywhere once its person is erased`() async throws {
        try await LoopbackReceiver.run { _, _ in
            .status(503, headers: [("Retry-After", "60")])
        } _: { receiver in
            let tenant = try await TestTenant.make()
            try await tenant.takeCommands(at: receiver.url())
            let demo = DemoOrder(tenant)
            try await demo.post("orders/create")
            try await tenant.settle()
            let order = try #require(try await demo.order()["id"]?.stringValue.flatMap { OrderID($0) })
            let asked = try await tenant.ask(order, CommandBody.address, key: "an-address")
            #expect(asked.status == 201, "\(asked.json)")
            let id = try #require(asked["id"]?.stringValue.flatMap { CommandID($0) })
            try await eventually { receiver.requests.count == 1 }
            try await eventually { try await tenant.get("/v1/commands/\(id)")["state"] == "requested" }
            #expect(try await tenant.everything().contains("elmstreet 9"))

            try await demo.post("customers/redact", body: PrivacyBody.redact())
            try await eventually { try await tenant.list("/v1/privacy-requests").first?["state"] == "done" }
            #expect(try await tenant.get("/v1/commands/\(id)")["parameters"] == .null)
            #expect(try await tenant.get("/v1/commands/\(id)")["state"] == "unknown")
            let gone = try await tenant.everything()
            #expect(!gone.contains("elmstreet 9") && !gone.contains("ada example"))
            #expect(!tenant.server.log.lines.joined().contains("Elmstreet"))
            // Nothing that waits is sent, and what the shop's program writes later does not come back.
            try await tenant.hurry()
            let late = try await tenant.acknowledge(id, ["outcome": "refused", "reason": "Ada Example moved."])
            #expect(late.status == 200 && late["detail"] == .null)
            #expect(receiver.requests.count == 1)
        }
    }

    @Test func `whoever asks is told what the shop was asked for them`() async throws {
        try await LoopbackReceiver.run { receiver in
            let tenant = try await TestTenant.make()
            try await tenant.takeCommands(at: receiver.url())
            let demo = DemoOrder(tenant)
            try await demo.post("orders/create")
            try await tenant.settle()
            let order = try #require(try await demo.order()["id"]?.stringValue.flatMap { OrderID($0) })
            try await tenant.wait(for: try await tenant.command(order, CommandBody.address), .accepted)
            try await demo.post("customers/data_request", body: PrivacyBody.dataRequest())
            try await eventually { try await tenant.list("/v1/privacy-requests").isEmpty == false }
            let request = try #require(try await tenant.list("/v1/privacy-requests").first?["id"]?.stringValue)
            let export = try await tenant.get("/v1/privacy-requests/\(request)/export")
            #expect(export["commands"]?[0]?["parameters"]?["address"]?["line1"] == "Elmstreet 9")
        }
    }
}

extension TestTenant {
    /// Every row this tenant has in every table, as text in lower case.
    fileprivate func everything() async throws -> String {
        let superuser = server.database.superuser
        let tables = try await superuser.execute(
            "SELECT relname::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        )
        var text = ""
        for table in try tables.decode(String.self) where table != "schema_migrations" {
            let rows = try await superuser.execute(
                "SELECT t::text FROM \(unsafe: table) AS t WHERE tenant_id = \(id.uuid)"
            )
            text += try rows.decode(String.self).joined(separator: "\n")
            // The bodies of answers are bytes.
            if table == "idempotency_keys" {
                let bodies = try await superuser.execute(
                    "SELECT coalesce(encode(body, 'escape'), '') FROM idempotency_keys WHERE tenant_id = \(id.uuid)"
                )
                text += try bodies.decode(String.self).joined(separator: "\n")
            }
        }
        return text.lowercased()
    }
}
