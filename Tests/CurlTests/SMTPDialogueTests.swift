import Testing

@testable import Curl

/// The classification by itself, every reply at every step.
struct SMTPDialogueTests {
    static let mail = SMTPClient.Envelope(from: "", recipients: ["a@x", "b@x"], message: Array("m\r\n".utf8))
    static let codes = [199, 220, 250, 299, 300, 354, 400, 421, 499, 500, 550, 599, 600, 999, 0]
    static let steps: [SMTPClient.Refusal.Stage] = [.sender, .recipient(0), .recipient(1), .data, .message]

    /// A dialogue waiting for the reply that belongs to `stage`.
    private func dialogue(at stage: SMTPClient.Refusal.Stage) throws -> SMTPDialogue {
        var dialogue = SMTPDialogue(Self.mail, capabilities: [])
        let index = try #require(Self.steps.firstIndex(of: stage))
        for code in [250, 250, 250, 354].prefix(index) { _ = dialogue.handle(.init(code: code, text: "")) }
        return dialogue
    }

    @Test(arguments: steps, codes)
    func `before the end was sent nothing is accepted or unknown`(
        stage: SMTPClient.Refusal.Stage,
        code: Int
    )
        throws
    {
        var dialogue = try dialogue(at: stage)
        guard case .finished(let outcome) = dialogue.handle(.init(code: code, text: "t")) else {
            #expect(stage == .data ? code == 354 : (200..<300).contains(code))
            return
        }
        let permanent = (500..<600).contains(code)
        #expect(outcome == .refused(.init(stage: stage, isPermanent: permanent, code: code, text: "t")))
    }

    @Test(arguments: codes)
    func `after the end only the reply tells`(code: Int) throws {
        var dialogue = try dialogue(at: .message)
        dialogue.offerEnd()
        let expected: SMTPClient.Outcome =
            switch code {
            case 200..<300: .accepted(reply: "t")
            case 400..<600: .refused(.init(stage: .message, isPermanent: code >= 500, code: code, text: "t"))
            default: .unknown(.unreadableReply("t"))
            }
        #expect(dialogue.handle(.init(code: code, text: "t")) == .finished(expected))
    }

    @Test(arguments: [SMTPClient.Doubt.timedOut, .connectionLost("x"), .unreadableReply("x"), .cancelled, .shutDown])
    func `a break is doubt after the end, and none before`(doubt: SMTPClient.Doubt) throws {
        for stage in Self.steps {
            switch try dialogue(at: stage).lost(doubt) {
            case .success(.refused(let refusal)): #expect(!refusal.isPermanent && refusal.stage == stage)
            case .failure(let error): #expect(error == (doubt == .cancelled ? .cancelled : .shutDown))
            case .success(let outcome): Issue.record("\(outcome)")
            }
        }
        var ended = try dialogue(at: .message)
        ended.offerEnd()
        #expect(ended.lost(doubt) == .success(.unknown(doubt)))
    }

    @Test func `addresses beyond ASCII go only where they are understood`() {
        var mail = Self.mail
        mail.recipients = ["j\u{f6}rg@x"]
        let able = SMTPDialogue(mail, capabilities: ["SMTPUTF8"]).opening()
        #expect(able == .send(Array("MAIL FROM:<> SMTPUTF8\r\n".utf8)))
        guard case .finished(.refused(let refusal)) = SMTPDialogue(mail, capabilities: []).opening() else {
            Issue.record("sent anyway")
            return
        }
        #expect(refusal.isPermanent)
    }

    @Test(arguments: [
        ("", ".\r\n"),
        ("a", "a\r\n.\r\n"),
        (".\r\n", "..\r\n.\r\n"),
        ("..\r\na.\r\n.b", "...\r\na.\r\n..b\r\n.\r\n"),
    ])
    func `leading dots are doubled and the end is marked`(message: String, expected: String) {
        #expect(SMTPDialogue.stuffed(Array(message.utf8)) == Array(expected.utf8))
    }

    @Test func `replies are cut from any split of the bytes`() throws {
        let bytes = Array("250-one\r\n250 two\r\n354\r\n421 bye\n".utf8)
        for cut in 0...bytes.count {
            var parser = SMTPReplyParser()
            var replies: [SMTPReply] = []
            for part in [bytes[..<cut], bytes[cut...]] {
                part.withUnsafeBytes { parser.append($0) }
                while let reply = try parser.next() { replies.append(reply) }
            }
            #expect(
                replies == [
                    .init(code: 250, text: "250-one\n250 two"), .init(code: 354, text: "354"),
                    .init(code: 421, text: "421 bye"),
                ]
            )
        }
    }

    @Test(arguments: [
        "hello\r\n", "\r\n", "25\r\n", "2500 x\r\n", "\u{662}50 x\r\n", String(repeating: "x", count: 70_000),
    ])
    func `what is no reply is said to be none`(text: String) {
        var parser = SMTPReplyParser()
        Array(text.utf8).withUnsafeBytes { parser.append($0) }
        #expect(throws: SMTPReplyParser.Malformed.self) { try parser.next() }
    }
}
