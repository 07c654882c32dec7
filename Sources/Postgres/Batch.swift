public import FoundationEssentials

/// Statements that travel to the server together, up to one Sync.
struct Batch: Sendable {
    enum Item: Sendable {
        case statement(SQL)
        /// Sent unprepared: each text is used once (`SET LOCAL` takes no parameters, so its text carries the value).
        case unprepared(String)
    }

    var items: [Item] = []
    /// Whether this batch commits something, so that a lost answer means an unknown outcome.
    var commits: Bool

    static let begin = SQL(unsafe: "BEGIN")
    static let commit = SQL(unsafe: "COMMIT")
}

/// A setting that holds until the end of the transaction (`SET LOCAL`), such as the tenant that row level security
/// compares with.
///
/// `SET LOCAL` and not `set_config`: Citus passes only the former on to the nodes that hold the shards.
public struct LocalSetting: Sendable {
    let statement: String

    public init(_ name: StaticString, _ value: UUID) {
        statement = "SET LOCAL \(name) = '\(value.text)'"
    }

    public init(_ name: StaticString, milliseconds: Int) {
        statement = "SET LOCAL \(name) = '\(milliseconds)ms'"
    }
}

extension UUID {
    /// As `uuidString` in lower case. That one calls `snprintf`, and this is made for every transaction.
    fileprivate var text: String {
        withUnsafeBytes(of: uuid) { bytes in
            String(unsafeUninitializedCapacity: 36) { text in
                var length = 0
                func append(_ byte: UInt8) {
                    text.initializeElement(at: length, to: byte)
                    length += 1
                }
                func append(digit: UInt8) { append(digit < 10 ? 0x30 + digit : 0x57 + digit) }
                for index in bytes.indices {
                    if [4, 6, 8, 10].contains(index) { append(0x2D) }
                    append(digit: bytes[index] >> 4)
                    append(digit: bytes[index] & 0xF)
                }
                return length
            }
        }
    }
}
