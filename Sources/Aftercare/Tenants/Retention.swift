import FoundationEssentials
import Jobs
import Time

/// How long what is short-lived is kept, and when the store's night is.
///
/// Not here: orders, customers, returns, disputes, facts, runs, messages and commands. They are what the merchant's
/// questions are answered from. Of inbound events only the bodies: who said what when, and what became of it, stays. Nor
/// stock: there is as much of it as the shop has variants. Nor privacy requests: they are the proof that something was
/// erased, and name nobody once it was.
enum Retention {
    /// What the sweep deletes, in the order it does.
    enum Subject: CaseIterable, Sendable {
        /// Idempotency keys, for as long as the API promises.
        case idempotencyKeys
        /// Fingerprints of webhook deliveries. They only save work: applying an event again changes nothing. Shopify
        /// retries for four hours; two weeks leave room for slower providers and for a person who redelivers by hand.
        case inboundDeliveries
        /// Sessions that have ended. A month, to answer who was signed in when something happened.
        case sessions
        /// What fell due. It keeps a re-imported order from firing anything twice, and that for 13 months.
        case fired
        /// The sweep's own nights, and the hours of checks: nothing imports those again.
        case nights
        /// Long work that is done.
        case operations
        /// Files whose upload broke off and left something behind. Those that are worked off go with their work.
        case importChunks
        /// What was wrong in the lines of an import; before the import that they are of.
        case importErrors
        case imports
        /// What tracking providers told of numbers, for longer than one is about any parcel. What was about a shipment is
        /// kept with it.
        case trackers
        /// Bodies of webhooks that were applied or ignored.
        case bodies
        /// Bodies that nobody understood: a later version may.
        case quarantinedBodies
        /// What connections told of in an hour. One that is silent is judged by what it did before.
        case connectionHours

        /// - Parameter bodies: how long a body is kept that was read.
        func kept(bodies: Duration) -> Duration {
            let day = 86_400
            return switch self {
            case .idempotencyKeys: .seconds(3 * day)
            case .inboundDeliveries: .seconds(14 * day)
            case .sessions: .seconds(30 * day)
            case .fired: .seconds(400 * day)
            case .nights: .seconds(7 * day)
            case .importChunks: .seconds(day)
            case .operations, .importErrors, .imports: .seconds(90 * day)
            case .trackers: .seconds(500 * day)
            case .bodies: bodies
            case .quarantinedBodies: max(bodies, .seconds(400 * day))
            case .connectionHours: .seconds(400 * day)
            }
        }

        /// Rows that one statement deletes: a fraction of a second, so that nobody waits for its locks or its WAL.
        var batch: Int {
            switch self {
            // Each is read once more, for its hash.
            case .bodies, .quarantinedBodies: 500
            default: 5000
            }
        }
    }

    /// A night of a store: its local date, the time meant, and the instant that is.
    struct Night: Hashable, Sendable {
        let date: LocalDate
        let intent: LocalDateTime
        let due: Instant
    }

    /// The first night after `now` whose date is later than `last`: at three, local time, and a minute of the store's
    /// own, so that not all stores of a zone come at once.
    ///
    /// Dates only grow, so that a store which moves to a zone further west does not have one night twice.
    static func nextNight(of store: StoreID, in zone: Zone, after now: Instant, laterThan last: LocalDate?) -> Night {
        let minute = Int(store.uuid.uuid.15) % 60
        let time = LocalTimeOfDay(hour: 3, minute: minute) ?? .midnight
        var date = zone.local(at: now).date
        if let last, date <= last { date = last.adding(days: 1) }
        var due = zone.instant(of: time, on: date).instant
        if due <= now {
            date = date.adding(days: 1)
            due = zone.instant(of: time, on: date).instant
        }
        return Night(date: date, intent: LocalDateTime(date, time), due: due)
    }

    /// The row of that night, keyed by its local date. By real time, in a sandbox too: what is kept is kept in real
    /// days, and advancing a test clock by a year must not stop at each of its nights.
    static func scheduled(for store: Store, after now: Instant, laterThan last: LocalDate? = nil) -> ScheduledJob {
        let night = nextNight(of: store.id, in: store.zone, after: now, laterThan: last)
        return ScheduledJob(
            tenant: store.tenant.uuid,
            id: .v7(),
            store: store.id.uuid,
            kind: SweepExpired.kind,
            rule: store.id.uuid,
            subject: store.id.uuid,
            occurrence: "\(night.date)",
            dueAt: night.due,
            intent: .init(local: "\(night.intent)", zone: store.zone.identifier, zoneData: Zone.dataVersion),
            notAfter: nil,
            isOnTestClock: false
        )
    }
}
