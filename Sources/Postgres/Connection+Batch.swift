import CLibpq
import Glibc

extension Connection {
    /// Sends every statement of the batch and a Sync, then reads every answer.
    ///
    /// All or nothing: the first error aborts the statements after it, a COMMIT among them. The session then sits in
    /// a failed transaction if one was opened, which is rolled back here, so that a call leaves the session idle or
    /// in its caller's open transaction, or spoiled.
    func run(_ batch: Batch, _ wait: Wait) throws(PostgresError) -> [Rows] {
        guard !wait.isCancelled else { throw PostgresError(.cancelled, message: "cancelled before it began") }
        defer { noteReusability() }
        var wait = wait
        var answers = Answers()
        do throws(PostgresError) {
            let expected = try send([batch], &wait)[0]
            try receive(expected, of: batch, into: &answers, &wait)
        } catch {
            spoil()
            return try settle(batch, answers.rows, answers.failure, lost: error)
        }
        if let failure = answers.failure {
            try recover(from: failure)
            if isCommitInDoubt(batch, answers.rows, failure) { throw outcomeUnknown(failure) }
            throw wait.interruption.map { PostgresError($0, message: failure.message) } ?? failure
        }
        if batch.commits, answers.rows.last?.tag == "ROLLBACK" {
            throw PostgresError(.rolledBack, message: "COMMIT was answered with ROLLBACK")
        }
        return answers.rows
    }

    /// What has come back of a batch: the answers up to the first error, and that.
    struct Answers {
        var rows: [Rows] = []
        var failure: PostgresError?
    }

    /// Reads the answers of one batch, up to that of its Sync. Throws where the connection breaks.
    func receive(
        _ expected: [Answer],
        of batch: Batch,
        into answers: inout Answers,
        _ wait: inout Wait
    ) throws(PostgresError) {
        answers.rows.reserveCapacity(batch.items.count)
        for answer in expected {
            let result = try nextResult(&wait)
            if result.isCopy {
                // libpq would repeat this result for ever, and the server waits for data that never comes.
                answers.failure = PostgresError(.server(.featureNotSupported), message: "COPY is only for Pool.copy")
                throw lost()
            }
            try endOfStatement(&wait)
            switch PQresultStatus(result.result) {
            case PGRES_COMMAND_OK, PGRES_TUPLES_OK, PGRES_EMPTY_QUERY:
                switch answer {
                case .prepare(let text, let statement): prepared[StatementText(text: text)] = statement
                case .rows: answers.rows.append(Rows(storage: result))
                }
            case PGRES_PIPELINE_ABORTED:
                break
            default:
                let error = serverError(result.result, answer, of: batch, at: answers.rows.count)
                answers.failure = answers.failure ?? error
            }
        }
        // What an implicit transaction's end brings up (a deferred constraint) comes before the Sync's own answer.
        var result = try nextResult(&wait)
        while PQresultStatus(result.result) != PGRES_PIPELINE_SYNC {
            let error = serverError(result.result, .rows, of: batch, at: batch.items.count)
            answers.failure = answers.failure ?? error
            try endOfStatement(&wait)
            result = try nextResult(&wait)
        }
    }

    /// How a batch ended whose connection broke before its last answer came.
    private func settle(
        _ batch: Batch,
        _ answers: [Rows],
        _ failure: PostgresError?,
        lost error: PostgresError
    ) throws(PostgresError) -> [Rows] {
        // COMMIT was answered: it happened, whatever became of the connection afterwards.
        if answers.count == batch.items.count, answers.last?.tag == "COMMIT" { return answers }
        // An earlier statement failed: the server skips COMMIT, so nothing happened.
        if let failure, !isCommitInDoubt(batch, answers, failure) { throw failure }
        throw batch.commits ? outcomeUnknown(error) : error
    }

    /// A session that ends while it answers COMMIT may have committed already.
    private func isCommitInDoubt(_ batch: Batch, _ answers: [Rows], _ failure: PostgresError) -> Bool {
        batch.commits && answers.count >= batch.items.count - 1 && failure.sqlState?.endsSession == true
    }

    func outcomeUnknown(_ error: PostgresError) -> PostgresError {
        PostgresError(
            .outcomeUnknown,
            message: "the answer to what commits never came (\(error.kind)): \(error.message)"
        )
    }

    /// Brings the session back to idle after a failed statement.
    func recover(from failure: PostgresError) throws(PostgresError) {
        if let state = failure.sqlState, state.endsSession || state.spoilsPreparedStatements { spoil() }
        guard let pq, !isSpoiled, PQtransactionStatus(pq) == PQTRANS_INERROR else { return }
        do throws(PostgresError) {
            // Short and bounded: if even this stalls, the session is thrown away and the server rolls back.
            _ = try run(Batch(items: [.unprepared("ROLLBACK")], commits: false), Wait(Deadline(in: .seconds(1))))
        } catch {
            spoil()
        }
    }

    // MARK: Sending

    /// What the server will answer, in order.
    enum Answer {
        case prepare(text: String, PreparedStatement)
        case rows
    }

    /// More statements than this are sent unprepared: a text made anew for every call would fill the server's memory.
    private static let maximumPrepared = 512

    /// Sends the batches, each with a Sync of its own, and returns what the server will answer to each.
    func send(_ batches: [Batch], _ wait: inout Wait) throws(PostgresError) -> [[Answer]] {
        var new: [StatementText: PreparedStatement] = [:]
        var expected: [[Answer]] = []
        expected.reserveCapacity(batches.count)
        for batch in batches { expected.append(try send(batch, preparing: &new)) }
        try flush(&wait)
        return expected
    }

