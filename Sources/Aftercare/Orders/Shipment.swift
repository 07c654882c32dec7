import Time

/// Where a parcel is. `rank` is how far along; between two reports of one instant the further one holds.
enum ShipmentStatus: String, CaseIterable, Sendable {
    case unknown
    case labelCreated = "label_created"
    case pickedUp = "picked_up"
    case inTransit = "in_transit"
    case outForDelivery = "out_for_delivery"
    case attempted
    case pickupReady = "pickup_ready"
    case heldActionRequired = "held_action_required"
    case returning, returned, lost, damaged, delivered
    /// Of the shop: the request to ship failed. Of a carrier: it has given up.
    case failed
    case noDataExpired = "no_data_expired"
    case cancelled

    var rank: Int {
        switch self {
        case .unknown: 0
        case .failed, .noDataExpired: 5
        case .labelCreated: 10
        case .pickedUp: 20
        case .inTransit: 30
        case .outForDelivery: 40
        case .attempted, .pickupReady, .heldActionRequired: 45
        case .returning: 60
        case .returned, .lost, .damaged: 70
        case .delivered: 80
        case .cancelled: 90
        }
    }

    /// Whether the parcel must have left for this to be true.
    var impliesShipped: Bool {
        switch self {
        case .pickedUp, .inTransit, .outForDelivery, .attempted, .pickupReady, .returning, .returned, .lost, .damaged,
            .delivered:
            true
        case .unknown, .labelCreated, .heldActionRequired, .failed, .noDataExpired, .cancelled: false
        }
    }
}

/// One report of a carrier.
struct TrackingEvent: Hashable, Sendable {
    enum Kind: Hashable, Sendable {
        case progress(ShipmentStatus)
        /// Says that it takes longer, and not where the parcel is.
        case delay

        init?(rawValue: String) {
            if rawValue == "delayed" {
                self = .delay
            } else if let status = ShipmentStatus(rawValue: rawValue) {
                self = .progress(status)
            } else {
                return nil
            }
        }

        var rawValue: String {
            switch self {
            case .progress(let status): status.rawValue
            case .delay: "delayed"
            }
        }

        var status: ShipmentStatus? { if case .progress(let status) = self { status } else { nil } }
    }

    /// How well it is known when it happened.
    enum Precision: String, CaseIterable, Sendable {
        case exact
        /// The carrier told the time on the wall and no zone.
        case local
        /// It was told without a time.
        case reported
    }

    let externalID: String
    let kind: Kind
    let raw: String?
    var message: String?
    /// When the carrier says it happened; where it is not known exactly, the latest that it can have been.
    let happenedAt: Instant
    /// When we were told.
    var receivedAt: Instant
    var precision = Precision.exact
    /// As the carrier wrote it, where it named no zone.
    var localTime: String?
    var place: String?
    /// The number it was told of. Nil for what the shop tells, whatever the number.
    var number: TrackingNumber?

    /// By the carrier's time, then by how far along; the rest only so that any two events have an order.
    func precedes(_ other: TrackingEvent) -> Bool {
        if happenedAt != other.happenedAt { return happenedAt < other.happenedAt }
        let (rank, otherRank) = (kind.status?.rank ?? -1, other.kind.status?.rank ?? -1)
        if rank != otherRank { return rank < otherRank }
        return (kind.rawValue, raw ?? "", message ?? "", place ?? "", externalID)
            < (other.kind.rawValue, other.raw ?? "", other.message ?? "", other.place ?? "", other.externalID)
    }
}

extension [String: TrackingEvent] {
    /// Takes note of a report. Of one id with two contents the later one by content wins, whichever came first.
    mutating func note(_ event: TrackingEvent) {
        guard var known = self[event.externalID] else {
            self[event.externalID] = event
            return
        }
        let receivedAt = Swift.min(known.receivedAt, event.receivedAt)
        if known.precedes(event) { known = event }
        known.receivedAt = receivedAt
        self[event.externalID] = known
    }
}

/// What a tracking provider says of a parcel as a whole. The newest counts.
struct TrackerWord: Hashable, Sendable {
    /// The provider's own time.
    let saidAt: Instant
    let estimatedDelivery: LocalDate?
    var signedBy: String?

    func precedes(_ other: TrackerWord) -> Bool {
        if saidAt != other.saidAt { return saidAt < other.saidAt }
        return (estimatedDelivery?.daysSince1970 ?? .min, signedBy ?? "")
            < (other.estimatedDelivery?.daysSince1970 ?? .min, other.signedBy ?? "")
    }
}

