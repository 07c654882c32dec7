import FoundationEssentials
import JSON
import Time

/// Shippo's webhooks: `event` is the topic, `data` the whole track. Pure.
enum ShippoTrack {
    static func understand(_ body: [UInt8], receivedAt: Instant) throws(Poison) -> Understanding {
        let body = try TrackerReader(body)
        guard let topic = body.text("event") else { return .ignored(.notAnEvent) }
        guard topic == "track_updated" else { return .ignored(.notAboutTracking) }
        let track = try body.requiredMember("data")
        let status = track.member("tracking_status")
        let knownAt =
            status?.time("object_updated") ?? status?.time("object_created") ?? status?.time("status_date")
            ?? receivedAt
        return .tracking(
            TrackingUpdate(
                provider: .shippo,
                number: try track.number("tracking_number"),
                carrier: track.text("carrier"),
                // A track has no id of its own; the label it was bought with has.
                tracker: track.text("transaction"),
                saidAt: knownAt,
                status: word(of: status),
                estimatedDelivery: track.date("eta"),
                signedBy: nil,
                // The latest of them is the status as well; it is the same report then.
                scans: (track.list("tracking_history") + (status.map { [$0] } ?? [])).map { scan($0, knownAt: knownAt) }
            )
        )
    }

    private static func scan(_ status: TrackerReader, knownAt: Instant) -> TrackingUpdate.Scan {
        TrackingUpdate.Scan(
            word: word(of: status),
            message: status.text("status_details", limit: 1000),
            place: status.member("location")?.place("city", "state", "zip", "country"),
            time: CarrierTime(status.text("status_date"), known: status.time("object_created") ?? knownAt)
        )
    }

    private static func word(of status: TrackerReader?) -> TrackingWord {
        let substatus = status?.member("substatus")
        return word(
            status?.text("status"),
            substatus?.text("code"),
            needsAction: substatus?.isTrue("action_required") ?? false
        )
    }

    /// Shippo's status, and where it says more, its substatus.
    static func word(_ status: String?, _ code: String?, needsAction: Bool = false) -> TrackingWord {
        TrackingWord(kind(status?.uppercased(), code?.lowercased(), needsAction), status, code)
    }

    private static func kind(_ status: String?, _ code: String?, _ needsAction: Bool) -> TrackingEvent.Kind? {
        switch status {
        case nil, "UNKNOWN": .progress(.unknown)
        case "PRE_TRANSIT": .progress(.labelCreated)
        case "TRANSIT": transit(code, needsAction)
        case "DELIVERED": .progress(.delivered)
        // On its way back or back already: Shippo does not say which.
        case "RETURNED": .progress(.returning)
        case "FAILURE":
            switch code {
            case "package_lost", "package_disposed": .progress(.lost)
            case "package_damaged": .progress(.damaged)
            default: .progress(.failed)
            }
        default: nil
        }
    }

    /// A code we do not know is on its way still, as the status says, unless somebody has to do something about it.
    private static func transit(_ code: String?, _ needsAction: Bool) -> TrackingEvent.Kind {
        switch code {
        case "package_accepted": .progress(.pickedUp)
        case "out_for_delivery": .progress(.outForDelivery)
        case "delivery_attempted", "location_inaccessible", "notice_left": .progress(.attempted)
        case "pickup_available": .progress(.pickupReady)
        case "address_issue", "contact_carrier", "package_held", "package_unclaimed", "reschedule_delivery":
            .progress(.heldActionRequired)
        case "package_damaged": .progress(.damaged)
        case "package_lost": .progress(.lost)
        case "return_to_sender": .progress(.returning)
        case "delayed", "delivery_rescheduled": .delay
        default: .progress(needsAction ? .heldActionRequired : .inTransit)
        }
    }
}
