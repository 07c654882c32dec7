import FoundationEssentials
import Jobs
import Logging
import Postgres
import Time

/// The job that turns a stored webhook into changes of the mirror. Its subject is the event.
///
/// Applying twice changes nothing, so an event can be given to it again at any time. What cannot be understood is
/// quarantined under a name: trying again would not help, a newer version of the program may.
struct ApplyInboundEvent {
    static let kind = "apply_inbound_event"

    let environment: Environment

    var handler: JobHandler { JobHandler(Self.kind) { try await run($0) } }

    static func job(for event: InboundEvent, now: Instant) -> NewJob {
        NewJob(
            tenant: event.tenant.uuid,
            id: .v7(),
            store: event.store.uuid,
            kind: kind,
            subject: event.id.uuid,
            runAt: now
        )
    }

    private func run(_ job: Job) async throws -> JobOutcome {
        let rows = try await environment.pool.transaction(
            environment.settings(for: job.tenant),
            InboundEventStore.work(ID(job.subject), tenant: ID(job.tenant))
        )
        // Deleted meanwhile.
        guard let row = rows[0].first else { return .done }
        let event = try InboundEventStore.decode(row)
        let provider = try InboundEventStore.provider(row)
        let isDisabled: Bool = try row("is_disabled")
        let connectedAt: Instant = try row("connected_at")
        if let removal = event.removal {
            let reason: IgnoredReason = removal.reason == .redacted ? .redacted : .expired
            try await settle(event, as: .ignored, reason.rawValue, job)
            return .finished
        }
        let body = try InboundEventStore.body(row)
        let understanding: Understanding
        do throws(Poison) {
            understanding = try provider.understand(event, body: body)
        } catch {
            try await settle(event, as: .quarantined, error.description, job)
            return .finished
        }
        switch understanding {
        case .ignored(let reason):
            try await settle(event, as: .ignored, reason.rawValue, job)
        case .uninstalled:
            try await disconnect(event, job)
        case .changes where isDisabled, .answer where isDisabled, .tracking where isDisabled, .return where isDisabled,
            .dispute where isDisabled, .customer where isDisabled:
            try await settle(event, as: .ignored, IgnoredReason.connectionDisabled.rawValue, job)
        case .changes(let changes):
            try await quarantining(event, job) { try await apply(changes, of: event, provider, connectedAt, job) }
        case .answer(let changes, let returns):
            try await quarantining(event, job) {
                try await apply(changes, returns: returns, of: event, provider, connectedAt, job)
            }
        case .tracking(let update):
            try await quarantining(event, job) {
                try await ApplyTracking(environment: environment).run(update, of: event, job)
            }
        case .return(let change):
            try await quarantining(event, job) { try await apply(change, of: event, job) }
        case .dispute(let change):
            try await quarantining(event, job) { try await apply(change, of: event, job) }
        case .customer(let change):
            try await quarantining(event, job) { try await apply(change, of: event, provider, job) }
        case .privacy(let change):
            // Also while the connection is not in use: a shop that has left asks for this.
            try await quarantining(event, job) { try await apply(change, of: event, job) }
        }
        return .finished
    }

    private func quarantining(_ event: InboundEvent, _ job: Job, _ apply: () async throws -> Void) async throws {
        do {
            try await apply()
        } catch let error as PostgresError where error.isAboutTheData {
            environment.logger.error("an event broke a rule of the database", metadata: ["event": "\(event.id)"])
            try await settle(event, as: .quarantined, Poison(.refusedByDatabase).description, job)
        }
    }

    private func settle(
        _ event: InboundEvent,
        as state: InboundEvent.State,
        _ reason: String,
        _ job: Job
    ) async throws {
        let now = environment.clock.now()
        try await environment.pool.withTransaction(environment.settings(for: job.tenant)) { transaction in
            try await JobStore.finish(job, in: transaction, now: now)
            var event = event
            (event.state, event.reason, event.settledAt) = (state, reason, now)
            transaction.add(InboundEventStore.settle(event))
        }
    }