/// What a shop tells of a shipment itself, beside the carrier's events.
enum ShipmentField: String, CaseIterable, Sendable {
    case carrier
    case trackingNumber = "tracking_number"
    case trackingURL = "tracking_url"
    case reported
}

struct ShipmentValues: Hashable, Sendable {
    var carrier: String?
    var trackingNumber: String?
    var trackingURL: String?
    /// The status as the shop sums it up, without the carrier's time.
    var reported: ShipmentStatus?
    var reportedRaw: String?

    mutating func copy(_ field: ShipmentField, from other: ShipmentValues) {
        switch field {
        case .carrier: carrier = other.carrier
        case .trackingNumber: trackingNumber = other.trackingNumber
        case .trackingURL: trackingURL = other.trackingURL
        case .reported: (reported, reportedRaw) = (other.reported, other.reportedRaw)
        }
    }
}

/// A parcel. Everything here is the same whatever order the reports came in: fields by their source's time, events as
/// a set, and `shipped` and `delivered` by the earliest evidence there ever was.
struct Shipment: Hashable, Sendable {
    var values = ShipmentValues()
    var provenance = Provenance<ShipmentField>()
    /// From when to when the shop told each status, until it is delivered: a shop that says the same every night has no news
    /// of the parcel.
    var reports: [Report: ClosedRange<Instant>] = [:]
    /// By the source's id.
    var events: [String: TrackingEvent] = [:]
    var tracker: TrackerWord?
    var shippedAt: Instant?
    var deliveredAt: Instant?
    /// The status that follows from all this, when it became so, and the source's word for it.
    var status = ShipmentStatus.unknown
    var statusRaw: String?
    var statusAt: Instant?
    var isDelayed = false
}

extension Shipment {
    /// A status as the shop tells it, of the parcel with the number it tells with it.
    struct Report: Hashable, Sendable {
        let status: ShipmentStatus
        let number: String?
    }

    /// When the status that the shop sums up became so, as far as it tells: when it was first told, or, where another one was
    /// told since, after that.
    var reportedAt: Instant? {
        guard let status = values.reported else { return nil }
        let told = reports.filter { $0.key.number == nil || $0.key.number == number?.key }
        let same = told.filter { $0.key.status == status }.map(\.value)
        guard let first = same.map(\.lowerBound).min(), let last = same.map(\.upperBound).max() else {
            return provenance.stamp(of: .reported)?.at
        }
        let others = told.filter { $0.key.status != status && $0.value.upperBound < last }.map(\.value.upperBound)
        return max(first, others.max() ?? first)
    }

    var number: TrackingNumber? { values.trackingNumber.flatMap { TrackingNumber($0) } }

    /// The reports that are about this parcel: where its number was replaced, those of the former one are not.
    var countedEvents: [TrackingEvent] {
        let number = number
        return events.values.filter { $0.number == nil || $0.number == number }
    }

    /// Whether anybody may tell how far it is.
    var isTracked: Bool { values.trackingNumber != nil || status != .unknown || !countedEvents.isEmpty }

    /// When it was last heard of.
    var lastEventAt: Instant? { (countedEvents.map(\.happenedAt) + [statusAt].compactMap(\.self)).max() }

    /// Reports that contradict the delivery: the parcel was scanned again after it, or was on its way back before.
    var contradictions: [TrackingEvent] {
        guard let deliveredAt else { return [] }
        let events = countedEvents
        let delivery = events.filter { $0.kind.status == .delivered }.min { $0.precedes($1) }
        return events.filter { $0.contradicts(deliveryAt: deliveredAt, toldBy: delivery) }.sorted { $0.precedes($1) }
    }
}

extension TrackingEvent {
    fileprivate func contradicts(deliveryAt instant: Instant, toldBy delivery: TrackingEvent?) -> Bool {
        switch kind.status {
        case nil, .unknown, .delivered: false
        // Whenever it was: it may be the shop that it was delivered to.
        case .returning, .returned: true
        case .lost, .damaged: precision == .reported || isAfter(instant, toldBy: delivery)
        default: isAfter(instant, toldBy: delivery)
        }
    }

    /// Surely after it: two times on the wall that one provider tells are compared as they are, and any other one of them
    /// by the earliest that it can mean.
    private func isAfter(_ instant: Instant, toldBy delivery: TrackingEvent?) -> Bool {
        if precision == .local, let delivery, delivery.precision == .local, number == delivery.number {
            return happenedAt > delivery.happenedAt
        }
        return earliest.map { $0 > instant } ?? false
    }
}

extension Shipment {
    /// Without what carriers wrote of who took it in, and where.
    mutating func redact() {
        tracker?.signedBy = nil
        for id in events.keys {
            events[id]?.message = nil
            events[id]?.place = nil
        }
    }
}
