import Foundation
import Glibc
import Synchronization

/// A program that runs beside the tests. One thread reads what it says and waits for its end.
public final class ChildProcess: Sendable {
    private struct State {
        var partial: [UInt8] = []
        var lines: [String] = []
        var hasEnded = false
        var status: Int32?
        var readers: [CheckedContinuation<String?, Never>] = []
        var waiters: [CheckedContinuation<Int32, Never>] = []
    }

    public struct Failure: Error, CustomStringConvertible {
        public let description: String
    }

    public let id: Int32
    private let input: Mutex<Int32>
    private let state = Mutex(State())

    /// Starts a program, found on PATH. Its errors come out among its lines.
    public init(_ program: String, _ arguments: [String]) throws {
        var inputs: [Int32] = [-1, -1]
        var outputs: [Int32] = [-1, -1]
        // Socket pairs, because pipes cannot be made close-on-exec from Swift, and a child that starts at the same time
        // would inherit an end and keep it open.
        let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        guard socketpair(AF_UNIX, kind, 0, &inputs) == 0, socketpair(AF_UNIX, kind, 0, &outputs) == 0 else {
            throw Failure(description: "no socket pair for \(program)")
        }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, inputs[0], 0)
        posix_spawn_file_actions_adddup2(&actions, outputs[1], 1)
        posix_spawn_file_actions_adddup2(&actions, outputs[1], 2)
        let words = ([program] + arguments).map { strdup($0) }
        defer { for word in words { free(word) } }
        var child = pid_t()
        let failure = posix_spawnp(&child, program, &actions, nil, words + [nil], environ)
        Glibc.close(inputs[0])
        Glibc.close(outputs[1])
        id = child
        input = Mutex(inputs[1])
        guard failure == 0 else {
            Glibc.close(inputs[1])
            Glibc.close(outputs[0])
            throw Failure(description: "\(program) did not start: \(String(cString: strerror(failure)))")
        }
        let output = outputs[0]
        Thread.detachNewThread { [self] in
            read(from: output)
            reap()
        }
    }

    deinit { closeInput() }

    /// Runs a program for the length of `body`, and kills it then.
    public static func run<Result>(
        _ program: String,
        _ arguments: [String],
        isolation: isolated (any Actor)? = #isolation,
        _ body: (ChildProcess) async throws -> Result
    ) async throws -> Result {
        let child = try ChildProcess(program, arguments)
        defer { child.signal(SIGKILL) }
        return try await body(child)
    }

    /// Runs a program to its end and returns what it said; throws that when the program failed. Blocks.
    @discardableResult
    public static func output(of program: String, _ arguments: [String]) throws -> String {
        let child = try ChildProcess(program, arguments)
        child.closeInput()
        let status = child.waitBlocking()
        let said = child.state.withLock { $0.lines.joined(separator: "\n") }
        guard status == 0 else { throw Failure(description: "\(program) ended with \(status): \(said)") }
        return said
    }

    /// The next line the program says; nil after its last.
    public func nextLine() async -> String? {
        await withCheckedContinuation { reader in
            state.withLock { $0.readers.append(reader) }
            serveReaders()
        }
    }

    /// Sends a signal, unless the program has ended: its number may be another's by then.
    public func signal(_ number: Int32) {
        state.withLock { if $0.status == nil { _ = kill(id, number) } }
    }

    public func closeInput() {
        input.withLock { input in
            if input >= 0 { Glibc.close(input) }
            input = -1
        }
    }

    /// Waits for the program's end: its exit status, or the negated number of the signal that killed it.
    public func status() async -> Int32 {
        await withCheckedContinuation { waiter in
            let status = state.withLock { state in
                if state.status == nil { state.waiters.append(waiter) }
                return state.status
            }
            if let status { waiter.resume(returning: status) }
        }
    }

    /// The same for callers that are not asynchronous.
    @discardableResult
    public func waitBlocking() -> Int32 {
        while true {
            if let status = state.withLock({ $0.status }) { return status }
            usleep(5000)
        }
    }

    private func read(from output: Int32) {
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = Glibc.read(output, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            state.withLock { state in
                for byte in buffer[..<max(count, 0)] {
                    if byte == UInt8(ascii: "\n") {
                        state.lines.append(String(decoding: state.partial, as: UTF8.self))
                        state.partial.removeAll()
                    } else {
                        state.partial.append(byte)
                    }
                }
                state.hasEnded = count <= 0
            }
            serveReaders()
            if count <= 0 { break }
        }
        Glibc.close(output)
    }

    private func reap() {
        var info = siginfo_t()
        // First without collecting it, so that `signal` never hits a process that got the number since.
        while waitid(P_PID, id_t(id), &info, WEXITED | WNOWAIT) != 0, errno == EINTR {}
        let (status, waiters) = state.withLock { state in
            var word: Int32 = 0
            waitpid(id, &word, 0)
            let status = word & 0x7F == 0 ? (word >> 8) & 0xFF : -(word & 0x7F)
            defer { state.waiters.removeAll() }
            state.status = status
            return (status, state.waiters)
        }
        for waiter in waiters { waiter.resume(returning: status) }
    }

    private func serveReaders() {
        let served = state.withLock { state in
            var served: [(CheckedContinuation<String?, Never>, String?)] = []
            while let reader = state.readers.first, state.hasEnded || !state.lines.isEmpty {
                state.readers.removeFirst()
                served.append((reader, state.lines.isEmpty ? nil : state.lines.removeFirst()))
            }
            return served
        }
        for (reader, line) in served { reader.resume(returning: line) }
    }
}
