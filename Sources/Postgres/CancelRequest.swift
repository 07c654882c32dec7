import CLibpq
import Synchronization

/// A request, on a connection of its own, that the server cancel what a session runs.
///
/// `PQcancel` (libpq up to 16) blocks until the server closes that connection, which a stopped server never does. So
/// it runs on a thread of its own; past a bound no further request is made, since the caller closes its session anyway.
enum CancelRequest {
    private static let limit = 16
    private static let running = Atomic<Int>(0)

    /// Unchecked: libpq documents a PGcancel as read-only and safe to use from any one thread.
    private struct Handle: @unchecked Sendable {
        let cancel: OpaquePointer
    }

    static func send(for pq: OpaquePointer) {
        guard running.wrappingAdd(1, ordering: .relaxed).newValue <= limit, let cancel = PQgetCancel(pq) else {
            running.wrappingSubtract(1, ordering: .relaxed)
            return
        }
        let handle = Handle(cancel: cancel)
        Thread.start {
            var message = [CChar](repeating: 0, count: 256)
            PQcancel(handle.cancel, &message, 256)
            PQfreeCancel(handle.cancel)
            running.wrappingSubtract(1, ordering: .relaxed)
        }
    }
}
