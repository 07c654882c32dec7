public import FoundationEssentials
public import Time

/// One row of `jobs`, claimed by this worker.
///
/// Carries ids only: what the job needs to know it reads when it runs.
public struct Job: Hashable, Sendable {
    public let tenant: UUID
    public let id: UUID
    public let store: UUID?
    public let kind: String
    /// What the job is about; its kind tells whether that is an order, a message, an inbound event, …
    public let subject: UUID
    /// 1 at the first try.
    public let attempt: Int
    /// How often in a row it was taken over from a worker that died.
    let rescues: Int
    /// Grows with every claim. A worker whose lease was taken over holds an old one, and can change nothing.
    public let lease: Int64
    let runAt: Instant
}

/// How a job ended that did not throw.
public enum JobOutcome: Hashable, Sendable {
    /// The handler's own transaction deleted the job together with its effect (`JobStore.finish`).
    case finished
    /// Nothing had to happen, or what happened is safe to repeat: the worker deletes the job, many at a time.
    case done
    /// Not yet: run again at this instant, without counting it as a failure.
    case again(at: Instant)
}

/// What runs the jobs of one kind.
public struct JobHandler: Sendable {
    public let kind: String
    /// Tries before the job is set aside as `failed`, for a person to look at.
    public let maximumAttempts: Int
    /// Times in a row its worker may die under a job before that is set aside as well: a job that takes its worker down
    /// must not do so for ever.
    public let maximumRescues: Int
    let run: @Sendable (Job) async throws -> JobOutcome

    /// - Parameter run: throws to be tried again later. It is also run again when the worker dies half-way, so its
    ///   effects have to be in one transaction with `JobStore.finish`, or carry keys of their own.
    public init(
        _ kind: String,
        maximumAttempts: Int = 12,
        maximumRescues: Int = 12,
        run: @escaping @Sendable (Job) async throws -> JobOutcome
    ) {
        self.kind = kind
        self.maximumAttempts = maximumAttempts
        self.maximumRescues = maximumRescues
        self.run = run
    }
}

/// Thrown inside a job's transaction whose lease was taken over: roll back, somebody else does the work.
public struct StaleLease: Error {
    public init() {}
}

/// Says how long to wait before try number `attempt` + 1: 1 s, 4 s, 16 s, … up to an hour, ± 20 % so that jobs that
/// failed together do not come back together.
public enum Retry {
    public static func delay(
        after attempt: Int,
        using generator: inout some RandomNumberGenerator
    ) -> Duration {
        let seconds = min(3600, pow4(max(attempt, 1) - 1))
        return .milliseconds(Int64.random(in: seconds * 800...seconds * 1200, using: &generator))
    }

    private static func pow4(_ exponent: Int) -> Int64 { exponent > 5 ? 4096 : 1 << (2 * Int64(exponent)) }
}
