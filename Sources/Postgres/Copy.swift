import CLibpq
import Glibc

/// Rows for COPY, in PostgreSQL's binary COPY format.
public struct CopyRows: Sendable {
    /// Signature, no flags, no header extension.
    private(set) var bytes: [UInt8] = Array("PGCOPY\n".utf8) + [0xFF, 0x0D, 0x0A, 0] + Array(repeating: 0, count: 8)
    public private(set) var count = 0

    public init() {}

    /// One row; the values in the order and of the types of the staging table's columns.
    public mutating func append<each Value: PostgresEncodable>(_ values: repeat each Value) {
        var fields: Int16 = 0
        for _ in repeat (each Value).self { fields += 1 }
        bytes.append(bigEndian: fields)
        repeat append(field: each values)
        count += 1
    }

    private mutating func append(field value: some PostgresEncodable) {
        guard !value.isNull else { return bytes.append(bigEndian: Int32(-1)) }
        let lengthAt = bytes.count
        bytes.append(bigEndian: Int32(0))
        value.encode(into: &bytes)
        bytes.set(length: bytes.count - lengthAt - 4, at: lengthAt)
    }
}

extension Pool {
    /// Many rows in one transaction: COPY into a staging table of this transaction, then `statements`, which move
    /// them on (`INSERT INTO orders … SELECT … FROM staging`).
    ///
    /// Through a staging table, because the server refuses COPY on a table with row level security. It is temporary
    /// and dropped at COMMIT, so it works behind PgBouncer in transaction mode too.
    ///
    /// - Parameter columns: the staging table's columns, as in CREATE TABLE; never text that a user had a part in.
    /// - Returns: the answers to `statements`.
    public func copy(
        _ settings: [LocalSetting] = [],
        _ rows: CopyRows,
        intoStaging table: StaticString,
        columns: StaticString,
        deadline: Duration? = nil,
        then statements: SQL...,
        file: String = #fileID,
        line: UInt = #line
    ) async throws(PostgresError) -> [Rows] {
        let callSite = CallSite(file: file, line: line)
        let deadline = Deadline(in: deadline ?? self.settings.defaultDeadline)
        let commands =
            ["BEGIN"] + settings.map(\.statement) + ["CREATE TEMPORARY TABLE \(table) (\(columns)) ON COMMIT DROP"]
        let batch = Batch(items: (statements + [Batch.commit]).map { .statement($0) }, commits: true)
        let connection = try await checkOut(callSite, deadline)
        do throws(PostgresError) {
            let answers = try await connection.interruptibly { connection throws(PostgresError) in
                try connection.copy(rows, after: commands, into: "\(table)", deadline: deadline)
                return try connection.run(batch, Connection.Wait(deadline))
            }
            checkIn(connection)
            return Array(answers.dropLast())
        } catch {
            await connection.rollBack()
            checkIn(connection)
            throw error.at(callSite)
        }
    }
}

extension Connection {
    /// Opens a transaction with `commands` and fills `table`.
    fileprivate func copy(
        _ rows: CopyRows,
        after commands: [String],
        into table: String,
        deadline: Deadline
    ) throws(PostgresError) {
        try outsidePipeline(deadline) { wait throws(PostgresError) in
            for command in commands { try execute(command, &wait) }
            try begin("COPY \(table) FROM STDIN (FORMAT binary)", &wait)
            try expectCopy(&wait)
            try put(rows.bytes, &wait)
            // The trailer: a field count of -1.
            try put([0xFF, 0xFF], &wait)
            try endCopy(&wait)
        }
    }

    private func expectCopy(_ wait: inout Wait) throws(PostgresError) {
        guard let result = try nextPlain(&wait) else { throw PostgresError(.connectionLost, message: lastMessage()) }
        defer { PQclear(result) }
        guard PQresultStatus(result) == PGRES_COPY_IN else { throw PostgresError(result: result) }
    }

    private func put(_ bytes: [UInt8], _ wait: inout Wait) throws(PostgresError) {
        let pq = try handle()
        let chunk = 1 << 16
        for start in stride(from: 0, to: bytes.count, by: chunk) {
            let sent = bytes[start..<min(start + chunk, bytes.count)].withUnsafeBytes { slice in
                PQputCopyData(pq, slice.bindMemory(to: CChar.self).baseAddress, Int32(slice.count))
            }
            try check(sent)
            try flush(&wait)
        }
    }

    private func endCopy(_ wait: inout Wait) throws(PostgresError) {
        let pq = try handle()
        while PQputCopyEnd(pq, nil) == 0 { try flush(&wait) }
        try flush(&wait)
        while let result = try nextPlain(&wait) {
            defer { PQclear(result) }
            guard PQresultStatus(result) == PGRES_COMMAND_OK else { throw PostgresError(result: result) }
        }
    }
}
