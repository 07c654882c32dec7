import FoundationEssentials
import Jobs
import Logging
import Postgres
import Time

/// Applies what a tracking provider told of a number to every shipment that has it. A part of `ApplyInboundEvent`.
///
/// Two transactions. The first keeps the update with its number; the second looks for shipments. A shop that tells of a
/// shipment does the same the other way round: it commits the shipment, and then looks for trackers (`MatchTracking`). Of
/// a shop and a carrier who come at the same moment, whichever looks last sees both, and nobody waits for anybody.
struct ApplyTracking {
    let environment: Environment

    func run(_ update: TrackingUpdate, of event: InboundEvent, _ job: Job) async throws {
        let settings = environment.settings(for: job.tenant)
        let tracker = try await environment.pool.withTransaction(settings) { transaction in
            try await TrackerStore.merge(
                update,
                tenant: event.tenant,
                store: event.store,
                receivedAt: event.receivedAt,
                now: environment.clock.now(),
                in: transaction
            )
        }
        let wakes = try await environment.pool.withTransaction(settings) { transaction in
            try await apply(tracker, update, of: event, job, in: transaction)
        }
        environment.failpoint.pass(.applyAfterCommit)
        if wakes { environment.wakeWorker() }
    }

    private func apply(
        _ tracker: Tracker,
        _ update: TrackingUpdate,
        of event: InboundEvent,
        _ job: Job,
        in transaction: Transaction
    ) async throws -> Bool {
        let now = environment.clock.now()
        try await JobStore.finish(job, in: transaction, now: now)
        let rows = try await transaction.query(
            TrackerStore.orders(update.number, tenant: event.tenant, store: event.store)
        )
        let orders: [String] = try rows[0].decode(String.self)
        var matched = Matched()
        // In one order everywhere, so that two events about the same orders do not wait for each other.
        for order in orders.sorted() {
            try await matched.apply(
                [tracker],
                to: order,
                tenant: event.tenant,
                store: event.store,
                event: event,
                now: now,
                in: transaction
            )
        }
        var event = event
        event.settledAt = now
        if let order = matched.orders.first {
            (event.state, event.reason, event.order) = (.applied, nil, order)
            for word in update.unheardOf {
                let escalation = Escalation(
                    unheardOf: word,
                    of: update,
                    store: event.store,
                    order: order,
                    by: "\(event.id)"
                )
                matched.follow.add(escalation, tenant: event.tenant, now: now)
            }
        } else {
            let reason: IgnoredReason =
                tracker.events.isEmpty ? .eventWithoutContent : orders.isEmpty ? .noShipment : .outsideWindow
            (event.state, event.reason) = (.ignored, reason.rawValue)
        }
        for statement in matched.follow.statements { transaction.add(statement) }
        transaction.add(InboundEventStore.settle(event))
        if matched.areErased {
            // Who signed, and where: of people who asked that nothing be kept of them.
            transaction.add(PrivacyStore.redact(events: [event.id.uuid], tenant: event.tenant, now: now))
            transaction.add(TrackerStore.forget(update.number, tenant: event.tenant, store: event.store))
        }
        let last = matched.raises + matched.follow.last
        for statement in last { transaction.add(statement) }
        environment.failpoint.pass(.applyBeforeCommit)
        return !last.isEmpty
    }
}

/// What trackers have come to in one transaction.
struct Matched {
    /// Those that have a shipment which the trackers are about.
    private(set) var orders: [OrderID] = []
    /// All of these were erased.
    var areErased: Bool { !orders.isEmpty && erased == orders.count }
    private var erased = 0
    private(set) var raises: [SQL] = []
    /// Tickets come after all orders are held: whoever opens one holds the store's counter from then on.
    var follow = FollowTracking()

    /// Holds the order, applies what the trackers tell of its shipments, and adds what is to be saved.
    mutating func apply(
        _ trackers: [Tracker],
        to order: String,
        tenant: TenantID,
        store: StoreID,
        event: InboundEvent? = nil,
        now: Instant,
        in transaction: Transaction
    ) async throws {
        let held = try await OrderMirrorStore.hold(order, tenant: tenant, store: store, now: now, in: transaction)
        guard let known = held.state else { return }
        let changes = TrackingMatch.changes(trackers, to: known, of: order)
        guard !changes.isEmpty else { return }
        orders.append(held.id)
        if known.isRedacted { erased += 1 }
        // That a carrier tells of a parcel does not make an imported order a living one: only the shop does.
        let outcome = OrderMirror.apply(
            changes,
            to: known,
            receivedAt: event?.receivedAt ?? now,
            isHistorical: known.isHistorical
        )
        for statement in OrderMirrorStore.save(outcome.state, over: held, now: now) { transaction.add(statement) }
        let raise = OrderMirrorStore.raise(
            outcome.facts,
            of: held,
            isHistorical: known.isHistorical,
            event: event?.id,
            now: now
        )
        if let raise { raises.append(raise) }
        follow.add(outcome.state, over: held, by: event.map { "\($0.id)" }, now: now)
    }
}
