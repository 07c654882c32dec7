import FoundationEssentials
import JSON
import Time

/// Long work that was asked for over the API, and how far it is.
struct Operation: Sendable {
    enum Kind: String, CaseIterable, Sendable {
        case advanceTestClock = "advance_test_clock"
        case importOrders = "import_orders"
        case replayEvents = "replay_events"
    }

    enum State: String, CaseIterable, Sendable { case running, succeeded, failed }

    let id: OperationID
    let store: StoreID
    let kind: Kind
    var state: State
    /// The instant the clock is advanced to, and how much has fallen due on the way; how many lines were read, or how many
    /// events are read again.
    let target: Instant?
    var progress: Int
    var error: String?
    let createdAt: Instant
    var finishedAt: Instant?
}

extension Operation: JSONWritable {
    func write(to writer: inout JSONWriter) { writer.object { write(to: &$0) } }

    func write(to object: inout JSONObjectWriter) {
        object.member("id", id)
        object.member("store_id", store)
        object.member("kind", kind.rawValue)
        object.member("state", state.rawValue)
        object.member("target_at", target)
        object.member("progress", progress)
        object.member("error", error)
        object.member("created_at", createdAt)
        object.member("finished_at", finishedAt)
    }
}
