import FoundationEssentials
import JSON
import Time

/// EasyPost's webhooks: an Event whose `description` is the topic, and whose `result` is a whole Tracker. Pure.
enum EasyPostTracker {
    static func understand(_ body: [UInt8], receivedAt: Instant) throws(Poison) -> Understanding {
        let body = try TrackerReader(body)
        // A tracker as the API answers with it is read too: it is what somebody who catches up posts.
        guard let topic = body.text("description"), body.text("tracking_code") == nil else {
            guard body.text("tracking_code") != nil else { return .ignored(.notAnEvent) }
            return .tracking(try update(body, saidAt: nil, receivedAt: receivedAt))
        }
        guard topic.hasPrefix("tracker.") else { return .ignored(.notAboutTracking) }
        // The list of events names them without their content.
        guard let tracker = body.member("result") else { return .ignored(.eventWithoutContent) }
        let saidAt = body.time("updated_at") ?? body.time("created_at")
        return .tracking(try update(tracker, saidAt: saidAt, receivedAt: receivedAt))
    }

    static func update(
        _ body: TrackerReader,
        saidAt: Instant?,
        receivedAt: Instant
    ) throws(Poison) -> TrackingUpdate {
        let knownAt = body.time("updated_at") ?? saidAt ?? receivedAt
        return TrackingUpdate(
            provider: .easypost,
            number: try body.number("tracking_code"),
            carrier: body.text("carrier"),
            tracker: body.text("id"),
            saidAt: knownAt,
            status: word(body.text("status"), body.text("status_detail")),
            estimatedDelivery: body.date("est_delivery_date"),
            signedBy: body.text("signed_by"),
            scans: body.list("tracking_details").map { detail in
                TrackingUpdate.Scan(
                    word: word(detail.text("status"), detail.text("status_detail")),
                    message: detail.text("message", limit: 1000),
                    place: detail.member("tracking_location")?.place("city", "state", "zip", "country"),
                    // UTC, and says so with a Z. A sandbox's tracker and an old carrier may not.
                    time: CarrierTime(detail.text("datetime"), known: knownAt)
                )
            }
        )
    }

    /// EasyPost's status, and where it says more, its detail.
    static func word(_ status: String?, _ detail: String?) -> TrackingWord {
        TrackingWord(kind(status?.lowercased(), detail?.lowercased()), status, detail)
    }

    private static func kind(_ status: String?, _ detail: String?) -> TrackingEvent.Kind? {
        switch (status, detail) {
        case (nil, _), ("unknown", _): .progress(.unknown)
        case ("delivered", _): .progress(.delivered)
        // Whatever the parcel is said to be doing, it is no longer whole or there.
        case (_, "lost"): .progress(.lost)
        case (_, "damaged"): .progress(.damaged)
        case ("return_to_sender", "return"), ("return_to_sender", "refused"): .progress(.returning)
        case ("return_to_sender", _): .progress(.returned)
        case (_, "return"), (_, "refused"): .progress(.returning)
        case (_, "held"), (_, "address_correction"): .progress(.heldActionRequired)
        case (_, "delayed"), (_, "weather_delay"), (_, "transit_exception"): .delay
        case (_, "delivery_exception"): .progress(.attempted)
        case ("pre_transit", _): .progress(.labelCreated)
        case ("in_transit", "received_at_origin_facility"): .progress(.pickedUp)
        case ("in_transit", _): .progress(.inTransit)
        case ("out_for_delivery", _): .progress(.outForDelivery)
        case ("available_for_pickup", _): .progress(.pickupReady)
        case ("failure", _): .progress(.failed)
        case ("cancelled", _): .progress(.cancelled)
        case ("error", "expired"): .progress(.noDataExpired)
        // The provider could not find out; nothing of it is about the parcel.
        case ("error", _): .progress(.unknown)
        default: nil
        }
    }
}
