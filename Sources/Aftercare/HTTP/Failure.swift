import Logging
import Postgres

/// What an unexpected error means to the client, in one place. Nothing of the error itself is told.
struct Failure {
    let problem: Problem
    let level: Logger.Level

    /// The problem that answers a request which ended with this error; logs what nobody meant to throw.
    static func problem(for error: any Error, _ logger: @autoclosure () -> Logger) -> Problem {
        if let problem = error as? Problem { return problem }
        let outcome = Failure(error)
        logger().log(level: outcome.level, "a request failed", metadata: ["error": "\(String(reflecting: error))"])
        return outcome.problem
    }

    init(_ error: any Error) {
        guard let error = error as? PostgresError else {
            problem = Problem(.internal, "The request id below leads us to the cause.")
            level = .error
            return
        }
        switch error.kind {
        case .connectFailed, .connectionLost, .poolExhausted, .closed, .deadlineExceeded, .cancelled:
            problem = Problem(.overloaded, "The database did not answer in time. Nothing was changed; try again.")
                .retry(afterSeconds: 1)
            level = .warning
        case .outcomeUnknown:
            problem = Problem(
                .overloaded,
                "It is not known whether the change was made. Repeat with the same Idempotency-Key, or look first."
            ).retry(afterSeconds: 1)
            level = .error
        case .server where error.isRetryable:
            problem = Problem(.overloaded, "The database was busy. Nothing was changed; try again.")
                .retry(afterSeconds: 1)
            level = .warning
        case .server, .rolledBack, .decoding:
            problem = Problem(.internal, "The request id below leads us to the cause.")
            level = .error
        }
    }
}
