import Foundation
import JSON
import Support

/// The mail server of `deploy/mail-sink.py`, which is aiosmtpd, as a process of a test's own. What a recipient's name
/// makes it do is said there.
///
/// Where aiosmtpd is not installed its tests are skipped, with a line that says so; in CI (`CI=true`) they fail instead.
/// `deploy/test` installs it.
final class MailSink: Sendable {
    /// A mail it took, or one that waits for the gate.
    struct Mail: Sendable {
        let key: String
        let json: JSON

        func header(_ name: String) -> [String] {
            (json["headers"]?.arrayValue ?? []).filter { $0[0]?.stringValue == name }
                .compactMap { $0[1]?.stringValue }
        }
    }

    let port: Int
    let directory: String
    private let process: ChildProcess

    static let python: String = {
        let own = "\(TestCluster.repository)/.build/python/bin/python"
        return FileManager.default.isExecutableFile(atPath: own) ? own : "python3"
    }()

    static let isThere: Bool =
        ProcessInfo.processInfo.environment["CI"] == "true"
        || (try? ChildProcess.output(of: python, ["-c", "import aiosmtpd"])) != nil
    static let absent: String = "no aiosmtpd for \(python): run deploy/test once, which installs it"

    private init(_ options: [String]) async throws {
        directory = "/tmp/aftercare-tests-sink-\(UUID())"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        let script = "\(TestCluster.repository)/deploy/mail-sink.py"
        let folders = ["--gate", "\(directory)/gate", "--certificate", directory, "--record", "\(directory)/record"]
        process = try ChildProcess(Self.python, ["-B", script] + folders + options)
        let line = await process.nextLine() ?? ""
        guard let port = Int(line) else { throw NeverHappened(description: "the mail sink said: \(line)") }
        self.port = port
    }

    /// A mail server for the length of `body`.
    static func run<Result>(
        _ options: [String] = [],
        isolation: isolated (any Actor)? = #isolation,
        _ body: (MailSink) async throws -> Result
    ) async throws -> Result {
        let sink = try await MailSink(options)
        defer {
            sink.process.signal(SIGKILL)
            try? FileManager.default.removeItem(atPath: sink.directory)
        }
        return try await body(sink)
    }

    /// The PEM file to trust, where it speaks TLS.
    var certificate: String { "\(directory)/certificate.pem" }

    /// The keys of the mails it took, in their order; one for each time.
    var taken: [String] {
        let text = (try? String(contentsOfFile: "\(directory)/record", encoding: .utf8)) ?? ""
        return text.split(separator: "\n").map(String.init)
    }

    /// The next mail it says something of.
    func next() async throws -> Mail {
        guard let line = await process.nextLine(), let json = try? JSON(parsing: Array(line.utf8)),
            let key = json["key"]?.stringValue
        else { throw NeverHappened(description: "the mail sink has ended, or said no mail") }
        return Mail(key: key, json: json)
    }

    /// Lets go of those that wait.
    func openGate() { _ = FileManager.default.createFile(atPath: "\(directory)/gate", contents: nil) }
}
