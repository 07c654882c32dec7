import Crypto
import Foundation
import JSON
import Jobs
import Postgres
import Support
import Testing
import Time

@testable import Aftercare

/// A shop without a connector that carries out commands, and its program.
extension TestTenant {
    /// Makes the store's command endpoint; its secret.
    @discardableResult
    func takeCommands(at url: String, _ kinds: [Command.Kind] = Command.Kind.allCases) async throws -> String {
        let answer = try await send("PUT", "/v1/stores/\(store)/command-endpoint", CommandBody.endpoint(url, kinds))
        guard answer.status == 200 else { throw Unexpected(answer) }
        return answer["secret"]?.stringValue ?? ""
    }

    /// Tells of an order as of now, whatever was told before.
    @discardableResult
    func tell(_ id: String = "C-1", _ changes: [(String, JSON)] = []) async throws -> OrderID {
        let now = server.environment.clock.now().rfc3339
        var body = PutBody.order.with("as_of", .string(now)).with("number", .string(id))
        for (name, value) in changes { body = body.with(name, value) }
        let answer = try await put(body, id)
        guard let order = answer["order"]?["id"]?.stringValue.flatMap({ OrderID($0) }) else { throw Unexpected(answer) }
        return order
    }

    func ask(_ order: OrderID, _ body: JSON, as token: String? = nil, key: String? = nil) async throws -> Answer {
        let headers = key.map { [("Idempotency-Key", $0)] } ?? []
        return try await send("POST", "/v1/orders/\(order)/commands", body, as: token, headers: headers)
    }

    /// The id of a command that was asked for.
    func command(_ order: OrderID, _ body: JSON = CommandBody.cancel) async throws -> CommandID {
        let answer = try await ask(order, body)
        guard answer.status == 201, let id = answer["id"]?.stringValue.flatMap({ CommandID($0) }) else {
            throw Unexpected(answer)
        }
        return id
    }

    /// Waits until it is in this state, with all that waits for a later time done now.
    @discardableResult
    func wait(for command: CommandID, _ state: Command.State, tries: Int? = nil) async throws -> JSON {
        try await eventually {
            try await hurry()
            let known = try await get("/v1/commands/\(command)")
            return known["state"]?.stringValue == state.rawValue
                && tries.map { known["attempts"]?.arrayValue?.count == $0 } ?? true
        }
        return try await get("/v1/commands/\(command)").json
    }

    /// Lets what waits for its time run now.
    func hurry() async throws {
        let now = server.environment.clock.now()
        _ = try await server.database.superuser.execute(
            """
            UPDATE jobs
               SET run_at = \(now)
             WHERE tenant_id = \(id.uuid) AND state = 'ready' AND run_at > \(now)
               AND kind IN (\(SendCommand.kind), \(FollowCommand.kind))
            """
        )
    }

    /// A day goes by for a command.
    func pass(_ command: CommandID) async throws {
        let past = server.environment.clock.now() - .seconds(1)
        _ = try await server.database.superuser.execute(
            "UPDATE commands SET deadline_at = \(past) WHERE tenant_id = \(id.uuid) AND id = \(command.uuid)"
        )
    }

    func acknowledge(_ command: CommandID, _ word: JSON, as token: String? = nil) async throws -> Answer {
        try await send("POST", "/v1/commands/\(command)/acknowledge", word, as: token)
    }

    /// The tickets that commands opened.
    func commandTickets() async throws -> [JSON] {
        try await list("/v1/tickets").filter { $0["kind"] == "command_failed" }
    }

    /// A command as it is right after it was asked for, and nobody has begun to send it yet; or as a run that died has
    /// left it.
    func seedCommand(
        _ order: OrderID,
        _ body: JSON = CommandBody.cancel,
        through connection: ConnectionID? = nil,
        isInterrupted: Bool = false
    ) async throws -> Command {
        let now = server.environment.clock.now()
        let rows = try await server.environment.pool.transaction(settings, OrderStore.whole(order, tenant: id))
        let parameters = try FieldReader.read(body, CommandParameters.init(request:))
        let channel: CommandChannel = connection.map { .connection($0) } ?? .webhook
        let known = try #require(try OrderStore.decodeWhole(rows))
        var command = Command(parameters, of: known, through: channel, by: "\(demo.owner)", now: now)
        var statements = [CommandStore.insert(command, tenant: id)]
        if isInterrupted {
            _ = command.begin(at: now)
            statements.append(CommandStore.update(command, tenant: id))
            statements.append(CommandStore.beginAttempt(of: command, tenant: id, now: now))
        }
        _ = try await server.environment.pool.transaction(settings, statements)
        return command
    }

    func sendNow(_ command: Command) async throws {
        let now = server.environment.clock.now()
        _ = try await rows(JobStore.enqueue(SendCommand.job(for: command, tenant: id, at: now), now: now))
        server.environment.wakeWorker()
    }
}

enum CommandBody {
    static let cancel: JSON = ["kind": "cancel_order"]

    static let address: JSON = [
        "kind": "change_shipping_address",
        "address": [
            "name": "Ada Example", "line1": "Elmstreet 9", "city": "Wien", "postal_code": "1010", "country": "AT",
        ],
    ]

    static func comeBack(_ quantity: Int = 1, line: String = "1") -> JSON {
        [
            "kind": "create_return",
            "lines": [
                ["order_line_external_id": .string(line), "quantity": .number(JSONNumber(Int64(quantity)))]
            ],
        ]
    }

    static func endpoint(_ url: String, _ kinds: [Command.Kind] = Command.Kind.allCases) -> JSON {
        ["url": .string(url), "kinds": .array(kinds.map { .string($0.rawValue) })]
    }

    static let label: (String, JSON) = (
        "shipments", [["external_id": "P-1", "carrier": "DHL", "tracking_number": "T-1", "status": "label_created"]]
    )
}

/// Checks a signature as Standard Webhooks says, without any of the program's own code.
func isSigned(_ request: LoopbackReceiver.Request, by secret: String) -> Bool {
    guard let id = request.header("webhook-id"), let time = request.header("webhook-timestamp"),
        let list = request.header("webhook-signature"), let key = Data(base64Encoded: String(secret.dropFirst(6)))
    else { return false }
    let signed = Data("\(id).\(time).".utf8) + Data(request.body)
    return list.split(separator: " ").contains { word in
        let parts = word.split(separator: ",", maxSplits: 1)
        guard parts.count == 2, parts[0] == "v1", let code = Data(base64Encoded: String(parts[1])) else { return false }
        return HMAC<SHA256>.isValidAuthenticationCode(code, authenticating: signed, using: SymmetricKey(data: key))
    }
}
