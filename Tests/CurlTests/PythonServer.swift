import Foundation
import Synchronization

/// One of the Python scripts beside this file, running as a child on a port of its own. It ends with its standard input,
/// so it never outlives the test.
final class PythonServer: Sendable {
    let port: Int
    /// A directory of this server's own; `certificate.pem` is there when it serves TLS.
    let directory: URL
    private let input: Pipe
    private let lines: Lines

    /// One HTTP server for every test that does not listen to its events.
    static let shared = Task { try await PythonServer("http_server.py") }

    struct DidNotStart: Error {}

    init(_ script: String, _ arguments: String..., tls: Bool = false) async throws {
        directory = FileManager.default.temporaryDirectory.appending(path: "curl-tests-\(UUID())")
        if tls { try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true) }
        let process = Process()
        // The system's own where there is one: version managers put a slow script in its place.
        let system = "/usr/bin/python3"
        let isThere = FileManager.default.isExecutableFile(atPath: system)
        process.executableURL = URL(filePath: isThere ? system : "/usr/bin/env")
        let path = URL(filePath: #filePath).deletingLastPathComponent().appending(path: script).path()
        process.arguments = (isThere ? [] : ["python3"]) + ["-B", path] + arguments + (tls ? [directory.path()] : [])
        input = Pipe()
        let output = Pipe()
        process.standardInput = input
        process.standardOutput = output
        lines = Lines(reading: output.fileHandleForReading)
        try process.run()
        guard let first = await lines.next(), let port = Int(first) else { throw DidNotStart() }
        self.port = port
    }

    deinit {
        try? input.fileHandleForWriting.close()
        try? FileManager.default.removeItem(at: directory)
    }

    var certificate: String { directory.appending(path: "certificate.pem").path() }
    func url(_ path: String) -> String { "http://127.0.0.1:\(port)\(path)" }

    /// The next thing the server said happened.
    func next() async throws -> Event {
        guard let line = await lines.next() else { throw DidNotStart() }
        return try JSONDecoder().decode(Event.self, from: Data(line.utf8))
    }

    struct Event: Decodable, Sendable {
        var event: String?
        var target: String?
        var from: String?
        var to: [String]?
        var message: Data?
        var bytes: [UInt8]? { message.map(Array.init) }
    }

    /// The child's standard output, line by line.
    private final class Lines: Sendable {
        private struct State {
            var partial = Data()
            var ready: [String] = []
            var waiting: [CheckedContinuation<String?, Never>] = []
            var ended = false
        }

        private let state = Mutex(State())

        init(reading handle: FileHandle) {
            handle.readabilityHandler = { [weak self] handle in
                let data = handle.availableData
                if data.isEmpty { handle.readabilityHandler = nil }
                self?.add(data)
            }
        }

        private func add(_ data: Data) {
            let resumed = state.withLock { state in
                state.partial.append(data)
                while let end = state.partial.firstIndex(of: UInt8(ascii: "\n")) {
                    state.ready.append(String(decoding: state.partial[..<end], as: UTF8.self))
                    state.partial = Data(state.partial[(end + 1)...])
                }
                if data.isEmpty { state.ended = true }
                var resumed: [(CheckedContinuation<String?, Never>, String?)] = []
                while let waiting = state.waiting.first, state.ended || !state.ready.isEmpty {
                    state.waiting.removeFirst()
                    resumed.append((waiting, state.ready.isEmpty ? nil : state.ready.removeFirst()))
                }
                return resumed
            }
            for (continuation, line) in resumed { continuation.resume(returning: line) }
        }

        func next() async -> String? {
            await withCheckedContinuation { continuation in
                let line: String?? = state.withLock { state in
                    if !state.ready.isEmpty { return .some(state.ready.removeFirst()) }
                    if state.ended { return .some(nil) }
                    state.waiting.append(continuation)
                    return nil
                }
                if let line { continuation.resume(returning: line) }
            }
        }
    }
}
