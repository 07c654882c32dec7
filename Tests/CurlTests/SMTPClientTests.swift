import Curl
import Testing

@Suite(.timeLimit(.minutes(1)))
struct SMTPClientTests {
    let mail = SMTPClient.Envelope(
        from: "shop@example.test",
        recipients: ["a@example.test", "b@example.test"],
        message: Array("Subject: x\r\n\r\n.\r\n..two\r\nend\r\n.\r\n".utf8)
    )

    private func client(
        _ server: PythonServer,
        _ security: SMTPClient.Security = .none,
        password: String? = nil,
        trusting authorities: String? = nil,
        on loop: TransferLoop = TransferLoop()
    ) -> SMTPClient {
        let server = SMTPClient.Server(
            host: "127.0.0.1",
            port: server.port,
            security: security,
            username: password.map { _ in "shop" },
            password: password,
            greetingName: "aftercare.test",
            trustedAuthorities: authorities
        )
        return SMTPClient(server, on: loop)
    }

    private func refusal(_ outcome: SMTPClient.Outcome) -> SMTPClient.Refusal? {
        if case .refused(let refusal) = outcome { refusal } else { nil }
    }

    /// More than sockets buffer, so that a server that stops reading stops the client.
    static let longMessage = Array(String(repeating: "a line of a very long message\r\n", count: 250_000).utf8)

    @Test func `an accepted mail arrives byte for byte`() async throws {
        let server = try await PythonServer("smtp_server.py", "accept")
        #expect(try await client(server).send(mail) == .accepted(reply: "250-queued\n250 as 42"))
        let received = try await server.next()
        #expect(received.bytes == mail.message)
        #expect(received.from == "MAIL FROM:<shop@example.test> SIZE=\(mail.message.count)")
        #expect(received.to == ["RCPT TO:<a@example.test>", "RCPT TO:<b@example.test>"])
        #expect(try await server.next().event == "quit")
    }

    @Test func `a large mail arrives whole, and is declared eight bit`() async throws {
        let server = try await PythonServer("smtp_server.py", "accept")
        var mail = mail
        mail.message += Array(String(repeating: ".\u{e9} and more of it\r\n", count: 20_000).utf8)
        #expect(try await client(server).send(mail) == .accepted(reply: "250-queued\n250 as 42"))
        let received = try await server.next()
        #expect(received.bytes == mail.message)
        #expect(received.from?.hasSuffix(" BODY=8BITMIME") == true)
    }

    @Test func `a message without a final line break gets one`() async throws {
        let server = try await PythonServer("smtp_server.py", "accept")
        var mail = mail
        mail.message = Array("no end".utf8)
        _ = try await client(server).send(mail)
        #expect(try await server.next().bytes == Array("no end\r\n".utf8))
    }

    @Test func `one refused recipient refuses the mail`() async throws {
        let server = try await PythonServer("smtp_server.py", "accept")
        var mail = mail
        mail.recipients[1] = "nobody@example.test"
        let refused = refusal(try await client(server).send(mail))
        #expect(refused == .init(stage: .recipient(1), isPermanent: true, code: 550, text: "550-no such\n550 user"))
        #expect(try await server.next().event == "quit")
    }

    @Test(arguments: [
        ("greeting-554", 554, false, SMTPClient.Refusal.Stage.connection),
        ("452-to-data", 452, false, .data),
        ("451-after-message", 451, false, .message),
        ("554-after-message", 554, true, .message),
    ])
    func `a reply that refuses is certain`(
        mode: String,
        code: Int,
        permanent: Bool,
        stage: SMTPClient.Refusal.Stage
    ) async throws {
        let server = try await PythonServer("smtp_server.py", mode)
        let refused = try #require(refusal(try await client(server).send(mail)))
        #expect(refused.code == code)
        #expect(refused.isPermanent == permanent)
        #expect(refused.stage == stage)
    }

    @Test func `a refusal in the middle of the message is heard`() async throws {
        let server = try await PythonServer("smtp_server.py", "552-in-message")
        var mail = mail
        mail.message = Self.longMessage
        let refused = try #require(refusal(try await client(server).send(mail)))
        #expect(refused.stage == .message)
        // The reset may overtake the reply; that the server has no mail is certain either way.
        #expect(refused.code == 552 ? refused.isPermanent : refused.code == nil)
    }

