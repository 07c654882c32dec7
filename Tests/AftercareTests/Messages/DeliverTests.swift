import Foundation
import JSON
import Jobs
import Postgres
import Support
import Testing
import Time

@testable import Aftercare

/// What becomes of a message, against a real database and a real mail server. Edge case 22.
@Suite(.enabled(if: MailSink.isThere, "\(MailSink.absent)"), .timeLimit(.minutes(2)))
struct DeliverTests {
    @Test func `a message is sent once, and the server's word is kept`() async throws {
        try await Mailroom.run { room in
            let id = try await room.message()
            try await room.sending {
                let (message, attempts) = try await room.wait(for: id, .accepted)
                #expect(message.attempts == 1)
                #expect(message.reason == "250 2.0.0 taken as 1")
                #expect(attempts.map(\.outcome) == [.accepted])
                #expect(attempts.first?.detail == message.reason)
                let mail = try await room.sink.next()
                #expect(mail.key == id.description)
                #expect(mail.json["to"] == ["ada@customer.example"])
                #expect(mail.json["from"] == "help@demo.example")
                #expect(mail.json["body"] == "Hello,\r\n\r\n.a line that begins with a dot\r\n")
                #expect(mail.header("Message-ID") == ["<\(id)@demo.example>"])
            }
            #expect(try await room.jobs(id).isEmpty)
            #expect(room.sink.taken == [id.description])
        }
    }

