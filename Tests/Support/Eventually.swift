/// Waits until `condition` holds, looking again and again: what a test does instead of sleeping for "long enough".
///
/// The bound is generous, because it is only reached by a test that fails.
public func eventually(
    within limit: Duration = .seconds(60),
    isolation: isolated (any Actor)? = #isolation,
    file: String = #fileID,
    line: Int = #line,
    _ condition: () async throws -> Bool
) async throws {
    let end = ContinuousClock.now + limit
    while try await !condition() {
        guard ContinuousClock.now < end else {
            throw NeverHappened(description: "not within \(limit): \(file):\(line)")
        }
        try await Task.sleep(for: .milliseconds(5))
    }
}

/// What was waited for did not come.
public struct NeverHappened: Error, CustomStringConvertible {
    public let description: String

    public init(description: String) { self.description = description }
}
