import CLibpq
import Glibc

extension Pool {
    /// Runs SQL text as the server's simple protocol takes it: any number of statements, in one transaction unless
    /// the text has its own; then an error leaves done what was committed before it. For migrations and set-up; values
    /// cannot be bound, so nothing a user wrote belongs here.
    public func script(
        _ text: String,
        deadline: Duration? = nil,
        file: String = #fileID,
        line: UInt = #line
    ) async throws(PostgresError) {
        let callSite = CallSite(file: file, line: line)
        let deadline = Deadline(in: deadline ?? settings.defaultDeadline)
        let connection = try await checkOut(callSite, deadline)
        defer { checkIn(connection) }
        do throws(PostgresError) {
            try await connection.interruptibly { connection throws(PostgresError) in
                try connection.outsidePipeline(deadline) { wait throws(PostgresError) in
                    do throws(PostgresError) {
                        try connection.execute(text, &wait)
                    } catch {
                        // Without the server's last word it may have committed.
                        throw error.sqlState == nil ? connection.outcomeUnknown(error) : error
                    }
                }
            }
        } catch {
            throw error.at(callSite)
        }
    }
}

extension Connection {
    /// Steps out of pipeline mode, where neither COPY nor several statements in one text exist, and back into it.
    /// A session in which `body` fails is not used again.
    func outsidePipeline(
        _ deadline: Deadline,
        _ body: (inout Wait) throws(PostgresError) -> Void
    ) throws(PostgresError) {
        let pq = try handle()
        var wait = Wait(deadline)
        defer { noteReusability() }
        do throws(PostgresError) {
            try check(PQexitPipelineMode(pq))
            try body(&wait)
            try check(PQenterPipelineMode(pq))
        } catch {
            spoil()
            guard let interruption = wait.interruption, error.kind != .outcomeUnknown else { throw error }
            throw PostgresError(interruption, message: error.message)
        }
    }

    /// Runs a text to its end, and ignores what it answers.
    func execute(_ text: String, _ wait: inout Wait) throws(PostgresError) {
        try begin(text, &wait)
        var failure: PostgresError?
        while let result = try nextPlain(&wait) {
            defer { PQclear(result) }
            switch PQresultStatus(result) {
            case PGRES_COMMAND_OK, PGRES_TUPLES_OK, PGRES_EMPTY_QUERY: break
            case PGRES_COPY_IN, PGRES_COPY_OUT, PGRES_COPY_BOTH:
                // libpq would repeat this result for ever, and the server waits for data that never comes.
                throw PostgresError(.server(.featureNotSupported), message: "COPY is only for Pool.copy")
            default: failure = failure ?? PostgresError(result: result)
            }
        }
        if let failure { throw failure }
    }

    func begin(_ text: String, _ wait: inout Wait) throws(PostgresError) {
        try check(PQsendQuery(try handle(), text))
        try flush(&wait)
    }

    func nextPlain(_ wait: inout Wait) throws(PostgresError) -> OpaquePointer? {
        let pq = try handle()
        while PQisBusy(pq) == 1 {
            try poll(Int16(POLLIN), &wait)
            guard PQconsumeInput(pq) == 1 else { throw PostgresError(.connectionLost, message: lastMessage()) }
        }
        return PQgetResult(pq)
    }
}
