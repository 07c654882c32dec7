import Foundation
import Glibc
import JSON
import Synchronization

/// An HTTP server on a loopback port, for what the program calls: it keeps what came, and answers as it is told to. One
/// request a connection.
final class LoopbackReceiver: Sendable {
    struct Request: Sendable {
        let method: String
        let path: String
        let headers: [(name: String, value: String)]
        let body: [UInt8]

        func header(_ name: String) -> String? {
            headers.first { $0.name.lowercased() == name.lowercased() }?.value
        }

        var json: JSON { (try? JSON(parsing: body)) ?? .null }
    }

    enum Answer: Sendable {
        case status(Int, headers: [(String, String)] = [], body: String = "")
        /// Nothing, with the connection open until the end of the test.
        case silence
        /// Nothing, with the connection closed.
        case hangUp
    }

    let port: Int
    private let listener: Int32
    private let answer: @Sendable (Request, Int) -> Answer
    private let state = Mutex<(requests: [Request], open: [Int32])>(([], []))

    /// - Parameter answer: by the request, and how many came before it. Runs on a thread of its own, and may wait.
    private init(_ answer: @escaping @Sendable (Request, Int) -> Answer) throws {
        self.answer = answer
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let listener = listener
        let isBound = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, length) == 0 && listen(listener, 64) == 0 && getsockname(listener, $0, &length) == 0
            }
        }
        guard isBound else { throw POSIXError(.EADDRINUSE) }
        port = Int(in_port_t(bigEndian: address.sin_port))
    }

    /// Serves for the length of `body`.
    static func run<Result>(
        isolation: isolated (any Actor)? = #isolation,
        _ answer: @escaping @Sendable (Request, Int) -> Answer = { _, _ in .status(204) },
        _ body: (LoopbackReceiver) async throws -> Result
    ) async throws -> Result {
        let receiver = try LoopbackReceiver(answer)
        Thread.detachNewThread { receiver.accept() }
        defer { receiver.stop() }
        return try await body(receiver)
    }

    func url(_ path: String = "/commands") -> String { "http://127.0.0.1:\(port)\(path)" }

    /// All that came so far.
    var requests: [Request] { state.withLock { $0.requests } }

    private func stop() {
        _ = shutdown(listener, Int32(SHUT_RDWR))
        close(listener)
        for connection in state.withLock({ $0.open }) { _ = shutdown(connection, Int32(SHUT_RDWR)) }
    }

    private func accept() {
        while true {
            let connection = Glibc.accept(listener, nil, nil)
            guard connection >= 0 else { return }
            state.withLock { $0.open.append(connection) }
            Thread.detachNewThread { self.serve(connection) }
        }
    }

    private func serve(_ connection: Int32) {
        defer {
            // Out of the list before its number may stand for another.
            state.withLock { state in state.open.removeAll { $0 == connection } }
            close(connection)
        }
        guard let request = Self.read(connection) else { return }
        let before = state.withLock { state in
            state.requests.append(request)
            return state.requests.count - 1
        }
        switch answer(request, before) {
        case .status(let status, let headers, let body):
            let lines = headers.map { "\($0.0): \($0.1)\r\n" }.joined()
            let head = "HTTP/1.1 \(status) Said\r\nConnection: close\r\nContent-Length: \(body.utf8.count)\r\n"
            let bytes = Array("\(head)\(lines)\r\n\(body)".utf8)
            _ = send(connection, bytes, bytes.count, Int32(MSG_NOSIGNAL))
        case .silence:
            var byte: UInt8 = 0
            while recv(connection, &byte, 1, 0) > 0 {}
        case .hangUp:
            break
        }
    }

    private static func read(_ connection: Int32) -> Request? {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        var head: (text: String, end: Int)?
        while true {
            if head == nil, let end = bytes.firstRange(of: Array("\r\n\r\n".utf8)) {
                head = (String(decoding: bytes[..<end.lowerBound], as: UTF8.self), end.upperBound)
            }
            if let head, let request = parse(head.text, bytes[head.end...]) { return request }
            let count = recv(connection, &buffer, buffer.count, 0)
            guard count > 0 else { return nil }
            bytes += buffer[..<count]
        }
    }

    /// Nil while some of the body is still to come.
    private static func parse(_ head: String, _ rest: ArraySlice<UInt8>) -> Request? {
        let lines = head.components(separatedBy: "\r\n")
        let words = lines[0].split(separator: " ")
        let headers = lines.dropFirst().compactMap { line in
            line.firstIndex(of: ":").map { colon in
                (
                    name: String(line[..<colon]),
                    value: line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
                )
            }
        }
        let length = headers.first { $0.name.lowercased() == "content-length" }.flatMap { Int($0.value) } ?? 0
        guard words.count == 3, rest.count >= length else { return nil }
        return Request(
            method: String(words[0]),
            path: String(words[1]),
            headers: headers,
            body: Array(rest.prefix(length))
        )
    }
}