    @Test func `silence or a break after the end of the message is unknown`() async throws {
        let silent = try await PythonServer("smtp_server.py", "stall-after-message")
        #expect(try await client(silent).send(mail, deadline: .seconds(6)) == .unknown(.timedOut))
        let broken = try await PythonServer("smtp_server.py", "close-after-message")
        #expect(
            try await client(broken).send(mail) == .unknown(.connectionLost("the server closed the connection"))
        )
        let odd = try await PythonServer("smtp_server.py", "nonsense-after-message")
        #expect(try await client(odd).send(mail) == .unknown(.unreadableReply("not an SMTP reply: hello")))
    }

    @Test(arguments: ["mute", "stall-before-354"])
    func `silence before the message is a refusal to try again`(mode: String) async throws {
        let server = try await PythonServer("smtp_server.py", mode)
        let refused = refusal(try await client(server).send(mail, deadline: .seconds(mode == "mute" ? 1 : 6)))
        let stage: SMTPClient.Refusal.Stage = mode == "mute" ? .connection : .data
        #expect(refused == .init(stage: stage, isPermanent: false, code: nil, text: "timed out"))
    }

    @Test func `silence within the message is a refusal to try again`() async throws {
        let server = try await PythonServer("smtp_server.py", "stall-in-message")
        var mail = mail
        mail.message = Self.longMessage
        let refused = refusal(try await client(server).send(mail, deadline: .seconds(6)))
        #expect(refused == .init(stage: .message, isPermanent: false, code: nil, text: "timed out"))
    }

    @Test func `a break before the message and a closed port are refusals to try again`() async throws {
        let server = try await PythonServer("smtp_server.py", "close-before-354")
        let refused = try #require(refusal(try await client(server).send(mail)))
        #expect(refused.stage == .data)
        #expect(!refused.isPermanent)
        let nowhere = SMTPClient(.init(host: "127.0.0.1", port: 1, security: .none))
        #expect(refusal(try await nowhere.send(mail))?.stage == .connection)
    }

    @Test func `an accepted mail stays accepted though QUIT is never answered`() async throws {
        let server = try await PythonServer("smtp_server.py", "stall-after-accept")
        #expect(try await client(server).send(mail) == .accepted(reply: "250-queued\n250 as 42"))
    }

    @Test(arguments: ["auth-plain", "auth-login"])
    func `it signs in, and a wrong password is never held against the mail`(mode: String) async throws {
        let server = try await PythonServer("smtp_server.py", mode)
        #expect(
            try await client(server, password: "correct horse").send(mail) == .accepted(reply: "250-queued\n250 as 42")
        )
        let refused = refusal(try await client(server, password: "wrong").send(mail))
        #expect(refused == .init(stage: .authentication, isPermanent: false, code: 535, text: "535 wrong"))
        #expect(refusal(try await client(server).send(mail))?.code == 530)
    }

    @Test func `STARTTLS is required once asked for, and its certificate is verified`() async throws {
        let plain = try await PythonServer("smtp_server.py", "accept")
        #expect(refusal(try await client(plain, .startTLS).send(mail))?.stage == .connection)

        let server = try await PythonServer("smtp_server.py", "auth-plain", tls: true)
        let unverified = try #require(refusal(try await client(server, .startTLS).send(mail)))
        #expect(unverified.stage == .connection)
        let trusting = client(server, .startTLS, password: "correct horse", trusting: server.certificate)
        #expect(try await trusting.send(mail) == .accepted(reply: "250-queued\n250 as 42"))
        #expect(try await server.next().bytes == mail.message)
    }

    @Test func `cancelled before the end it throws, after it the outcome is unknown`() async throws {
        let before = try await PythonServer("smtp_server.py", "stall-before-354")
        let early = Task { try await client(before).send(mail) }
        #expect(try await before.next().event == "stalled")
        early.cancel()
        await #expect(throws: TransferError.cancelled) { try await early.value }

        let after = try await PythonServer("smtp_server.py", "stall-after-message")
        let late = Task { try await client(after).send(mail) }
        #expect(try await after.next().event == "mail")
        late.cancel()
        #expect(try await late.value == .unknown(.cancelled))
    }

    @Test func `a shutdown after the end leaves the outcome unknown`() async throws {
        let server = try await PythonServer("smtp_server.py", "stall-after-message")
        let loop = TransferLoop()
        let task = Task { try await client(server, on: loop).send(mail) }
        #expect(try await server.next().event == "mail")
        await loop.shutdown()
        #expect(try await task.value == .unknown(.shutDown))
    }

    @Test func `a silent mail server holds up nobody else on the loop`() async throws {
        let loop = TransferLoop()
        let silent = try await PythonServer("smtp_server.py", "stall-after-message")
        let web = try await PythonServer("http_server.py")
        let waiting = Task { try await client(silent, on: loop).send(mail) }
        #expect(try await silent.next().event == "mail")
        let http = HTTPClient(on: loop)
        #expect(try await http.send(.init("GET", web.url("/echo")), deadline: .seconds(5)).status == 200)
        waiting.cancel()
        #expect(try await waiting.value == .unknown(.cancelled))
    }

    @Test(arguments: [
        SMTPClient.Envelope(from: "a@b>\r\nRCPT TO:<c@d", recipients: ["a@b"], message: []),
        SMTPClient.Envelope(from: "", recipients: [], message: []),
        SMTPClient.Envelope(from: "", recipients: [""], message: []),
        SMTPClient.Envelope(from: "", recipients: ["a@b"], message: Array("x\n.\nMAIL".utf8)),
        SMTPClient.Envelope(from: "", recipients: ["a@b"], message: Array("x\r.\rMAIL".utf8)),
        SMTPClient.Envelope(from: "", recipients: ["a@b"], message: Array("x\r".utf8)),
    ])
    func `what could smuggle a command is refused`(mail: SMTPClient.Envelope) async throws {
        let client = SMTPClient(.init(host: "127.0.0.1", port: 1, security: .none))
        await #expect {
            try await client.send(mail)
        } throws: {
            if case .invalidRequest = $0 as? TransferError { true } else { false }
        }
    }
}
