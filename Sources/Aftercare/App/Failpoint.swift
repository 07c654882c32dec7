import Glibc
import Synchronization

/// Kills the process at a chosen point, as SIGKILL, the kernel's memory killer or a power cut would: what the tests of
/// crashes turn on. Nothing is cleaned up, flushed or said.
///
/// Off unless `AFTERCARE_FAILPOINT` is set; then it costs one comparison at each point.
final class Failpoint: Sendable {
    /// The points, in the order a mail passes them. Before a commit nothing of the transaction holds; after it, all of
    /// it does, and the program never learnt so.
    enum Point: String, CaseIterable, Sendable {
        /// A webhook and its job are stored, the shop has no answer yet.
        case webhookStored = "webhook_stored"
        case applyBeforeCommit = "apply_before_commit"
        case applyAfterCommit = "apply_after_commit"
        /// A workflow has decided: because of a fact, or because its time has come.
        case decideBeforeCommit = "decide_before_commit"
        case decideAfterCommit = "decide_after_commit"
        /// The job is leased, the message still queued.
        case mailBeforeMark = "mail_before_mark"
        /// Marked as sending, and not a byte is sent.
        case mailMarked = "mail_marked"
        /// The mail server has answered, and the answer is written nowhere.
        case mailAnswered = "mail_answered"
        case mailRecorded = "mail_recorded"
        /// Marked as sending, and the shop was not told.
        case commandMarked = "command_marked"
        /// The shop has answered, and the answer is written nowhere.
        case commandAnswered = "command_answered"
        /// A piece of an import has been put.
        case importBeforeCommit = "import_before_commit"
        case importAfterCommit = "import_after_commit"
        /// A page of a shop's orders has been stored.
        case pullBeforeCommit = "pull_before_commit"
        case pullAfterCommit = "pull_after_commit"
    }

    /// `mail_marked:3`: the third time anything passes that point.
    struct Setting: Hashable, Sendable {
        let point: Point
        let count: Int

        init?(_ text: String) {
            let parts = text.split(separator: ":", omittingEmptySubsequences: false)
            guard parts.count == 2, let point = Point(rawValue: String(parts[0])), let count = Int(parts[1]), count > 0
            else { return nil }
            self.point = point
            self.count = count
        }
    }

    private let point: Point?
    private let left: Atomic<Int>

    init(_ setting: Setting?) {
        point = setting?.point
        left = Atomic(setting?.count ?? 0)
    }

    func pass(_ here: Point) {
        guard here == point, left.wrappingSubtract(1, ordering: .relaxed).newValue == 0 else { return }
        kill(getpid(), SIGKILL)
    }
}
