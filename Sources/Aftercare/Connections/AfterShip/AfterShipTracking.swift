import FoundationEssentials
import JSON
import Time

/// AfterShip's webhooks: `event` is the topic, `msg` the whole tracking, `ts` when it was sent. Pure.
enum AfterShipTracking {
    static func understand(_ body: [UInt8], receivedAt: Instant) throws(Poison) -> Understanding {
        let body = try TrackerReader(body)
        guard let topic = body.text("event") else { return .ignored(.notAnEvent) }
        // The others are about promises and reminders; `tracking_update` comes with each change of the parcel itself.
        guard topic == "tracking_update" else { return .ignored(.notAboutTracking) }
        let tracking = try body.requiredMember("msg")
        let sentAt = body.object["ts"]?.int64Value.flatMap(Self.instant)
        let knownAt =
            tracking.time("last_updated_at") ?? tracking.time("updated_at") ?? sentAt ?? receivedAt
        return .tracking(
            TrackingUpdate(
                provider: .aftership,
                number: try tracking.number("tracking_number"),
                carrier: tracking.text("slug"),
                tracker: tracking.text("id"),
                saidAt: knownAt,
                status: word(tracking.text("tag"), tracking.text("subtag")),
                estimatedDelivery: estimate(tracking),
                signedBy: tracking.text("signed_by"),
                scans: tracking.list("checkpoints").map { scan($0, knownAt: knownAt) }
            )
        )
    }

    private static func scan(_ checkpoint: TrackerReader, knownAt: Instant) -> TrackingUpdate.Scan {
        TrackingUpdate.Scan(
            word: word(checkpoint.text("tag"), checkpoint.text("subtag")),
            message: checkpoint.text("message", limit: 1000),
            place: checkpoint.text("location") ?? checkpoint.place("city", "state", "zip", "country_iso3"),
            // Often the time on the wall of the scan, without a zone: AfterShip had read of it by `created_at`.
            time: CarrierTime(checkpoint.text("checkpoint_time"), known: checkpoint.time("created_at") ?? knownAt)
        )
    }

    /// The carrier's promise before AfterShip's own estimate.
    private static func estimate(_ tracking: TrackerReader) -> LocalDate? {
        tracking.date("courier_estimated_delivery_date") ?? tracking.date("expected_delivery")
            ?? tracking.member("courier_estimated_delivery_date")?.date("estimated_delivery_date")
            ?? tracking.member("aftership_estimated_delivery_date")?.date("estimated_delivery_date")
    }

    /// Seconds since 1970, within the years that can be written.
    private static func instant(_ seconds: Int64) -> Instant? {
        (0...253_402_300_799).contains(seconds) ? Instant(seconds: seconds) : nil
    }

    /// AfterShip's tag, and where it says more, its subtag.
    static func word(_ tag: String?, _ subtag: String?) -> TrackingWord {
        TrackingWord(kind(tag?.lowercased(), subtag?.lowercased()), tag, subtag)
    }

    private static func kind(_ tag: String?, _ subtag: String?) -> TrackingEvent.Kind? {
        switch (tag, subtag) {
        case (nil, _), ("pending", _): .progress(.unknown)
        case ("inforeceived", _): .progress(.labelCreated)
        case ("intransit", "intransit_002"): .progress(.pickedUp)
        case ("intransit", _): .progress(.inTransit)
        case ("outfordelivery", _): .progress(.outForDelivery)
        case ("attemptfail", _): .progress(.attempted)
        case ("availableforpickup", _): .progress(.pickupReady)
        case ("delivered", _): .progress(.delivered)
        case ("exception", let subtag): exception(subtag)
        case ("expired", _): .progress(.noDataExpired)
        default: nil
        }
    }

    private static func exception(_ subtag: String?) -> TrackingEvent.Kind? {
        switch subtag {
        // The last was called off, by the sender or the carrier.
        case nil, "exception_001", "exception_020": .progress(.failed)
        // Moved away, held for payment, wrong address, not picked up, refused by the carrier, papers missing: somebody has to
        // do something.
        case "exception_002", "exception_006", "exception_007", "exception_008", "exception_009", "exception_018":
            .progress(.heldActionRequired)
        case "exception_003", "exception_010": .progress(.returning)
        // Customs, external factors, processing, weather, a late flight.
        case "exception_004", "exception_005", "exception_016", "exception_017", "exception_019": .delay
        case "exception_011": .progress(.returned)
        case "exception_012": .progress(.damaged)
        // The last is destroyed, or thrown away.
        case "exception_013", "exception_021": .progress(.lost)
        default: nil
        }
    }
}
