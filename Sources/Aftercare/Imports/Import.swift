import FoundationEssentials
import JSON
import Time

/// A file of orders that is taken in as history, and how far that is.
struct Import: Sendable {
    enum State: String, CaseIterable, Sendable { case uploading, running, succeeded, failed }

    /// What has become of lines.
    struct Tally: Hashable, Sendable {
        var created = 0
        var updated = 0
        var unchanged = 0
        var stale = 0
        var rejected = 0

        var linesRead: Int { created + updated + unchanged + stale + rejected }

        mutating func count(_ outcome: PutOrder.Outcome) {
            switch outcome {
            case .created: created += 1
            case .updated: updated += 1
            case .unchanged: unchanged += 1
            case .stale: stale += 1
            }
        }
    }

    /// A line that was rejected, and why.
    struct LineError: Hashable, Sendable {
        let line: Int
        let rejection: PutOrderEntry.Rejection
    }

    /// What one file may have. A larger one is sent in parts, each an import of its own, in any order.
    static let maximumBytes = 64 << 20
    /// Rejected lines that are kept to be read, and faults of one of them. All are counted.
    static let keptErrors = 10_000
    static let keptFaults = 10

    let id: ImportID
    let store: StoreID
    var state: State
    var byteCount: Int
    var lineCount: Int
    var tally: Tally
    var error: String?
    let createdAt: Instant
    var finishedAt: Instant?

    /// From the moment that its file is there.
    var operation: OperationID { OperationID(id.uuid) }
}

extension Import {
    func write(to object: inout JSONObjectWriter) {
        object.member("id", id)
        object.member("store_id", store)
        object.member("operation_id", operation)
        object.member("state", state.rawValue)
        object.member("bytes", byteCount)
        object.member("lines", lineCount)
        object.member("lines_read", tally.linesRead)
        object.member("created", tally.created)
        object.member("updated", tally.updated)
        object.member("unchanged", tally.unchanged)
        object.member("stale", tally.stale)
        object.member("rejected", tally.rejected)
        object.member("error", error)
        object.member("created_at", createdAt)
        object.member("finished_at", finishedAt)
    }
}

extension Import.LineError {
    func write(to object: inout JSONObjectWriter) {
        object.member("line", line)
        rejection.write(to: &object)
    }
}

extension PutOrderEntry.Rejection {
    func write(to object: inout JSONObjectWriter) {
        object.member("external_id", externalID)
        writeProblem(to: &object)
    }
}

enum ImportKind: IDKind { static let prefix = "imp" }
typealias ImportID = ID<ImportKind>