    /// Edge case 37.
    @Test func `any text arrives as it is, and none of it becomes a header`() async throws {
        try await Mailroom.run { room in
            let id = try await room.message { seed in
                seed.sender = "Käse \"&\" Brüder 🧀\r\nBcc: <evil@example.test> <help@demo.example>"
                seed.subject = "Größe 😀 שלום\r\nBcc: evil@example.test\u{2028}x"
                seed.body = "Grüße 🧀\r\n.\r\nMAIL FROM:<evil@example.test>\r\n\u{202E}end"
            }
            try await room.sending { try await room.wait(for: id, .accepted) }
            let mail = try await room.sink.next()
            #expect(mail.header("Subject") == ["Größe 😀 שלום  Bcc: evil@example.test x"])
            #expect(mail.json["from"] == "help@demo.example")
            #expect(mail.json["to"] == ["ada@customer.example"])
            #expect(
                mail.json["body"] == "Grüße 🧀\r\n.\r\nMAIL FROM:<evil@example.test>\r\n\u{202E}end\r\n"
            )
            let names = (mail.json["headers"]?.arrayValue ?? []).compactMap { $0[0]?.stringValue }
            #expect(
                names == [
                    "Date", "From", "To", "Subject", "Message-ID", "X-Aftercare-Message", "Auto-Submitted",
                    "MIME-Version", "Content-Type", "Content-Transfer-Encoding",
                ]
            )
        }
    }

    @Test func `an address that could smuggle a command fails the message, and is never said`() async throws {
        try await Mailroom.run { room in
            let id = try await room.message { $0.recipient = "a@b.example>\r\nRCPT TO:<evil@example.test" }
            try await room.sending { try await room.wait(for: id, .failed) }
            let (message, attempts) = try await room.look(id)
            #expect(message.reason == "recipient_address_invalid")
            #expect(attempts.isEmpty)
            #expect(try await room.jobs(id).isEmpty)
            #expect(room.sink.taken.isEmpty)
        }
    }

    @Test func `refused for the moment, it is tried again, as the same mail`() async throws {
        try await Mailroom.run { room in
            let id = try await room.message(to: "busy+1")
            try await room.sending {
                let (message, attempts) = try await room.wait(for: id, .accepted, tries: 2)
                #expect(message.attempts == 2)
                #expect(attempts.map(\.outcome) == [.refused, .accepted])
                #expect(attempts.first?.detail == "message: 451 451 4.3.0 busy")
            }
            #expect(room.sink.taken == [id.description])
        }
    }

    @Test(arguments: ["nobody", "spam"])
    func `refused for good, it fails`(recipient: String) async throws {
        try await Mailroom.run { room in
            let id = try await room.message(to: recipient)
            try await room.sending {
                let (message, attempts) = try await room.wait(for: id, .failed)
                #expect(attempts.map(\.outcome) == [.refused])
                #expect(message.reason?.contains(recipient == "spam" ? "554" : "550") == true)
            }
            #expect(try await room.jobs(id).isEmpty)
            #expect(room.sink.taken.isEmpty)
        }
    }

    @Test(arguments: ["full", "drop-before-data", "stall-before-data"])
    func `what goes wrong before the message is sent is tried again`(recipient: String) async throws {
        try await Mailroom.run { room in
            let id = try await room.message(to: recipient)
            let seconds = recipient == "stall-before-data" ? 3 : 30
            try await room.sending(by: room.transport(deadline: .seconds(seconds))) {
                try await eventually { try await room.look(id).attempts.first?.outcome == .refused }
                try await eventually { try await room.look(id).message.state == .queued }
                try await eventually { try await room.jobs(id).first?.state == "ready" }
            }
            #expect(room.sink.taken.isEmpty)
        }
    }

    @Test(arguments: ["drop-after-dot", "stall-after-dot"])
    func `what goes wrong after the message was sent is unknown, and stays so`(recipient: String) async throws {
        try await Mailroom.run { room in
            let id = try await room.message(to: recipient)
            try await room.sending(by: room.transport(deadline: .seconds(4))) {
                let (_, attempts) = try await room.wait(for: id, .unknown)
                #expect(attempts.map(\.outcome) == [.unknown])
                // Nothing is left that would send it again.
                #expect(try await room.jobs(id).isEmpty)
                let other = try await room.message()
                try await room.wait(for: other, .accepted)
            }
            #expect(room.sink.taken.filter { $0 == id.description }.count == 1)
            #expect(try await room.look(id).message.state == .unknown)
        }
    }

    @Test func `it is given up after its last try`() async throws {
        try await Mailroom.run { room in
            let id = try await room.message(to: "full")
            let tries = DeliverMessage.maximumTries - 1
            try await room.execute("UPDATE messages SET attempts = \(tries) WHERE id = \(id.uuid)")
            try await room.sending {
                let (message, attempts) = try await room.wait(for: id, .failed)
                #expect(message.attempts == DeliverMessage.maximumTries)
                #expect(attempts.map(\.outcome) == [.refused])
            }
            #expect(try await room.jobs(id).isEmpty)
        }
    }

    @Test func `a message that nobody can read fails at its last try, and not silently`() async throws {
        try await Mailroom.run { room in
            let id = try await room.message { $0.messageClass = .followUp }
            try await room.execute("UPDATE stores SET time_zone = 'Middle/Earth' WHERE tenant_id = \(room.tenant.uuid)")
            try await room.execute("UPDATE jobs SET attempt = \(DeliverMessage.maximumAttempts - 1)")
            try await room.sending { try await room.wait(for: id, .failed) }
            #expect(try await room.look(id).message.reason == "failed on our side: UnreadableRow")
            try await eventually { try await room.jobs(id).first?.state == "failed" }
        }
    }

    // MARK: Crashes and lost leases

    @Test func `found marked, it may have left: unknown, and not sent again`() async throws {
        try await Mailroom.run { room in
            let id = try await room.message { $0.isInterrupted = true }
            try await room.sending {
                let (message, attempts) = try await room.wait(for: id, .unknown)
                #expect(message.reason == "the program was interrupted while sending")
                #expect(attempts.map(\.outcome) == [.unknown])
            }
            #expect(try await room.jobs(id).isEmpty)
            #expect(room.sink.taken.isEmpty)
        }
    }

    /// Takes the lease from the run that is sending now, as a pause of the whole machine does.
    private func loseLease(_ id: MessageID, _ room: Mailroom) async throws {
        try await room.execute(
            "UPDATE jobs SET leased_until = \(room.environment.clock.now() - .seconds(60)) WHERE state = 'leased'"
        )
        try await room.wait(for: id, .unknown)
    }

    @Test func `late evidence makes of unknown what really happened: accepted`() async throws {
        try await Mailroom.run { room in
            let id = try await room.message(to: "gate")
            try await room.sending {
                _ = try await room.sink.next()
                try await loseLease(id, room)
                room.sink.openGate()
                let (_, attempts) = try await room.wait(for: id, .accepted)
                #expect(attempts.map(\.outcome) == [.accepted])
            }
            #expect(room.sink.taken == [id.description])
            #expect(try await room.jobs(id).isEmpty)
        }
    }

    @Test func `late evidence makes of unknown what really happened: refused, and so it is tried again`() async throws {
        try await Mailroom.run { room in
            let id = try await room.message(to: "gate-busy")
            try await room.sending {
                _ = try await room.sink.next()
                try await loseLease(id, room)
                #expect(try await room.jobs(id).isEmpty)
                room.sink.openGate()
                // A job of its own, for the first one is gone.
                try await eventually { try await room.look(id).attempts.count == 2 }
            }
            #expect(try await room.look(id).attempts.first?.outcome == .refused)
        }
    }

    @Test func `late evidence makes of unknown what really happened: failed`() async throws {
        try await Mailroom.run { room in
            let id = try await room.message(to: "gate-spam")
            try await room.sending {
                _ = try await room.sink.next()
                try await loseLease(id, room)
                room.sink.openGate()
                try await room.wait(for: id, .failed)
            }
            #expect(try await room.jobs(id).isEmpty)
        }
    }

    private func resolve(_ id: MessageID, as verdict: Message.Verdict, _ room: Mailroom) async throws {
        let message = try await room.look(id).message
        let now = room.environment.clock.now()
        let word = Message.Resolution(verdict: verdict, by: room.demo.owner.description, at: now, note: "By hand.")
        _ = try await room.environment.pool.transaction(
            room.environment.settings(for: room.tenant.uuid),
            MessageStore.resolve(message, tenant: room.tenant, word)
        )
    }

    @Test func `late evidence and a person's word stand beside each other`() async throws {
        try await Mailroom.run { room in
            let id = try await room.message(to: "gate")
            try await room.sending {
                _ = try await room.sink.next()
                try await loseLease(id, room)
                try await resolve(id, as: .failed, room)
                room.sink.openGate()
                try await eventually { try await room.look(id).attempts.first?.outcome == .accepted }
            }
            let (message, attempts) = try await room.look(id)
            #expect(message.state == .failed)
            #expect(attempts.first?.resolution?.verdict == .failed)
            #expect(attempts.first?.resolution?.note == "By hand.")
        }
    }

    @Test func `evidence that comes before it is sent again keeps it from being sent again`() async throws {
        try await Mailroom.run { room in
            let id = try await room.message(to: "gate")
            try await room.sending {
                _ = try await room.sink.next()
                try await loseLease(id, room)
                try await resolve(id, as: .queued, room)
                room.sink.openGate()
                try await room.wait(for: id, .accepted)
            }
            #expect(try await room.look(id).attempts.first?.resolution?.verdict == .queued)
            // The job that was to send it finds nothing to do.
            let message = try await room.look(id).message
            let job = DeliverMessage.job(for: message, room.tenant, at: message.updatedAt)
            _ = try await room.environment.pool.transaction(
                room.environment.settings(for: room.tenant.uuid),
                JobStore.enqueue(job, now: message.updatedAt)
            )
            try await room.sending { try await eventually { try await room.jobs(id).isEmpty } }
            #expect(room.sink.taken == [id.description])
        }
    }

    // MARK: A database that does not say whether it committed

    @Test(arguments: ["INSERT INTO message_attempts", "UPDATE message_attempts"])
    func `a COMMIT whose answer is lost makes no message unknown and none sent twice`(cut: String) async throws {
        try await Mailroom.run { room in
            try await FaultProxy.run { proxy in
                let url = proxy.url(database: room.database.name, user: "aftercare_worker")
                let environment = try await Mailroom.environment(url, room.database)
                let id = try await room.message()
                proxy.cutReplies(after: cut, then: .close)
                try await room.sending(environment) {
                    let (_, attempts) = try await room.wait(for: id, .accepted)
                    #expect(attempts.map(\.outcome) == [.accepted])
                }
                await environment.pool.shutDown()
                #expect(proxy.cuts == 1)
                #expect(room.sink.taken == [id.description])
            }
        }
    }
}
