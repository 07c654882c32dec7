import HummingbirdCore
import NIOCore

/// A body that is taken piece by piece, and never held as a whole: the client is read from no faster than its pieces
/// are dealt with.
struct BodyStream: Sendable {
    let body: RequestBody
    /// As its head says, if it does.
    let length: Int?
    let maximum: Int
    let timeout: Duration

    /// Gives each piece to `take`, together with what it made of those before; the result of the last one.
    ///
    /// All of it, within its size and its time, or an error: a body that breaks off is none.
    func reduce<Result: Sendable>(
        into initial: Result,
        _ take: @escaping @Sendable (inout Result, [UInt8]) async throws -> Void
    ) async throws -> Result {
        guard length ?? 0 <= maximum else { throw tooLarge }
        return try await withThrowingTaskGroup(of: Result.self) { group in
            group.addTask {
                var (result, count) = (initial, 0)
                var pieces = body.makeAsyncIterator()
                while let piece = try await Self.next(&pieces) {
                    count += piece.readableBytes
                    guard count <= maximum else { throw tooLarge }
                    try await take(&result, Array(piece.readableBytesView))
                }
                // The sequence ends alike where the client hung up.
                guard length ?? count == count else { throw Problem(.requestTimeout, "The body broke off.") }
                return result
            }
            group.addTask {
                try await Task.sleep(for: timeout)
                throw Problem(.requestTimeout, "It has to arrive within \(timeout.components.seconds) s.")
            }
            defer { group.cancelAll() }
            return try await group.next() ?? initial
        }
    }

    /// What is wrong with the stream itself, such as a part of it that is not marked as HTTP says, is the client's doing.
    private static func next(_ pieces: inout RequestBody.AsyncIterator) async throws -> ByteBuffer? {
        do {
            return try await pieces.next()
        } catch is CancellationError {
            throw CancellationError()
        } catch {
            throw Problem(.requestTimeout, "The body broke off.")
        }
    }

    private var tooLarge: Problem { Problem(.payloadTooLarge, "At most \(maximum) bytes.") }
}
