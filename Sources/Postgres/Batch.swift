public import FoundationEssentials

/// Statements that travel to the server together, up to one Sync.
struct Batch: Sendable {
    enum Item: Sendable {
        case statement(SQL)
        /// Sent unprepared: each text is used once (`SET LOCAL` takes no parameters, so its text carries the value).
        case unprepared(String)
    }

    var items: [Item]
    /// Whether this batch commits something, so that a lost answer means an unknown outcome.
    var commits: Bool
    /// How many statements come before and after those whose answers the caller wants.
    private var frame = (before: 0, after: 0)

    init(items: [Item], commits: Bool) {
        self.items = items
        self.commits = commits
    }

    /// A whole transaction: BEGIN, the settings, every statement, COMMIT.
    init(transaction statements: [SQL], _ settings: [LocalSetting]) {
        items = []
        items.reserveCapacity(statements.count + settings.count + 2)
        items.append(.statement(Self.begin))
        for setting in settings { items.append(.unprepared(setting.statement)) }
        for statement in statements { items.append(.statement(statement)) }
        items.append(.statement(Self.commit))
        commits = true
        frame = (1 + settings.count, 1)
    }

    /// A transaction that may change no table, so that it can be run again whatever became of it.
    init(lookUp statements: [SQL], _ settings: [LocalSetting]) {
        self.init(transaction: statements, settings)
        items[0] = .statement(Self.beginReading)
        commits = false
    }

    /// What the caller wants of the answers. The others end where they were made: memory that another thread frees is
    /// dearer.
    func wanted(of answers: [Rows]) -> [Rows] { Array(answers[frame.before..<(answers.count - frame.after)]) }

    static let begin = SQL(unsafe: "BEGIN")
    static let beginReading = SQL(unsafe: "BEGIN READ ONLY")
    static let commit = SQL(unsafe: "COMMIT")
}

/// A setting that holds until the end of the transaction (`SET LOCAL`), such as the tenant that row level security
/// compares with.
///
/// `SET LOCAL` and not `set_config`: Citus passes only the former on to the nodes that hold the shards.
public struct LocalSetting: Sendable {
    let statement: String

    public init(_ name: StaticString, _ value: UUID) {
        statement = name.withUTF8Buffer { name in
            // In one piece: this is made for every transaction.
            String(unsafeUninitializedCapacity: name.count + 51) { text in
                var end = text.initialize(fromContentsOf: "SET LOCAL ".utf8)
                end = text[end...].initialize(fromContentsOf: name)
                end = text[end...].initialize(fromContentsOf: " = '".utf8)
                value.forEachCharacter { character in
                    text.initializeElement(at: end, to: character)
                    end += 1
                }
                return text[end...].initialize(fromContentsOf: "'".utf8)
            }
        }
    }

    public init(_ name: StaticString, milliseconds: Int) {
        statement = "SET LOCAL \(name) = '\(milliseconds)ms'"
    }
}

extension UUID {
    private static let digits = Array("0123456789abcdef".utf8)

    /// Those of `uuidString`, in lower case. That one calls `snprintf`.
    @inline(__always)
    fileprivate func forEachCharacter(_ body: (UInt8) -> Void) {
        withUnsafeBytes(of: uuid) { bytes in
            for index in 0..<16 {
                if index == 4 || index == 6 || index == 8 || index == 10 { body(UInt8(ascii: "-")) }
                body(Self.digits[Int(bytes[index] >> 4)])
                body(Self.digits[Int(bytes[index] & 0xF)])
            }
        }
    }
}
