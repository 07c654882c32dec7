import Crypto
import FoundationEssentials
import Time

/// What a tracking provider says of one parcel: the whole of it, every time, whichever provider it is.
struct TrackingUpdate: Hashable, Sendable {
    /// Nil for what a shop passes on over the API.
    let provider: Connection.Provider?
    let number: TrackingNumber
    /// As the provider calls it.
    let carrier: String?
    /// The provider's id of what it tracks.
    let tracker: String?
    /// When the provider had it like this; where it does not say, when we were told.
    let saidAt: Instant
    let status: TrackingWord
    let estimatedDelivery: LocalDate?
    let signedBy: String?
    let scans: [Scan]

    /// What happened to the parcel once, somewhere.
    struct Scan: Hashable, Sendable {
        let word: TrackingWord
        let message: String?
        let place: String?
        let time: CarrierTime
        /// Where whoever tells it has an id for it that stays.
        var id: String?
    }
}

/// A provider's word for where a parcel is, and ours.
struct TrackingWord: Hashable, Sendable {
    let kind: TrackingEvent.Kind
    /// All of theirs: status and detail.
    let raw: String?
    /// It is none of the words that the provider is known to use.
    let isUnheardOf: Bool

    /// - Parameter kind: nil for a word that is not known.
    init(_ kind: TrackingEvent.Kind?, _ status: String?, _ detail: String?) {
        self.kind = kind ?? .progress(.unknown)
        raw = status.map { status in detail.map { "\(status)/\($0)" } ?? status } ?? detail
        isUnheardOf = kind == nil && raw != nil
    }
}

extension TrackingUpdate {
    /// Who tells it, by name.
    var source: String { provider?.rawValue ?? Tracker.api }

    /// Its scans as reports; and its status as one more where no scan says so, such as that a parcel is lost.
    ///
    /// A report's key is made of what it says: no provider gives a scan an id that stays.
    func events(receivedAt: Instant) -> [TrackingEvent] {
        var events: [TrackingEvent] = []
        var keys: Set<String> = []
        for scan in scans + (summary.map { [$0] } ?? []) {
            let event = event(of: scan, receivedAt: receivedAt)
            if keys.insert(event.externalID).inserted { events.append(event) }
        }
        return events
    }

    /// Words that only a newer version of this program may know.
    var unheardOf: [String] {
        var words: [String] = []
        for word in [status] + scans.map(\.word) where word.isUnheardOf {
            guard let raw = word.raw, !words.contains(raw) else { continue }
            words.append(raw)
        }
        return words
    }

    /// What the status says beyond the scans. Its time is when the provider had it so, which is after it happened. So
    /// where there are scans, it is no evidence of how far the parcel had come, and only an end or an exception counts.
    private var summary: Scan? {
        guard !scans.contains(where: { $0.word.kind == status.kind }) else { return nil }
        switch status.kind {
        case .progress(.unknown):
            return nil
        case .delay, .progress(.labelCreated), .progress(.pickedUp), .progress(.inTransit),
            .progress(.outForDelivery), .progress(.attempted):
            guard scans.isEmpty else { return nil }
        case .progress:
            break
        }
        return Scan(word: status, message: nil, place: nil, time: CarrierTime(knownBy: saidAt))
    }

    private func event(of scan: Scan, receivedAt: Instant) -> TrackingEvent {
        TrackingEvent(
            externalID: key(of: scan),
            kind: scan.word.kind,
            raw: scan.word.raw,
            message: scan.message,
            happenedAt: scan.time.latest,
            receivedAt: receivedAt,
            precision: scan.time.precision,
            localTime: scan.time.local,
            place: scan.place,
            number: number
        )
    }

    /// `easypost:` and a hash. Without what may change of one scan: the provider's own times.
    private func key(of scan: Scan) -> String {
        if let id = scan.id { return "\(source):\(id)" }
        let time =
            switch scan.time.precision {
            case .exact: scan.time.latest.rfc3339Exact
            case .local: scan.time.local ?? ""
            case .reported: "reported"
            }
        let parts = [
            number.key, Carrier.normalized(carrier), scan.word.kind.rawValue, scan.word.raw ?? "", time,
            scan.message ?? "", scan.place ?? "",
        ]
        var hasher = SHA256()
        // Each part comes with its length, so that no two scans give the same bytes.
        for part in parts {
            withUnsafeBytes(of: UInt64(part.utf8.count).bigEndian) { hasher.update(bufferPointer: $0) }
            hasher.update(data: Array(part.utf8))
        }
        return "\(source):\(Base64URL.encode(Array(hasher.finalize().prefix(18))))"
    }
}
