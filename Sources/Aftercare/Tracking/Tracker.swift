import FoundationEssentials
import JSON
import Time

/// All that one provider told of one number at one carrier. It is kept whether or not a shipment has that number yet: a
/// carrier may be faster than the shop.
struct Tracker: Hashable, Sendable {
    struct Key: Hashable, Sendable {
        /// Nil for what a shop passes on over the API.
        let provider: Connection.Provider?
        let number: TrackingNumber
        /// `Carrier.normalized`; empty where the provider names none.
        let carrier: String

        var source: String { provider?.rawValue ?? Tracker.api }
    }

    let key: Key
    /// The provider's id of it.
    private(set) var externalID: String?
    /// The newest status it told.
    private(set) var statusRaw: String?
    private(set) var word: TrackerWord
    /// Of all updates, and not of the latest alone: none needs to repeat what another said.
    private(set) var events: [String: TrackingEvent]

    /// Stands for no provider.
    static let api = "api"

    /// The latest are kept. No parcel has as many.
    static let limit = 500

    init(
        key: Key,
        externalID: String?,
        statusRaw: String?,
        word: TrackerWord,
        events: [String: TrackingEvent]
    ) {
        self.key = key
        self.externalID = externalID
        self.statusRaw = statusRaw
        self.word = word
        self.events = events
    }

    init(_ update: TrackingUpdate, receivedAt: Instant) {
        self.init(
            key: update.key,
            externalID: update.tracker,
            statusRaw: update.status.raw,
            word: update.word,
            events: [:]
        )
        merge(update, receivedAt: receivedAt)
    }

    /// Adds what an update of it tells. The order of updates makes no difference.
    mutating func merge(_ update: TrackingUpdate, receivedAt: Instant) {
        let isNewer =
            word == update.word ? (statusRaw ?? "") < (update.status.raw ?? "") : word.precedes(update.word)
        if isNewer { (externalID, statusRaw, word) = (update.tracker, update.status.raw, update.word) }
        for event in update.events(receivedAt: receivedAt) { events.note(event) }
        guard events.count > Self.limit else { return }
        for event in events.values.sorted(by: { $0.precedes($1) }).dropLast(Self.limit) {
            events[event.externalID] = nil
        }
    }
}

extension TrackingUpdate {
    var key: Tracker.Key {
        Tracker.Key(provider: provider, number: number, carrier: Carrier.normalized(carrier))
    }

    var word: TrackerWord {
        TrackerWord(saidAt: saidAt, estimatedDelivery: estimatedDelivery, signedBy: signedBy)
    }
}

// MARK: As it is kept

extension Tracker {
    var eventsJSON: JSON {
        .array(
            events.values.sorted { $0.externalID < $1.externalID }.map { event in
                [
                    "id": .string(event.externalID),
                    "kind": .string(event.kind.rawValue),
                    "raw": event.raw.map { .string($0) } ?? nil,
                    "message": event.message.map { .string($0) } ?? nil,
                    "place": event.place.map { .string($0) } ?? nil,
                    "at": .number(JSONNumber(event.happenedAt.microseconds)),
                    "precision": .string(event.precision.rawValue),
                    "local": event.localTime.map { .string($0) } ?? nil,
                    "received": .number(JSONNumber(event.receivedAt.microseconds)),
                ]
            }
        )
    }

    /// Without those of a newer version of this program, whose words are not ours to judge.
    static func events(_ json: JSON, of number: TrackingNumber) -> [String: TrackingEvent] {
        var events: [String: TrackingEvent] = [:]
        for item in json.arrayValue ?? [] {
            guard let id = item["id"]?.stringValue,
                let kind = item["kind"]?.stringValue.flatMap({ TrackingEvent.Kind(rawValue: $0) }),
                let at = item["at"]?.int64Value, let received = item["received"]?.int64Value,
                let precision = item["precision"]?.stringValue.flatMap({ TrackingEvent.Precision(rawValue: $0) })
            else { continue }
            events[id] = TrackingEvent(
                externalID: id,
                kind: kind,
                raw: item["raw"]?.stringValue,
                message: item["message"]?.stringValue,
                happenedAt: Instant(microseconds: at),
                receivedAt: Instant(microseconds: received),
                precision: precision,
                localTime: item["local"]?.stringValue,
                place: item["place"]?.stringValue,
                number: number
            )
        }
        return events
    }
}
