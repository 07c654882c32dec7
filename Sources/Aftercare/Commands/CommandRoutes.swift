import FoundationEssentials
import HTTPTypes
import JSON
import Jobs
import Postgres
import Time

/// `/v1/commands`: what shops are asked to do with their orders, and what became of it.
struct CommandRoutes {
    let environment: Environment

    private static let filters: Set<String> = ["store_id", "order_id", "state"]

    var routes: [Route] {
        [
            Route(.post, "/v1/orders/{order_id}/commands", .holder(of: .commandsWrite), body: .json, create),
            Route(
                .get,
                "/v1/commands",
                .holder(of: .commandsRead),
                query: Page.parameters.union(Self.filters),
                list
            ),
            Route(.get, "/v1/commands/{command_id}", .holder(of: .commandsRead), get),
            Route(.post, "/v1/commands/{command_id}/resolve", .holder(of: .commandsWrite), body: .json, resolve),
            Route(
                .post,
                "/v1/commands/{command_id}/acknowledge",
                .holder(of: .commandsAcknowledge),
                body: .json,
                acknowledge
            ),
        ]
    }

    // MARK: Asking

    @Sendable private func create(_ call: Call) async throws -> Reply {
        let id = try call.id("order_id", OrderKind.self)
        let parameters = try call.decode(CommandParameters.init(request:))
        do {
            let reply = try await environment.access.write(call) { transaction, principal in
                let (tenant, now) = (principal.tenant, environment.clock.now())
                let rows = try await transaction.query(
                    [CommandStore.holdOrder(id, tenant: tenant)] + CommandStore.question(about: id, tenant: tenant)
                )
                guard let question = try CommandStore.decodeQuestion(rows[1...]) else { throw Problem.notFound }
                if let obstacle = question.obstacle(to: parameters) { throw Self.problem(obstacle) }
                let ways = try CommandStore.decodeWays(rows[1...])
                guard let channel = CommandChannel(for: parameters, ways.connection, ways.endpoint) else {
                    throw Self.problem(.noWayToCommand)
                }
                let command = Command(parameters, of: question.order, through: channel, by: principal.name, now: now)
                transaction.add(CommandStore.insert(command, tenant: tenant))
                transaction.add(JobStore.enqueue(SendCommand.job(for: command, tenant: tenant, at: now), now: now))
                return created(command)
            }
            environment.wakeWorker()
            return reply
        } catch let error as PostgresError where error.constraint == CommandStore.openOnce {
            throw Self.problem(.commandInProgress)
        }
    }

    private func created(_ command: Command) -> Reply {
        func reply(withParameters: Bool) -> Reply {
            .created(at: "/v1/commands/\(command.id)", version: command.version) {
                write(command, withParameters: withParameters, to: &$0)
            }
        }
        var answer = reply(withParameters: true)
        // An address is kept in one place, from which it can be erased.
        answer.storedBody = reply(withParameters: false).body
        return answer
    }

    private static func problem(_ reason: CommandReason) -> Problem {
        var problem = Problem(.stateConflict, reason.sentence)
        problem.members = [("reason", .string(reason.rawValue))]
        return problem
    }

    /// What is wrong with one line of a return is a field of the request.
    private static func problem(_ obstacle: CommandQuestion.Obstacle) -> Problem {
        guard let line = obstacle.line else { return problem(obstacle.reason) }
        var problem =
            obstacle.reason == .unknownLine
            ? Problem.field("#/lines/\(line)/order_line_external_id", .unknownValue, "is not a line of the order")
            : Problem.field("#/lines/\(line)/quantity", .outOfRange, "is more than there is left to come back")
        problem.members = [("reason", .string(obstacle.reason.rawValue))]
        return problem
    }

    // MARK: Looking

    @Sendable private func list(_ call: Call) async throws -> Reply {
        let page = try Page(call, filters: Self.filters, key: environment.masterKey.cursors)
        let states = Command.State.allCases.map(\.rawValue).joined(separator: ", ")
        let filter = CommandStore.Filter(
            store: try call.query.id("store_id"),
            order: try call.query.id("order_id"),
            state: try call.query.value("state", "one of \(states)") { Command.State(rawValue: $0) }
        )
        let (_, rows) = try await environment.access.read(call) {
            [CommandStore.commands(page, filter, tenant: $0.tenant)]
        }
        let commands = try rows[0].map(CommandStore.decode)
        return page.reply(commands, position: { ($0.createdAt, $0.id.uuid) }) { write($0, to: &$1) }
    }

