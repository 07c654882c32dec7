import Curl
import FoundationEssentials

/// What became of a mail that was handed over. Three values and never two: who takes silence for failure sends twice.
enum SendOutcome: Hashable, Sendable {
    /// The next server has taken responsibility.
    case accepted(String)
    /// It certainly was not taken.
    case refused(String, isPermanent: Bool)
    /// It may have been taken, or not.
    case unknown(String)
}

/// A way for mail to leave.
protocol MailTransport: Sendable {
    /// Mails on their way at once, in this process: as many as one crash may leave in doubt.
    var maximumSends: Int { get }
    func send(_ mail: MailMessage) async -> SendOutcome
}

/// Over SMTP, to the store owner's or the operator's mail server.
struct SMTPTransport: MailTransport {
    let client: SMTPClient
    var maximumSends = 16
    /// For the whole of one mail. A server may take its time over the answer that counts.
    var deadline = Duration.seconds(60)

    func send(_ mail: MailMessage) async -> SendOutcome {
        do throws(TransferError) {
            let envelope = SMTPClient.Envelope(from: mail.from.address, recipients: [mail.to], message: mail.bytes)
            switch try await client.send(envelope, deadline: deadline) {
            case .accepted(let reply): return .accepted(reply)
            case .refused(let refusal):
                let code = refusal.code.map { "\($0) " } ?? ""
                return .refused("\(refusal.stage): \(code)\(refusal.text)", isPermanent: refusal.isPermanent)
            case .unknown(let doubt): return .unknown("\(doubt)")
            }
        } catch {
            switch error {
            case .invalidRequest(let what): return .refused("cannot be sent: \(what)", isPermanent: true)
            // Thrown only where the server certainly does not have it.
            default: return .refused("\(error)", isPermanent: false)
            }
        }
    }
}

/// Into a directory, one `.eml` file a mail: for trying things without a mail server.
struct FileTransport: MailTransport {
    let directory: URL
    let maximumSends = 16

    init(directory: String) throws {
        self.directory = URL(filePath: directory, directoryHint: .isDirectory)
        try FileManager.default.createDirectory(at: self.directory, withIntermediateDirectories: true)
    }

    func send(_ mail: MailMessage) async -> SendOutcome {
        let name = "\(mail.id).eml"
        do {
            // Written beside it and renamed: whoever watches the directory sees whole files only.
            try Data(mail.bytes).write(to: directory.appending(path: name), options: .atomic)
            return .accepted("written to \(name)")
        } catch {
            return .refused("the file could not be written: \(type(of: error))", isPermanent: false)
        }
    }
}
