import Foundation
import Postgres
import Support
import Testing

@Suite(.serialized, .timeLimit(.minutes(1))) struct ListenerTests {
    private static let channels = (first: "orders_of_listener_tests", second: "jobs_of_listener_tests")

    /// Runs a listener with a name of its own for the length of `body`.
    private func withListener(
        _ body: (_ heard: Collected<Listener.Event>, _ name: String, Task<Void, Never>) async throws -> Void
    ) async throws {
        let name = uniqueName("listener")
        let listener = Listener(
            ConnectionSettings(url: cluster.url(), applicationName: name),
            channels: "orders_of_listener_tests",
            "jobs_of_listener_tests"
        )
        let heard = Collected<Listener.Event>()
        let task = Task { await listener.run { heard.add($0) } }
        defer { task.cancel() }
        try await eventually { heard.values == [.connected] }
        try await body(heard, name, task)
    }

    private func notify(_ channel: String, _ payload: String) async throws {
        _ = try await superuser.execute("SELECT pg_notify(\(channel), \(payload))")
    }

    private func backend(of name: String) async throws -> Int32? {
        try await superuser.execute("SELECT pid FROM pg_stat_activity WHERE application_name = \(name)").first?
            .decode(Int32.self)
    }

    @Test func `hears every channel, in order, with its payload`() async throws {
        try await withListener { heard, _, _ in
            let payload = uniqueName("payload")
            try await notify(Self.channels.first, payload)
            try await notify(Self.channels.second, "ü")
            try await notify("another_channel", "nobody listens")
            try await notify(Self.channels.first, "")
            try await eventually { heard.values.count >= 4 }
            #expect(
                heard.values == [
                    .connected,
                    .notification(channel: Self.channels.first, payload: payload),
                    .notification(channel: Self.channels.second, payload: "ü"),
                    .notification(channel: Self.channels.first, payload: ""),
                ]
            )
        }
    }

    @Test func `connects again after its session was ended, and says so`() async throws {
        try await withListener { heard, name, _ in
            for round in 1...3 {
                try await terminate(try #require(try await backend(of: name)))
                try await eventually { heard.values.count { $0 == .connected } == round + 1 }
            }
            let payload = uniqueName("payload")
            try await notify(Self.channels.first, payload)
            try await eventually {
                heard.values.contains(.notification(channel: Self.channels.first, payload: payload))
            }
        }
    }

    @Test func `ends promptly when cancelled, and its session with it`() async throws {
        try await withListener { _, name, task in
            let session = try #require(try await backend(of: name))
            let start = ContinuousClock.now
            task.cancel()
            await task.value
            #expect(start.duration(to: .now) < .seconds(5))
            try await waitForEnd(of: session)
        }
    }

    @Test func `ends promptly when cancelled between two attempts to connect`() async throws {
        let listener = Listener(ConnectionSettings(url: cluster.url(database: "no_such_database")), channels: "nothing")
        let heard = Collected<Listener.Event>()
        let task = Task { await listener.run { heard.add($0) } }
        try await Task.sleep(for: .milliseconds(200))
        task.cancel()
        await task.value
        #expect(heard.values.isEmpty)
    }
}