    @Sendable private func get(_ call: Call) async throws -> Reply {
        let id = try call.id("command_id", CommandKind.self)
        let (_, rows) = try await environment.access.find(call) {
            [CommandStore.command(id, tenant: $0.tenant), CommandStore.attempts(id, tenant: $0.tenant)]
        }
        guard let command = try rows[0].first.map(CommandStore.decode) else { throw Problem.notFound }
        let attempts = try rows[1].map(CommandStore.decodeAttempt)
        let reply = Reply.json(version: command.version) { object in
            write(command, to: &object)
            object.array("attempts", attempts) { writer, attempt in
                writer.object { write(attempt, to: &$0) }
            }
        }
        return call.unlessMatching(version: command.version, reply)
    }

    // MARK: Saying what became of it

    /// The command, held with its order.
    private func hold(_ id: CommandID, _ tenant: TenantID, in transaction: Transaction) async throws -> Command {
        let rows = try await transaction.query(
            FollowCommand.hold(of: id, tenant: tenant),
            CommandStore.holdOrder(of: id, tenant: tenant),
            CommandStore.lock(id, tenant: tenant)
        )
        guard let command = try rows[2].first.map(CommandStore.decode) else { throw Problem.notFound }
        return command
    }

    /// A person has found out. Late evidence comes before, and there is nothing to resolve any more, or after, and is kept
    /// with the try.
    @Sendable private func resolve(_ call: Call) async throws -> Reply {
        let id = try call.id("command_id", CommandKind.self)
        let word = try call.decode(Command.Resolution.Told.init)
        let reply = try await environment.access.write(call) { transaction, principal in
            let (tenant, now) = (principal.tenant, environment.clock.now())
            var command = try await hold(id, tenant, in: transaction)
            if let attempt = word.attempt, attempt != command.attempts {
                let detail = "The command's last try is number \(command.attempts) by now, not \(attempt)."
                throw Problem(.stateConflict, detail)
            }
            let resolution = word.word(by: principal.name, at: now)
            guard command.resolve(resolution) else {
                let detail = "The command is \(command.state.rawValue); only one that is unknown can be resolved."
                throw Problem(.stateConflict, detail)
            }
            for statement in command.save(personKnows: true, tenant: tenant, now: now) { transaction.add(statement) }
            if word.verdict == .requested {
                transaction.add(JobStore.enqueue(SendCommand.job(for: command, tenant: tenant, at: now), now: now))
            }
            return .json(version: command.version) { write(command, to: &$0) }
        }
        if word.verdict == .requested { environment.wakeWorker() }
        return reply
    }

    /// The shop's program says what it did. Said again, it changes nothing.
    @Sendable private func acknowledge(_ call: Call) async throws -> Reply {
        let id = try call.id("command_id", CommandKind.self)
        let word = try call.decode(CommandAcknowledgement.init)
        let reply = try await environment.access.write(call) { transaction, principal in
            let (tenant, now) = (principal.tenant, environment.clock.now())
            var command = try await hold(id, tenant, in: transaction)
            guard command.connection == nil, command.attempts > 0 else {
                throw Problem(.stateConflict, "The command was not sent to a program of the shop's own.")
            }
            if !command.knows(word) {
                guard command.apply(word, at: now) else {
                    throw Problem(.stateConflict, "The command is \(command.state.rawValue) already.")
                }
                for statement in command.save(tenant: tenant, now: now) { transaction.add(statement) }
            }
            return .json(version: command.version) { write(command, to: &$0) }
        }
        environment.wakeWorker()
        return reply
    }

    // MARK: Writing

    private func write(_ command: Command, withParameters: Bool = true, to object: inout JSONObjectWriter) {
        object.member("id", command.id)
        object.member("store_id", command.store)
        object.member("order_id", command.order)
        object.member("connection_id", command.connection)
        object.member("run_id", command.run)
        object.member("kind", command.kind.rawValue)
        object.member("parameters", withParameters ? command.parameters?.json : nil)
        object.member("state", command.state.rawValue)
        object.member("reason", command.reason?.rawValue)
        object.member("detail", command.detail)
        object.member("reference", command.reference)
        object.member("requested_by", command.requestedBy)
        object.member("attempt_count", command.attempts)
        object.member("deadline_at", command.deadline)
        object.member("acknowledged_at", command.acknowledgedAt)
        object.member("ended_at", command.endedAt)
        object.member("resolution", command.resolution)
        object.member("version", command.version)
        object.member("created_at", command.createdAt)
        object.member("updated_at", command.updatedAt)
    }

    private func write(_ attempt: Command.Attempt, to object: inout JSONObjectWriter) {
        object.member("attempt", attempt.number)
        object.member("started_at", attempt.startedAt)
        object.member("ended_at", attempt.endedAt)
        object.member("outcome", attempt.outcome?.rawValue)
        object.member("detail", attempt.detail)
    }
}
