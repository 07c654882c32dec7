import Curl
import JSON
import Support
import Testing

@testable import Aftercare

/// Mail over SMTP to aiosmtpd, as operators set it up: secured, signed in, or wrongly so.
@Suite(.enabled(if: MailSink.isThere, "\(MailSink.absent)"), .timeLimit(.minutes(1)))
struct SMTPTransportTests {
    private func mail() throws -> MailMessage {
        let request = Message.Request(sender: "help@shop.example", recipient: "a@b.example", subject: "x", body: "y")
        return try MailMessage(.new(), request, date: .at("2026-11-23T09:05:07Z"))
    }

    private func transport(
        _ sink: MailSink,
        _ security: SMTPClient.Security,
        password: String? = nil,
        trusting authorities: String? = nil
    ) -> SMTPTransport {
        let server = SMTPClient.Server(
            host: "127.0.0.1",
            port: sink.port,
            security: security,
            username: password.map { _ in "shop" },
            password: password,
            trustedAuthorities: authorities
        )
        return SMTPTransport(client: SMTPClient(server))
    }

    /// Refused, and not for good: an operator mends it, and the mail can go then.
    private func expectForTheMoment(_ outcome: SendOutcome, _ words: String) {
        guard case .refused(let text, isPermanent: false) = outcome else {
            Issue.record("not refused for the moment: \(outcome)")
            return
        }
        #expect(text.contains(words), "\(text)")
    }

    @Test func `in the clear, many at once`() async throws {
        try await MailSink.run(["--delay", "50"]) { sink in
            let transport = transport(sink, .none)
            try await withThrowingTaskGroup(of: SendOutcome.self) { group in
                for _ in 0..<40 {
                    let mail = try mail()
                    group.addTask { await transport.send(mail) }
                }
                for try await outcome in group { #expect(outcome == .accepted("250 2.0.0 taken as 1")) }
            }
            #expect(Set(sink.taken).count == 40)
        }
    }

    @Test(arguments: ["starttls", "implicit"])
    func `secured, and only by a certificate that is trusted`(tls: String) async throws {
        try await MailSink.run(["--tls", tls]) { sink in
            let security: SMTPClient.Security = tls == "implicit" ? .tls : .startTLS
            let mail = try mail()
            let trusting = transport(sink, security, trusting: sink.certificate)
            #expect(await trusting.send(mail) == .accepted("250 2.0.0 taken as 1"))
            #expect(try await sink.next().json["tls"] == true)
            expectForTheMoment(await transport(sink, security).send(mail), "connection")
            #expect(sink.taken == [mail.id.description])
        }
    }

    @Test func `not in the clear where it was to be secured`() async throws {
        try await MailSink.run { sink in
            expectForTheMoment(await transport(sink, .startTLS).send(try mail()), "connection")
            #expect(sink.taken.isEmpty)
        }
    }

    @Test(arguments: ["plain", "login"])
    func `signed in, by either mechanism, or refused for the moment`(mechanism: String) async throws {
        let options = ["--auth", "shop:correct horse", "--mechanism", mechanism, "--tls", "starttls"]
        try await MailSink.run(options) { sink in
            let mail = try mail()
            func send(_ password: String?) async -> SendOutcome {
                await transport(sink, .startTLS, password: password, trusting: sink.certificate).send(mail)
            }
            expectForTheMoment(await send("wrong"), "535")
            #expect(sink.taken.isEmpty)
            #expect(await send("correct horse") == .accepted("250 2.0.0 taken as 1"))
            #expect(try await sink.next().json["signed_in"] == true)
        }
    }
}