    /// - Parameter new: the statements that are prepared on the way, here or in a batch before.
    private func send(
        _ batch: Batch,
        preparing new: inout [StatementText: PreparedStatement]
    ) throws(PostgresError) -> [Answer] {
        let pq = try handle()
        var expected: [Answer] = []
        expected.reserveCapacity(batch.items.count + 2)
        for item in batch.items {
            switch item {
            case .unprepared(let text):
                try check(PQsendQueryParams(pq, text, 0, nil, nil, nil, nil, 1))
            case .statement(let sql):
                let text = StatementText(text: sql.text)
                let known = prepared[text] ?? new[text]
                if let known, known.types == sql.parameters.types {
                    try send(sql, preparedAs: known.name)
                } else if known == nil, settings.preparesStatements,
                    prepared.count + new.count < Self.maximumPrepared
                {
                    let statement = PreparedStatement(
                        name: "s\(prepared.count + new.count + 1)",
                        types: sql.parameters.types
                    )
                    new[text] = statement
                    try check(
                        PQsendPrepare(pq, statement.name, sql.text, Int32(statement.types.count), statement.types)
                    )
                    expected.append(.prepare(text: sql.text, statement))
                    try send(sql, preparedAs: statement.name)
                } else {
                    try send(sql, preparedAs: nil)
                }
            }
            expected.append(.rows)
        }
        try check(PQpipelineSync(pq))
        return expected
    }

    private func send(_ sql: SQL, preparedAs name: String?) throws(PostgresError) {
        let pq = try handle()
        let (text, types) = (sql.text, sql.parameters.types)
        let count = Int32(types.count)
        let sent = sql.parameters.withPointers { values, lengths, formats in
            if let name {
                PQsendQueryPrepared(pq, name, count, values, lengths, formats, 1)
            } else {
                PQsendQueryParams(pq, text, count, types, values, lengths, formats, 1)
            }
        }
        try check(sent)
    }

    func check(_ sent: Int32) throws(PostgresError) {
        guard sent == 1 else {
            spoil()
            throw PostgresError(.connectionLost, message: lastMessage())
        }
    }

    // MARK: Receiving

    /// Writes all that libpq holds back, and reads meanwhile: a server that cannot write its answers stops reading.
    func flush(_ wait: inout Wait) throws(PostgresError) {
        let pq = try handle()
        while true {
            switch PQflush(pq) {
            case 0: return
            case 1:
                try poll(Int16(POLLIN | POLLOUT), &wait)
                try consumeInput()
            default:
                // The server may have said why before it hung up.
                try consumeInput()
                if PQstatus(pq) == CONNECTION_OK { return }
                throw lost()
            }
        }
    }

    private func consumeInput() throws(PostgresError) {
        guard PQconsumeInput(try handle()) == 1 else { throw lost() }
    }

    private func lost() -> PostgresError {
        spoil()
        return PostgresError(.connectionLost, message: lastMessage())
    }

    /// The next result; there must be one.
    private func nextResult(_ wait: inout Wait) throws(PostgresError) -> ResultStorage {
        let pq = try handle()
        while PQisBusy(pq) == 1 {
            try poll(Int16(POLLIN), &wait)
            try consumeInput()
        }
        guard let result = PQgetResult(pq) else { throw lost() }
        let storage = ResultStorage(result)
        // A broken connection is reported as a result of the statement that waits.
        guard PQstatus(pq) == CONNECTION_OK else {
            throw terminated(by: result)
        }
        return storage
    }

    /// The null result that ends each statement's answer.
    private func endOfStatement(_ wait: inout Wait) throws(PostgresError) {
        let pq = try handle()
        while PQisBusy(pq) == 1 {
            try poll(Int16(POLLIN), &wait)
            try consumeInput()
        }
        while let result = PQgetResult(pq) { PQclear(result) }
    }

    private func terminated(by result: OpaquePointer) -> PostgresError {
        let error = PostgresError(result: result)
        spoil()
        return PostgresError(.connectionLost, message: error.message.isEmpty ? lastMessage() : error.message)
    }

    private func serverError(_ result: OpaquePointer, _ answer: Answer, of batch: Batch, at index: Int) -> PostgresError
    {
        var error = PostgresError(result: result)
        switch answer {
        case .prepare(let text, _): error.statement = text
        case .rows:
            guard index < batch.items.count else { break }
            switch batch.items[index] {
            case .statement(let sql): error.statement = sql.text
            case .unprepared(let text): error.statement = text
            }
        }
        return error
    }
}

extension PostgresError {
    /// The error a result carries. Without an SQLSTATE it is libpq's own: the connection broke.
    init(result: OpaquePointer) {
        func field(_ code: Character) -> String? {
            PQresultErrorField(result, Int32(code.asciiValue ?? 0)).map { String(cString: $0) }
        }
        let words = PQresultErrorMessage(result).map { String(cString: $0) } ?? ""
        if let state = field("C") {
            self.init(.server(SQLState(rawValue: state)), message: field("M") ?? words)
        } else {
            self.init(.connectionLost, message: words)
        }
        detail = field("D")
        table = field("t")
        constraint = field("n").map(PostgresError.withoutShardSuffix)
    }

    /// Citus names a shard's constraint `orders_pkey_102018`.
    static func withoutShardSuffix(_ name: String) -> String {
        guard let underscore = name.lastIndex(of: "_") else { return name }
        let suffix = name[name.index(after: underscore)...]
        return suffix.count >= 6 && suffix.allSatisfy(\.isNumber) ? String(name[..<underscore]) : name
    }
}
