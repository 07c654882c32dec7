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
    /// The request to ship failed. Not a failed delivery.
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

    let externalID: String
    let kind: Kind
    let raw: String?
    let message: String?
    /// When the carrier says it happened.
    let happenedAt: Instant
    /// When we were told.
    var receivedAt: Instant

    /// By the carrier's time, then by how far along; the rest only so that any two events have an order.
    func precedes(_ other: TrackingEvent) -> Bool {
        if happenedAt != other.happenedAt { return happenedAt < other.happenedAt }
        let (rank, otherRank) = (kind.status?.rank ?? -1, other.kind.status?.rank ?? -1)
        if rank != otherRank { return rank < otherRank }
        return (kind.rawValue, raw ?? "", message ?? "", externalID)
            < (other.kind.rawValue, other.raw ?? "", other.message ?? "", other.externalID)
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
    /// By the source's id.
    var events: [String: TrackingEvent] = [:]
    var shippedAt: Instant?
    var deliveredAt: Instant?
    /// The status that follows from all this, when it became so, and the source's word for it.
    var status = ShipmentStatus.unknown
    var statusRaw: String?
    var statusAt: Instant?
    var isDelayed = false
}
