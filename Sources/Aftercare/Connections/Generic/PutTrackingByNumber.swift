import FoundationEssentials
import JSON
import Time

/// One report of a carrier that a shop passes on, by the parcel's number. Pure.
struct PutTrackingByNumber: Hashable, Sendable {
    let number: TrackingNumber
    let carrier: String?
    let event: PutOrder.Event

    /// By itself: what is wrong with it does not hold up the others.
    static func read(_ json: JSON) -> Result<PutTrackingByNumber, PutOrderEntry.Rejection> {
        do throws(FieldErrors) {
            return .success(try FieldReader.read(json, PutTrackingByNumber.init))
        } catch {
            return .failure(
                PutOrderEntry.Rejection(
                    externalID: PutOrderEntry.id(json["external_id"]),
                    code: .validationFailed,
                    detail: Problem(error).detail,
                    errors: error.errors
                )
            )
        }
    }

    /// Rejected where it tells of a time far ahead.
    func noLater(than end: Instant) -> Result<PutTrackingByNumber, PutOrderEntry.Rejection> {
        let time = ToldTime(path: ["happened_at"], instant: event.happenedAt)
        guard time.instant > end else { return .success(self) }
        let errors = [time.error]
        return .failure(
            PutOrderEntry.Rejection(
                externalID: event.externalID,
                code: .validationFailed,
                detail: Problem(FieldErrors(errors)).detail,
                errors: errors
            )
        )
    }

    private init(_ body: inout FieldReader) throws(FieldErrors) {
        let number = body.required("tracking_number", .trackingNumber)
        let carrier = body.optional("carrier", .string(1...255))
        let event = try PutOrder.Event(&body)
        (self.number, self.carrier, self.event) = try body.finish(number, carrier, event)
    }

    /// What it comes to, as any tracking provider's word.
    var update: TrackingUpdate {
        let word = TrackingWord(event.kind, event.raw, nil)
        return TrackingUpdate(
            provider: nil,
            number: number,
            carrier: carrier,
            tracker: nil,
            saidAt: event.happenedAt,
            status: word,
            estimatedDelivery: nil,
            signedBy: nil,
            scans: [
                TrackingUpdate.Scan(
                    word: word,
                    message: event.message,
                    place: nil,
                    time: CarrierTime(event.happenedAt.rfc3339Exact, known: event.happenedAt),
                    id: event.externalID
                )
            ]
        )
    }
}

extension FieldRule<TrackingNumber> {
    fileprivate static var trackingNumber: Self {
        .parsed("a number of visible ASCII characters", length: 1...255) { TrackingNumber($0) }
    }
}
