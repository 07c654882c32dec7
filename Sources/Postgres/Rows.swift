import CLibpq
import Glibc
import Synchronization

/// What one statement answered: its rows, if it has any, and the number of rows it touched.
///
/// Owns libpq's result, which is read-only and may be decoded on any thread: rows are decoded in the caller's task,
/// not on the connection's thread.
public struct Rows: Sendable {
    let storage: ResultStorage

    /// The number of rows.
    public var count: Int { storage.rowCount }
    public var isEmpty: Bool { count == 0 }

    /// The number of rows an INSERT, UPDATE, DELETE or SELECT touched.
    public var affected: Int { PQcmdTuples(storage.result).flatMap { Int(String(cString: $0)) } ?? 0 }

    /// The command tag without its counts, such as `INSERT` or `COMMIT`.
    var tag: String { PQcmdStatus(storage.result).map { String(cString: $0) } ?? "" }

    public subscript(index: Int) -> Row {
        precondition(index >= 0 && index < count, "row \(index) of \(count)")
        return Row(storage: storage, index: Int32(index))
    }

    /// The first row, or nil if there is none.
    public var first: Row? { isEmpty ? nil : self[0] }

    /// Every row, mapped.
    @inlinable
    public func map<Element, Failure: Error>(
        _ transform: (Row) throws(Failure) -> Element
    ) throws(Failure) -> [Element] {
        var elements: [Element] = []
        elements.reserveCapacity(count)
        for index in 0..<count { elements.append(try transform(self[index])) }
        return elements
    }

    /// Every row as a tuple, column by column: `rows.decode((UUID, String?).self)`.
    @inlinable
    public func decode<each Column: PostgresDecodable>(
        _: (repeat each Column).Type
    ) throws(PostgresError) -> [(repeat each Column)] {
        try map { row throws(PostgresError) in try row.decode((repeat each Column).self) }
    }
}

/// One row of an answer.
///
/// What is generic here is inlinable, for its callers are in other modules: left generic there, each column costs a
/// look-up of its type's metadata, dearer than the value.
public struct Row: Sendable {
    let storage: ResultStorage
    let index: Int32

    /// The field of the column called `name`, the only one of that name: `let id: UUID = try row("id")`.
    ///
    /// The name is the program's own and is compared as it stands in there, without a copy.
    @inlinable
    public func callAsFunction<Value: PostgresDecodable>(
        _ name: StaticString,
        as _: Value.Type = Value.self
    ) throws(PostgresError) -> Value {
        try Value.decode(try column(name), of: self)
    }

    /// The row's columns in their order as a tuple: `try row.decode((UUID, String?).self)`.
    @inlinable
    public func decode<each Column: PostgresDecodable>(
        _: (repeat each Column).Type
    ) throws(PostgresError) -> (repeat each Column) {
        var column: Int32 = -1
        func next() -> Int32 {
            column += 1
            return column
        }
        return (repeat try (each Column).decode(next(), of: self))
    }

    @usableFromInline
    func column(_ name: StaticString) throws(PostgresError) -> Int32 {
        // PQfnumber would make a copy of the name first, to fold its case.
        let column = name.withUTF8Buffer { name in
            name.withMemoryRebound(to: CChar.self) { storage.column($0.baseAddress) }
        }
        guard let column else { throw .decoding("the answer has no column \"\(name)\"") }
        return column
    }

    /// Nil where the field is NULL.
    @usableFromInline
    func cell(_ column: Int32) throws(PostgresError) -> Cell? {
        guard try !isNull(column) else { return nil }
        let result = storage.result
        let bytes = UnsafeRawBufferPointer(
            start: PQgetvalue(result, index, column),
            count: Int(PQgetlength(result, index, column))
        )
        return Cell(bytes: bytes, type: PQftype(result, column))
    }

    @usableFromInline
    func isNull(_ column: Int32) throws(PostgresError) -> Bool {
        guard column < PQnfields(storage.result) else { throw .decoding("the answer has only \(column) columns") }
        return PQgetisnull(storage.result, index, column) == 1
    }

    @usableFromInline
    func mismatch(_ column: Int32, _ type: any Any.Type) -> PostgresError {
        let result = storage.result
        let name = PQfname(result, column).map { String(cString: $0) } ?? "?"
        let isNull = PQgetisnull(result, index, column) == 1
        return .decoding(
            "column \"\(name)\" (type \(PQftype(result, column))\(isNull ? ", NULL" : "")) is not a \(type)"
        )
    }
}

/// A libpq result and its end of life. Unchecked: libpq documents results as read-only and safe on any thread.
final class ResultStorage: @unchecked Sendable {
    let result: OpaquePointer
    let rowCount: Int
    /// The one after the column that was read last: columns are mostly read in their order.
    private let nextColumn = Atomic<Int32>(0)

    init(_ result: OpaquePointer) {
        self.result = result
        self.rowCount = Int(PQntuples(result))
    }

    var isCopy: Bool {
        let status = PQresultStatus(result)
        return status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH
    }

    /// - Parameter name: ends with a zero.
    func column(_ name: UnsafePointer<CChar>?) -> Int32? {
        let (count, start) = (PQnfields(result), nextColumn.load(ordering: .relaxed))
        func isNamed(_ column: Int32) -> Bool {
            guard let name, let other = PQfname(result, column) else { return false }
            return strcmp(name, other) == 0
        }
        guard let column = (start..<count).first(where: isNamed) ?? (0..<min(start, count)).first(where: isNamed) else {
            return nil
        }
        assert((0..<count).count(where: isNamed) == 1, "the answer has two columns of that name")
        nextColumn.store(column + 1, ordering: .relaxed)
        return column
    }

    deinit { PQclear(result) }
}
