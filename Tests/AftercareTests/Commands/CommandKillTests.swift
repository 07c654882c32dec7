import Curl
import Foundation
import JSON
import Postgres
import Support
import Testing
import Time

@testable import Aftercare

/// The built program is killed between telling the shop and writing down what it said. Edge case 22.
@Suite(.serialized, .timeLimit(.minutes(5))) struct CommandKillTests {
    @Test(arguments: ["command_marked:1", "command_answered:1"])
    func `killed while it tells a shop's program, it tells it again under the same id`(_ failpoint: String) async throws
    {
        try await LoopbackReceiver.run { receiver in
            try await MigratedDatabase.run { database in
                let environment = try await Mailroom.environment(database.appURL, database)
                let demo = try await DemoStore.create(environment)
                let token = try await demo.signIn(demo.owner, environment)
                let (port, client) = (try FreePort.find(), HTTPClient())
                func start(_ failpoint: String) throws -> ProgramProcess {
                    try ProgramProcess(
                        port: port,
                        settings: [
                            "AFTERCARE_DATABASE_URL": database.workerURL,
                            "AFTERCARE_MAIL_DIRECTORY": "/tmp/aftercare-tests-mail-\(UUID())",
                            "AFTERCARE_WORK_LEASE_SECONDS": "1",
                            "AFTERCARE_OUTBOUND_PRIVATE_ADDRESSES": "allow",
                            "AFTERCARE_FAILPOINT": failpoint,
                        ]
                    )
                }
                func send(_ method: String, _ path: String, _ body: JSON? = nil) async throws -> Answer {
                    let headers = [("Authorization", "Bearer \(token)"), ("Content-Type", "application/json")]
                    let url = "http://127.0.0.1:\(port)\(path)"
                    return Answer(
                        try await client.send(.init(method, url, headers: headers, body: body?.serializedBytes ?? []))
                    )
                }
                let first = try start(failpoint)
                defer { first.strike() }
                #expect(try await first.isReady(client))
                let endpoint = CommandBody.endpoint(receiver.url())
                #expect(try await send("PUT", "/v1/stores/\(demo.store)/command-endpoint", endpoint).status == 200)
                let order = try await send(
                    "PUT",
                    "/v1/stores/\(demo.store)/orders/by-external-id/C-1",
                    PutBody.order
                )["order"]?["id"]?.stringValue
                // It may die before it answers.
                _ = try? await send("POST", "/v1/orders/\(try #require(order))/commands", CommandBody.cancel)
                #expect(try await first.dies(within: .seconds(60)))
                await first.kill()

                let second = try start("")
                defer { second.strike() }
                #expect(try await second.isReady(client))
                try await eventually {
                    try await send("GET", "/v1/commands")["data"]?[0]?["state"] == "accepted"
                }
                let id = try #require(try await send("GET", "/v1/commands")["data"]?[0]?["id"]?.stringValue)
                let ids = receiver.requests.map { $0.header("webhook-id") }
                #expect(ids == Array(repeating: id, count: failpoint.hasPrefix("command_marked") ? 1 : 2))
                let attempts = try await send("GET", "/v1/commands/\(id)")["attempts"]?.arrayValue
                #expect(attempts?.map { $0["outcome"]?.stringValue } == ["unknown", "accepted"])
                await second.kill()
                await environment.pool.shutDown()
            }
        }
    }
}
