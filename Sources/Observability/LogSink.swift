import Glibc
import Synchronization

/// Where log lines go. Copies lead to the same place.
public struct LogSink: Sendable {
    private let write: @Sendable (String) -> Void

    /// - Parameter write: takes whole lines, without their line feed, from any thread.
    public init(_ write: @escaping @Sendable (_ line: String) -> Void) {
        self.write = write
    }

    /// The process's standard error, one `write(2)` per line.
    public static let standardError = LogSink.descriptor(STDERR_FILENO)

    /// An open file descriptor, which the sink does not close. A line that cannot be written is lost, not waited for:
    /// logging must never take the program down.
    public static func descriptor(_ descriptor: Int32) -> LogSink {
        // Longer than PIPE_BUF a write to a pipe may be cut in pieces, and only a lock keeps the pieces together.
        let whole = WholeLines(descriptor: descriptor)
        return LogSink { whole.write($0) }
    }

    func callAsFunction(_ line: String) { write(line) }

    private final class WholeLines: Sendable {
        private let descriptor: Mutex<Int32>

        init(descriptor: Int32) {
            self.descriptor = Mutex(descriptor)
        }

        func write(_ line: String) {
            var bytes = Array(line.utf8)
            bytes.append(UInt8(ascii: "\n"))
            descriptor.withLock { descriptor in
                bytes.withUnsafeBytes { bytes in
                    var rest = bytes[...]
                    while !rest.isEmpty {
                        let start = UnsafeRawBufferPointer(rebasing: rest).baseAddress
                        let written = Glibc.write(descriptor, start, rest.count)
                        if written > 0 {
                            rest = rest.dropFirst(written)
                        } else if written == 0 || errno != EINTR {
                            return
                        }
                    }
                }
            }
        }
    }
}
