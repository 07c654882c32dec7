/// Hands one mail at a time to one SMTP server and says what became of it, in three values and never in two.
///
/// libcurl connects, secures and signs in. The mail transaction itself is ours, because only a client that sees every
/// reply knows whether a silent server may already have the mail.
public final class SMTPClient: Sendable {
    private let loop: TransferLoop
    private let server: Server

    public init(_ server: Server, on loop: TransferLoop = TransferLoop()) {
        self.server = server
        self.loop = loop
    }

    public enum Security: Sendable {
        /// In the clear, credentials too. For a relay on the same machine.
        case none
        /// Upgraded before anything is said; a server that does not offer it is refused.
        case startTLS
        /// TLS from the first byte (port 465).
        case tls
    }

    public struct Server: Sendable {
        /// A name or an IP address, IPv6 without brackets.
        public var host: String
        public var port: Int
        public var security: Security
        /// With `password`, signs in by the strongest mechanism both sides know. A server offering none is used as is.
        public var username: String?
        public var password: String?
        /// The name given in EHLO.
        public var greetingName: String
        /// Path of a PEM file to trust instead of the system's roots.
        public var trustedAuthorities: String?

        public init(
            host: String,
            port: Int,
            security: Security,
            username: String? = nil,
            password: String? = nil,
            greetingName: String = "localhost",
            trustedAuthorities: String? = nil
        ) {
            self.host = host
            self.port = port
            self.security = security
            self.username = username
            self.password = password
            self.greetingName = greetingName
            self.trustedAuthorities = trustedAuthorities
        }
    }

    public struct Envelope: Sendable {
        /// Bare address (`shop@example.test`); empty for the null sender.
        public var from: String
        /// Bare addresses, at least one. One of them refused refuses the mail for all.
        public var recipients: [String]
        /// Header and body, every line ended by CR LF. Leading dots are doubled on the way out.
        public var message: [UInt8]

        public init(from: String, recipients: [String], message: [UInt8]) {
            self.from = from
            self.recipients = recipients
            self.message = message
        }
    }

    public enum Outcome: Sendable, Equatable {
        /// The server has taken responsibility. `reply` is its last line(s), code included.
        case accepted(reply: String)
        /// The server certainly has not taken the mail.
        case refused(Refusal)
        /// The mail was sent to its end and no verdict was seen: the server may have it. Never send it again blindly.
        case unknown(Doubt)
    }

    public struct Refusal: Sendable, Equatable {
        public enum Stage: Sendable, Equatable {
            case connection
            case authentication
            case sender
            /// Index into `Envelope.recipients`.
            case recipient(Int)
            /// The reply to DATA, before any byte of the message.
            case data
            /// During the message, or the reply to its end.
            case message
        }

        public var stage: Stage
        /// True for a 5xx reply about this mail. Trouble with connecting or signing in is never permanent: it is mended
        /// by an operator, and the mail can go then.
        public var isPermanent: Bool
        /// The SMTP reply code, nil when it was not a reply that refused.
        public var code: Int?
        /// The server's or libcurl's words. For operators.
        public var text: String

        public init(stage: Stage, isPermanent: Bool, code: Int?, text: String) {
            self.stage = stage
            self.isPermanent = isPermanent
            self.code = code
            self.text = text
        }
    }

    public enum Doubt: Sendable, Equatable {
        case timedOut
        case connectionLost(String)
        /// Something other than a 2xx, 4xx or 5xx reply.
        case unreadableReply(String)
        case cancelled
        case shutDown
    }

    /// Carries out one mail transaction on a connection of its own.
    ///
    /// - Parameter deadline: for everything, connecting included.
    /// - Throws: `.invalidRequest` before anything is sent; `.cancelled` or `.shutDown` when that came before the end of
    ///   the message was sent, so the server certainly does not have it. Nothing else.
    public func send(_ mail: Envelope, deadline: Duration = .seconds(60)) async throws(TransferError) -> Outcome {
        try server.validate()
        try mail.validate()
        let outcome = await loop.run { continuation in
            SMTPTransfer(mail, through: server, deadline: deadline, continuation)
        }
        return try outcome.get()
    }
}

extension SMTPClient.Server {
    func validate() throws(TransferError) {
        let isPlain = { (byte: UInt8) in
            byte > 0x20 && byte < 0x7F && !"/@?#%[]\"\\<>".utf8.contains(byte)
        }
        guard !host.isEmpty, host.utf8.allSatisfy(isPlain) else { throw .invalidRequest("SMTP host") }
        guard (1...65_535).contains(port) else { throw .invalidRequest("SMTP port") }
        guard !greetingName.isEmpty, greetingName.utf8.allSatisfy(isPlain) else {
            throw .invalidRequest("SMTP greeting name")
        }
    }
}

extension SMTPClient.Envelope {
    /// Refuses what could smuggle a command or a second mail past the server.
    func validate() throws(TransferError) {
        guard !recipients.isEmpty else { throw .invalidRequest("no recipient") }
        guard from.isEmpty || isAddress(from), recipients.allSatisfy(isAddress) else {
            throw .invalidRequest("address")
        }
        var previous: UInt8 = 0
        for byte in message {
            // A bare CR or LF ends a line, and so perhaps the mail, for some servers and not for others.
            if (byte == 0x0A) != (previous == 0x0D) { throw .invalidRequest("bare CR or LF") }
            previous = byte
        }
        if previous == 0x0D { throw .invalidRequest("bare CR or LF") }
    }

    private func isAddress(_ text: String) -> Bool {
        !text.isEmpty && !text.utf8.contains { $0 <= 0x20 || $0 == 0x7F || $0 == 0x3C || $0 == 0x3E }
    }
}
