import FoundationEssentials
import JSON
import Time

/// A parcel as the extensions Shipment Tracking and AfterShip note it in an order's `meta_data`. WooCommerce itself knows of
/// none. Pure.
struct WooCommerceParcel: Hashable, Sendable {
    let id: String
    let carrier: String?
    let trackingNumber: String?
    let trackingURL: String?
    let shippedAt: Instant?

    /// Where a shop has both extensions, the second may repeat what the first has noted.
    private static let keys = ["_wc_shipment_tracking_items", "_aftership_tracking_items"]

    /// Anything may stand in `meta_data`: what does not look like a parcel is none.
    static func told(_ body: BodyReader) throws(Poison) -> [WooCommerceParcel] {
        var parcels: [WooCommerceParcel] = []
        var seen: Set<String> = []
        for key in keys {
            let numbers = Set(parcels.compactMap(\.number))
            for parcel in all(body, key) where seen.insert(parcel.id).inserted {
                guard parcel.number.map({ !numbers.contains($0) }) ?? true else { continue }
                parcels.append(parcel)
            }
        }
        return parcels
    }

    private static func all(_ body: BodyReader, _ key: String) -> [WooCommerceParcel] {
        (body.object["meta_data"]?.arrayValue ?? []).filter { $0["key"]?.stringValue == key }.flatMap { meta in
            // PHP writes an array of which one was taken out as an object.
            let items = meta["value"]?.arrayValue ?? meta["value"]?.objectValue?.map(\.value) ?? []
            return items.compactMap(\.objectValue).compactMap { WooCommerceParcel($0) }
        }
    }

    private var number: TrackingNumber? { trackingNumber.flatMap { TrackingNumber($0) } }

    private init?(_ item: JSONObject) {
        func text(_ name: String) -> String? {
            let text = item[name]?.stringValue ?? item[name]?.numberValue?.text ?? ""
            return text.isEmpty || text.utf8.contains(0) ? nil : text
        }
        trackingNumber = text("tracking_number")
        guard let id = text("tracking_id") ?? trackingNumber, id.utf8.count <= 255 else { return nil }
        self.id = id
        carrier = text("custom_tracking_provider") ?? text("tracking_provider") ?? text("slug")
        // It may end up in a customer's mail.
        trackingURL = text("custom_tracking_link").flatMap { url in
            url.hasPrefix("https://") || url.hasPrefix("http://") ? url : nil
        }
        // A day, as the seconds of its beginning; and no such day is centuries away.
        shippedAt = text("date_shipped").flatMap { Int64($0) }.flatMap { seconds in
            (1...9_999_999_999).contains(seconds) ? Instant(seconds: seconds) : nil
        }
    }

    func statement(_ stamp: Stamp) -> ShipmentStatement {
        ShipmentStatement(
            externalID: id,
            stamp: stamp,
            told: [.carrier, .trackingNumber, .trackingURL],
            values: ShipmentValues(carrier: carrier, trackingNumber: trackingNumber, trackingURL: trackingURL),
            shippedAt: shippedAt,
            deliveredAt: nil
        )
    }

    /// For the stamp of the order it stands in.
    var json: JSON {
        func text(_ text: String?) -> JSON { text.map { .string($0) } ?? nil }
        return [
            "id": .string(id), "carrier": text(carrier), "number": text(trackingNumber), "url": text(trackingURL),
            "shipped_at": shippedAt.map { .number(JSONNumber($0.microseconds)) } ?? nil,
        ]
    }
}
