/// Why a call to the database failed.
///
/// `description` says nothing a stranger could use, so that it may end up anywhere; the statement, the server's words
/// and the call site are in `debugDescription`, for logs.
public struct PostgresError: Error, Sendable {
    public enum Kind: Hashable, Sendable {
        /// The server refused a statement; the transaction was rolled back.
        case server(SQLState)
        /// No connection could be made.
        case connectFailed
        /// The connection broke. Nothing was committed by this call.
        case connectionLost
        /// The caller's deadline passed. Nothing was committed by this call.
        case deadlineExceeded
        /// The caller's task was cancelled. Nothing was committed by this call.
        case cancelled
        /// The COMMIT was sent and its answer never came: it may or may not have happened.
        case outcomeUnknown
        /// COMMIT was answered with ROLLBACK, because an earlier statement had failed.
        case rolledBack
        /// No connection became free before the lease's deadline.
        case poolExhausted
        /// The pool or the connection was shut down.
        case closed
        /// A field is not of the type asked for: a mistake in the program.
        case decoding
    }

    public let kind: Kind
    /// The constraint a statement broke. A suffix that Citus adds for a shard (`_102018`) is removed.
    public internal(set) var constraint: String?
    public internal(set) var table: String?
    /// The server's or libpq's words.
    public internal(set) var message: String
    /// The server's DETAIL, which may quote values of rows: for a developer's eyes only.
    public internal(set) var detail: String?
    public internal(set) var statement: String?
    public internal(set) var callSite: CallSite?

    public struct CallSite: Hashable, Sendable {
        public let file: String
        public let line: UInt
    }

    init(_ kind: Kind, message: String) {
        self.kind = kind
        self.message = message
    }

    static func decoding(_ message: String) -> PostgresError { PostgresError(.decoding, message: message) }

    public var sqlState: SQLState? {
        if case .server(let state) = kind { state } else { nil }
    }

    /// True where the same transaction may simply be run again: it was not committed, and the cause is passing.
    public var isRetryable: Bool {
        switch kind {
        case .connectFailed, .connectionLost, .poolExhausted: true
        case .server(let state): state.isTransient
        case .deadlineExceeded, .cancelled, .outcomeUnknown, .rolledBack, .closed, .decoding: false
        }
    }

    func at(_ callSite: CallSite) -> PostgresError {
        var error = self
        error.callSite = error.callSite ?? callSite
        return error
    }
}

extension PostgresError: CustomStringConvertible, CustomDebugStringConvertible {
    public var description: String { "database error" }

    public var debugDescription: String {
        var text = "PostgresError(\(kind)): \(message)"
        if let constraint { text += " [constraint \(constraint)]" }
        if let detail { text += " [detail: \(detail)]" }
        if let statement { text += " [statement: \(statement)]" }
        if let callSite { text += " [at \(callSite.file):\(callSite.line)]" }
        return text
    }
}

/// A five-character code of PostgreSQL's appendix A.
public struct SQLState: RawRepresentable, Hashable, Sendable {
    public let rawValue: String

    public init(rawValue: String) {
        self.rawValue = rawValue
    }

    public static let uniqueViolation = SQLState(rawValue: "23505")
    public static let checkViolation = SQLState(rawValue: "23514")
    public static let insufficientPrivilege = SQLState(rawValue: "42501")
    public static let untranslatableCharacter = SQLState(rawValue: "22P05")
    public static let lockNotAvailable = SQLState(rawValue: "55P03")
    public static let serializationFailure = SQLState(rawValue: "40001")
    public static let deadlockDetected = SQLState(rawValue: "40P01")
    public static let queryCanceled = SQLState(rawValue: "57014")
    public static let adminShutdown = SQLState(rawValue: "57P01")
    public static let crashShutdown = SQLState(rawValue: "57P02")
    public static let cannotConnectNow = SQLState(rawValue: "57P03")
    public static let readOnlyTransaction = SQLState(rawValue: "25006")
    public static let featureNotSupported = SQLState(rawValue: "0A000")
    public static let invalidStatementName = SQLState(rawValue: "26000")
    public static let duplicatePreparedStatement = SQLState(rawValue: "42P05")

    /// The server, not the statement, is the cause, or a conflict that a second try resolves.
    var isTransient: Bool {
        switch self {
        case .serializationFailure, .deadlockDetected, .lockNotAvailable, .readOnlyTransaction: true
        default: endsSession || spoilsPreparedStatements || rawValue.hasPrefix("53") || rawValue.hasPrefix("08")
        }
    }

    /// The server closes the session with this error.
    var endsSession: Bool { self == .adminShutdown || self == .crashShutdown || self == .cannotConnectNow }

    /// The session's prepared statements no longer fit the server's: only a new session helps.
    var spoilsPreparedStatements: Bool {
        self == .featureNotSupported || self == .invalidStatementName || self == .duplicatePreparedStatement
    }
}
