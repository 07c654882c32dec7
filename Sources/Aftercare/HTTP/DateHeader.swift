import Glibc
import HTTPTypes
import Synchronization
import Time

/// The Date of an answer, which every server with a clock states (RFC 9110, 6.6.1). Written once a second.
final class DateHeader: Sendable {
    private struct State {
        var second = Int64.min
        var field = HTTPField(name: .date, value: "")
    }

    private let state = Mutex(State())

    /// Now, by this machine's clock.
    var field: HTTPField { field(at: Int64(time(nil))) }

    private func field(at second: Int64) -> HTTPField {
        state.withLock { state in
            if state.second != second {
                let value = "\(Instant(seconds: second).internetMessageDate) GMT"
                state = State(second: second, field: HTTPField(name: .date, value: value))
            }
            return state.field
        }
    }
}
