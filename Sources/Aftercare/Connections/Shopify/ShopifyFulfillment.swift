import FoundationEssentials
import JSON
import Time

/// The bodies of Shopify's `fulfillments/*` and `fulfillment_events/*` topics, read. Pure.
enum ShopifyFulfillment {
    /// - Parameter sentAt: when the shop sent it, which counts where it does not say when it was true.
    static func changes(_ body: BodyReader, receivedAt: Instant, sentAt: Instant? = nil) throws(Poison) -> [OrderChange]
    {
        let statement = try statement(body, receivedAt: receivedAt, sentAt: sentAt)
        return [OrderChange(order: try body.id("order_id"), content: .shipment(statement))]
    }

    static func eventChanges(_ body: BodyReader, receivedAt: Instant) throws(Poison) -> [OrderChange] {
        let raw = try body.text("status")
        var happenedAt = try body.time("happened_at", "created_at", "updated_at")
        // Apps set it as they like: one of a day to come would be the latest of its parcel until then.
        let toldAt = try body.time("created_at") ?? receivedAt
        if let at = happenedAt, at > toldAt + .seconds(86_400) { happenedAt = toldAt }
        let place = [try body.words("city"), try body.words("province"), try body.words("country")]
        let event = TrackingEvent(
            externalID: try body.id("id"),
            kind: raw?.lowercased() == "delayed" ? .delay : .progress(status(raw)),
            raw: raw,
            message: try body.words("message"),
            happenedAt: happenedAt ?? receivedAt,
            receivedAt: receivedAt,
            place: place.contains { $0 != nil } ? place.compactMap(\.self).joined(separator: ", ") : nil
        )
        let shipment = try body.id("fulfillment_id")
        return [OrderChange(order: try body.id("order_id"), content: .tracking(event, shipment: shipment))]
    }

    private static let members = [
        "id", "status", "shipment_status", "tracking_company", "tracking_number", "tracking_numbers", "tracking_url",
        "tracking_urls", "created_at",
    ]

    static func statement(
        _ body: BodyReader,
        receivedAt: Instant,
        sentAt: Instant? = nil
    ) throws(Poison) -> ShipmentStatement {
        var told: Set<ShipmentField> = []
        var values = ShipmentValues()
        if body.contains("tracking_company") {
            told.insert(.carrier)
            values.carrier = try body.words("tracking_company")
        }
        // A fulfillment of several parcels lists several numbers; the first is the one shown.
        if body.contains("tracking_number", "tracking_numbers") {
            told.insert(.trackingNumber)
            values.trackingNumber = try body.words("tracking_number") ?? first(body, "tracking_numbers")
        }
        if body.contains("tracking_url", "tracking_urls") {
            told.insert(.trackingURL)
            values.trackingURL = try body.words("tracking_url") ?? first(body, "tracking_urls")
        }
        let status = try body.text("status")
        if body.contains("status", "shipment_status") {
            told.insert(.reported)
            let tracking = try body.text("shipment_status")
            (values.reported, values.reportedRaw) = reported(status: status, tracking: tracking)
        }
        let saidAt = try body.time("updated_at", "created_at") ?? sentAt ?? receivedAt
        let createdAt = try body.time("created_at")
        let isDelivered = values.reported == .delivered
        let isSent = try requiresShipping(body)
        let isShipped = isSent && status?.lowercased() == "success" || values.reported?.impliesShipped == true
        return ShipmentStatement(
            externalID: try body.id("id"),
            stamp: try body.stamp(members, saidAt: sentAt),
            told: told,
            values: values,
            shippedAt: isShipped ? createdAt ?? saidAt : nil,
            deliveredAt: isDelivered ? saidAt : nil
        )
    }

    /// The fulfillment's own status says only whether the request to ship succeeded; the carrier's is the other one.
    private static func reported(status: String?, tracking: String?) -> (ShipmentStatus?, String?) {
        switch status?.lowercased() {
        case "cancelled": (.cancelled, status)
        case "error", "failure": (.failed, status)
        default: tracking.map { (Self.status($0), $0) } ?? (nil, nil)
        }
    }

    /// Gift cards are fulfilled like everything else, and nothing of them is handed to anybody.
    private static func requiresShipping(_ body: BodyReader) throws(Poison) -> Bool {
        if let isSent = body.object["requires_shipping"]?.boolValue { return isSent }
        let lines = try body.list("line_items")
        return lines.isEmpty || lines.contains { $0.object["requires_shipping"]?.boolValue != false }
    }

    private static func first(_ body: BodyReader, _ name: String) -> String? {
        body.object[name]?.arrayValue?.first?.stringValue
    }

    /// Shopify's FulfillmentEventStatus and `shipment_status`.
    static func status(_ raw: String?) -> ShipmentStatus {
        switch raw?.lowercased() {
        case "label_purchased", "label_printed": .labelCreated
        case "carrier_picked_up": .pickedUp
        case "in_transit": .inTransit
        case "out_for_delivery": .outForDelivery
        case "attempted_delivery": .attempted
        case "ready_for_pickup": .pickupReady
        case "buyer_action_required": .heldActionRequired
        case "returning_to_sender": .returning
        case "delivered", "picked_up": .delivered
        case "failure": .failed
        // `confirmed` is what Shopify says when it knows nothing else.
        default: .unknown
        }
    }
}
