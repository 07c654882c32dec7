import Foundation
import JSON

/// `dev.json`: how to reach what `aftercare dev` started, for people and for programs.
///
/// One member a line, so that `sed` can read it. Written last and at once (a new file, renamed), so that whoever waits
/// for it finds a server that answers.
struct DevelopmentFile {
    let path: String

    init(in directory: String) { path = "\(directory)/dev.json" }

    func write(_ members: [(String, JSON)]) throws {
        let lines = members.map { "  \(JSON.string($0.0).serialized): \($0.1.serialized)" }
        let text = "{\n" + lines.joined(separator: ",\n") + "\n}\n"
        let temporary = path + ".new"
        try Data(text.utf8).write(to: URL(filePath: temporary))
        // Tokens are in it.
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: temporary)
        guard rename(temporary, path) == 0 else { throw CocoaError(.fileWriteUnknown) }
    }

    /// What the last start wrote, also after `retire`.
    func read() -> JSON? {
        let contents = FileManager.default.contents(atPath: path) ?? FileManager.default.contents(atPath: retired)
        return contents.flatMap { try? JSON(parsing: Array($0)) }
    }

    /// Takes the file from where others look for a running server, and keeps it for the next start.
    func retire() { _ = rename(path, retired) }

    private var retired: String { path + ".last" }
}
