/// One mail transaction as a pure state machine: the server's replies go in, commands and the outcome come out.
///
/// The one fact everything turns on is ``endOffered``: until the final dot has been handed to the connection the server
/// cannot have taken the mail, from then on only its reply tells.
struct SMTPDialogue {
    enum Move: Equatable {
        case send([UInt8])
        /// Send this, and call ``offerEnd()`` with its last byte.
        case upload([UInt8])
        case finished(SMTPClient.Outcome)
    }

    private enum Step {
        case sender
        case recipient(Int)
        case data
        case message
    }

    private let mail: SMTPClient.Envelope
    /// The keywords of the server's EHLO reply, in capitals.
    private let capabilities: Set<String>
    private var step = Step.sender
    private(set) var endOffered = false

    init(_ mail: SMTPClient.Envelope, capabilities: Set<String>) {
        self.mail = mail
        self.capabilities = capabilities
    }

    /// The first move, made after the server has greeted us and let us in.
    func opening() -> Move {
        var command = "MAIL FROM:<\(mail.from)>"
        if capabilities.contains("SIZE") { command += " SIZE=\(mail.message.count)" }
        if capabilities.contains("8BITMIME"), mail.message.contains(where: { $0 > 0x7F }) {
            command += " BODY=8BITMIME"
        }
        if ([mail.from] + mail.recipients).contains(where: { $0.utf8.contains { $0 > 0x7F } }) {
            guard capabilities.contains("SMTPUTF8") else {
                let text = "the server does not take addresses beyond ASCII"
                return .finished(.refused(.init(stage: .sender, isPermanent: true, code: nil, text: text)))
            }
            command += " SMTPUTF8"
        }
        return line(command)
    }

    /// The end of the message is about to be given to the connection.
    mutating func offerEnd() { endOffered = true }

    mutating func handle(_ reply: SMTPReply) -> Move {
        switch (step, reply.code) {
        case (.sender, 200..<300):
            step = .recipient(0)
            return recipient(0)
        case (.recipient(let index), 200..<300) where index + 1 < mail.recipients.count:
            step = .recipient(index + 1)
            return recipient(index + 1)
        case (.recipient, 200..<300):
            step = .data
            return line("DATA")
        case (.data, 354):
            step = .message
            return .upload(SMTPDialogue.stuffed(mail.message))
        case (.message, 200..<300) where endOffered:
            return .finished(.accepted(reply: reply.text))
        case (_, 400..<600):
            return refused(reply, isPermanent: reply.code >= 500)
        case (.message, _) where endOffered:
            return .finished(.unknown(.unreadableReply(reply.text)))
        default:
            return refused(reply, isPermanent: false)
        }
    }

    /// What a broken-off talk amounts to.
    func lost(_ doubt: SMTPClient.Doubt) -> Result<SMTPClient.Outcome, TransferError> {
        if endOffered { return .success(.unknown(doubt)) }
        let text: String
        switch doubt {
        case .cancelled: return .failure(.cancelled)
        case .shutDown: return .failure(.shutDown)
        case .timedOut: text = "timed out"
        case .connectionLost(let detail), .unreadableReply(let detail): text = detail
        }
        return .success(.refused(.init(stage: stage, isPermanent: false, code: nil, text: text)))
    }

    private var stage: SMTPClient.Refusal.Stage {
        switch step {
        case .sender: .sender
        case .recipient(let index): .recipient(index)
        case .data: .data
        case .message: .message
        }
    }

    private func refused(_ reply: SMTPReply, isPermanent: Bool) -> Move {
        .finished(.refused(.init(stage: stage, isPermanent: isPermanent, code: reply.code, text: reply.text)))
    }

    private func recipient(_ index: Int) -> Move { line("RCPT TO:<\(mail.recipients[index])>") }
    private func line(_ text: String) -> Move { .send(Array("\(text)\r\n".utf8)) }

    /// The message with leading dots doubled, ended by CR LF and the final dot.
    static func stuffed(_ message: [UInt8]) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(message.count + message.count / 64 + 5)
        var atLineStart = true
        for byte in message {
            if atLineStart, byte == UInt8(ascii: ".") { bytes.append(byte) }
            bytes.append(byte)
            atLineStart = byte == UInt8(ascii: "\n")
        }
        bytes.append(contentsOf: atLineStart ? Array(".\r\n".utf8) : Array("\r\n.\r\n".utf8))
        return bytes
    }
}

/// A whole reply: one line, or several joined by line feeds.
struct SMTPReply: Equatable {
    var code: Int
    /// With the code, without CR LF.
    var text: String
}

/// Cuts the server's bytes into replies.
struct SMTPReplyParser {
    struct Malformed: Error, Equatable {
        var text: String
    }

    private static let maximumBytes = 64 << 10
    private var buffer: [UInt8] = []
    private var lines: [String] = []
    private var taken = 0

    mutating func append(_ bytes: UnsafeRawBufferPointer) { buffer.append(contentsOf: bytes) }

    /// The next whole reply, or nil until more bytes have come.
    mutating func next() throws(Malformed) -> SMTPReply? {
        while let end = buffer.firstIndex(of: UInt8(ascii: "\n")) {
            var bytes = buffer[..<end]
            if bytes.last == UInt8(ascii: "\r") { bytes.removeLast() }
            let line = String(decoding: bytes, as: UTF8.self)
            taken += end + 1
            buffer.removeSubrange(...end)
            guard taken <= SMTPReplyParser.maximumBytes else { throw Malformed(text: "endless reply") }
            let digits = line.utf8.prefix(3)
            let mark = line.utf8.dropFirst(3).first
            guard digits.count == 3, digits.allSatisfy({ (0x30...0x39).contains($0) }), let code = Int(line.prefix(3)),
                mark == nil || mark == UInt8(ascii: " ") || mark == UInt8(ascii: "-")
            else { throw Malformed(text: "not an SMTP reply: \(line.prefix(100))") }
            lines.append(line)
            if mark != UInt8(ascii: "-") {
                defer {
                    lines.removeAll()
                    taken = 0
                }
                return SMTPReply(code: code, text: lines.joined(separator: "\n"))
            }
        }
        guard buffer.count <= SMTPReplyParser.maximumBytes else { throw Malformed(text: "endless reply") }
        return nil
    }
}