    private func apply(
        _ changes: [OrderChange],
        returns: [ReturnChange] = [],
        of event: InboundEvent,
        _ provider: Connection.Provider,
        _ connectedAt: Instant,
        _ job: Job
    ) async throws {
        let now = environment.clock.now()
        let raised = try await environment.pool.withTransaction(environment.settings(for: job.tenant)) { transaction in
            try await JobStore.finish(job, in: transaction, now: now)
            var event = event
            (event.state, event.reason, event.settledAt) = (.applied, nil, now)
            var raises: [SQL] = []
            var isRedacted = false
            var follow = FollowTracking()
            var isHistory = false
            // Before their order, as everywhere.
            let heldReturns = try await hold(returns, of: event, now: now, in: transaction)
            // In one order everywhere, so that two events about the same orders do not wait for each other.
            for order in Set(changes.map(\.order)).sorted() {
                let held = try await OrderMirrorStore.hold(
                    order,
                    tenant: event.tenant,
                    store: event.store,
                    now: now,
                    in: transaction
                )
                event.order = held.id
                isRedacted = isRedacted || held.state?.isRedacted == true
                var outcome = OrderMirror.apply(
                    changes.filter { $0.order == order },
                    to: held.state,
                    receivedAt: event.receivedAt
                )
                isHistory =
                    event.via == .pull && PulledOrders.isHistory(outcome, of: held.state, connectedAt: connectedAt)
                outcome.state.isHistorical = isHistory
                for _ in outcome.regressions {
                    environment.logger.notice(
                        "a delivered parcel was scanned again",
                        metadata: ["order": "\(held.id)"]
                    )
                }
                for statement in OrderMirrorStore.save(outcome.state, over: held, now: now) {
                    transaction.add(statement)
                }
                // Whose it is, the shop says, and no carrier.
                if changes.contains(where: { $0.order == order && $0.content.isTheOrder }) {
                    let link = CustomerStore.link(outcome.state, of: held, source: provider.rawValue, now: now)
                    for statement in link.statements { transaction.add(statement) }
                    raises += link.last
                }
                let raise = OrderMirrorStore.raise(
                    outcome.facts,
                    of: held,
                    isHistorical: isHistory,
                    event: event.id,
                    now: now
                )
                if let raise { raises.append(raise) }
                follow.add(outcome.state, over: held, by: "\(event.id)", now: now)
                if event.via == .pull {
                    transaction.add(OrderStore.verify([held.id], tenant: event.tenant, at: event.receivedAt))
                }
            }
            for known in heldReturns {
                // One that was made since is news, also of an old order.
                let isOld = isHistory && known.change.openedAt.map { $0 < connectedAt } ?? true
                let applied = try await apply(known, of: event, isHistorical: isOld, now: now, in: transaction)
                isRedacted = isRedacted || applied.isRedacted
                raises += applied.last
            }
            // After all orders are held: whoever opens a ticket holds the store's counter from then on.
            for statement in follow.statements { transaction.add(statement) }
            transaction.add(InboundEventStore.settle(event))
            if isRedacted {
                transaction.add(PrivacyStore.redact(events: [event.id.uuid], tenant: event.tenant, now: now))
            }
            // They enqueue, and so come last.
            for statement in raises + follow.last { transaction.add(statement) }
            environment.failpoint.pass(.applyBeforeCommit)
            return !raises.isEmpty || !follow.last.isEmpty
        }
        environment.failpoint.pass(.applyAfterCommit)
        if raised { environment.wakeWorker() }
    }

    /// The shop took the app out. Orders and what was decided stay; the connection says why it is silent.
    private func disconnect(_ event: InboundEvent, _ job: Job) async throws {
        let now = environment.clock.now()
        try await environment.pool.withTransaction(environment.settings(for: job.tenant)) { transaction in
            try await JobStore.finish(job, in: transaction, now: now)
            let rows = try await transaction.query(ConnectionStore.lock(event.connection, tenant: event.tenant))
            guard let row = rows[0].first else { throw UnreadableRow(table: "connections") }
            var connection = try ConnectionStore.decode(row)
            var event = event
            (event.state, event.reason, event.settledAt) = (.applied, nil, now)
            if connection.wasTheSame(at: event.saidAt) {
                if connection.disable(because: .appUninstalled, at: now) {
                    connection.version += 1
                    connection.updatedAt = now
                    transaction.add(ConnectionStore.updateState(connection))
                }
            } else if connection.state == .active {
                (event.state, event.reason) = (.ignored, IgnoredReason.connectedAgainSince.rawValue)
            }
            transaction.add(InboundEventStore.settle(event))
        }
    }
}

extension PostgresError {
    /// The values are at fault, not the moment: the same statement would fail again.
    fileprivate var isAboutTheData: Bool {
        guard let sqlState else { return false }
        return sqlState == .checkViolation || sqlState.rawValue.hasPrefix("22")
    }
}
