import Logging
import Postgres

extension Environment {
    /// How long the database may be away before what is on its way outside is given up as unknown.
    static let patience = Duration.seconds(120)

    /// Again and again while the database is away: a restart takes seconds. For what cannot be asked again, such as what
    /// a mail server has answered.
    func patiently<Result>(
        isolation: isolated (any Actor)? = #isolation,
        _ body: () async throws -> Result
    ) async throws -> Result {
        let end = ContinuousClock.now + Self.patience
        var pause = Duration.milliseconds(50)
        while true {
            do {
                return try await body()
            } catch let error as PostgresError
                where error.isPassing && ContinuousClock.now < end && !Task.isCancelled
            {
                logger.warning(
                    "an outcome waits for the database",
                    metadata: ["error": "\(String(reflecting: error))"]
                )
                try await Task.sleep(for: pause)
                pause = min(pause * 2, .milliseconds(200))
            }
        }
    }
}

extension PostgresError {
    /// The database was away or did not say what became of it; it may do so at the next try.
    fileprivate var isPassing: Bool {
        switch kind {
        case .outcomeUnknown, .deadlineExceeded: true
        default: isRetryable
        }
    }
}
