import CLibpq
import Glibc

/// Listens to NOTIFY on a connection of its own, outside any pool and, in production, past PgBouncer.
///
/// What it hears is a hint. Notifications are lost while the connection is down, so every (re)connection is reported
/// too, and whoever listens looks at the tables then.
public struct Listener: Sendable {
    public enum Event: Hashable, Sendable {
        /// Listening from now on; anything may have happened before.
        case connected
        case notification(channel: String, payload: String)
    }

    private let settings: ConnectionSettings
    private let channels: [StaticString]

    public init(_ settings: ConnectionSettings, channels: StaticString...) {
        self.settings = settings
        self.channels = channels
    }

    /// Runs until its task is cancelled. Reconnects by itself, with a growing pause of at most 5 s.
    public func run(_ handle: @Sendable (Event) async -> Void) async {
        var failures = 0
        while !Task.isCancelled {
            let connection = Connection(settings)
            do {
                try await connection.connectInterruptibly()
                let listen = channels.map { Batch.Item.unprepared("LISTEN \($0)") }
                _ = try await connection.runInterruptibly(
                    Batch(items: listen, commits: true),
                    deadline: Deadline(in: settings.connectTimeout)
                )
                failures = 0
                await handle(.connected)
                while true {
                    for event in try await connection.notificationsInterruptibly() { await handle(event) }
                }
            } catch {
                await connection.close()
                try? await Task.sleep(for: .milliseconds(min(5000, 50 << min(failures, 10))))
                failures += 1
            }
        }
    }
}

extension Connection {
    fileprivate nonisolated func notificationsInterruptibly() async throws(PostgresError) -> [Listener.Event] {
        try await interruptibly { connection throws(PostgresError) in try connection.notifications() }
    }

    /// Waits for notifications. Throws when cancelled, when the connection breaks, and after an hour without any.
    fileprivate func notifications() throws(PostgresError) -> [Listener.Event] {
        let pq = try handle()
        // A peer that is gone without a word is found by TCP keepalives, or at the latest by the next connection.
        var wait = Wait(Deadline(in: .seconds(3600)), grace: .zero)
        try poll(Int16(POLLIN), &wait)
        guard PQconsumeInput(pq) == 1 else { throw PostgresError(.connectionLost, message: lastMessage()) }
        var events: [Listener.Event] = []
        while let notification = PQnotifies(pq) {
            defer { PQfreemem(notification) }
            let (channel, payload) = (notification.pointee.relname, notification.pointee.extra)
            events.append(
                .notification(
                    channel: channel.map { String(cString: $0) } ?? "",
                    payload: payload.map { String(cString: $0) } ?? ""
                )
            )
        }
        return events
    }
}
