import FoundationEssentials
import JSON
import Time

/// The bodies of Shopify's `returns/*` and `reverse_deliveries/attach_deliverable`, read. Pure.
///
/// Most of them have no time of their own, so they count from when the shop sent them; and some name no order.
enum ShopifyReturn {
    /// Nil where a body tells only how the return differs from what it was (`returns/update`): applied twice, a
    /// difference counts twice.
    static func change(_ body: BodyReader, saidAt: Instant) throws(Poison) -> ReturnChange? {
        let hasStatus = body.contains("status")
        let lines = try announced(body)
        guard hasStatus || lines != nil else {
            _ = try id(body)
            return nil
        }
        let time = try body.time("updated_at") ?? saidAt
        var statement = ReturnStatement(stamp: body.stamp(members, at: time))
        if hasStatus {
            let raw = try body.text("status")
            statement.told.insert(.reported)
            (statement.values.reported, statement.values.reportedRaw) = (state(raw), raw)
            if statement.values.reported == .requested { statement.requestedAt = try body.time("created_at") }
            if statement.values.reported == .resolved { statement.happenedAt = try body.time("closed_at") }
        }
        if body.contains("name") {
            statement.told.insert(.name)
            statement.values.name = try body.text("name")
        }
        if let decline = try body.member("decline") {
            statement.told.insert(.declineReason)
            statement.values.declineReason = try decline.text("reason")?.lowercased()
        }
        if let lines {
            statement.told.insert(.announced)
            statement.values.announced = lines
        }
        return ReturnChange(
            externalID: try id(body),
            order: try order(body),
            statement: statement,
            openedAt: try body.time("created_at")
        )
    }

    private static let members = [
        "id", "admin_graphql_api_id", "status", "name", "decline", "return_line_items", "created_at",
    ]

    /// A label or a tracking number for the way back. The body names the return, and no order.
    static func deliverable(_ body: BodyReader, saidAt: Instant) throws(Poison) -> ReturnChange {
        guard let parent = try body.member("return") else { throw Poison(.missingID, "return") }
        var statement = ReturnStatement(stamp: body.stamp(["return", "shipping_deliverable"], at: saidAt))
        let deliverable = try body.member("shipping_deliverable")
        if let tracking = try deliverable?.member("tracking") {
            statement.told.insert(.tracking)
            statement.values.carrier = try tracking.text("carrier_name")
            statement.values.trackingNumber = try tracking.text("tracking_number")
            statement.values.trackingURL = try tracking.text("tracking_url")
        }
        if let label = try deliverable?.member("label") {
            statement.told.insert(.label)
            statement.values.labelURL = try label.text("public_file_url")
        }
        return ReturnChange(externalID: try id(parent), order: try order(body), statement: statement)
    }

    private static func id(_ body: BodyReader) throws(Poison) -> String {
        try body.id(body.contains("id") ? "id" : "admin_graphql_api_id")
    }

    private static func order(_ body: BodyReader) throws(Poison) -> String? {
        if let order = try body.member("order") { return try order.id("id") }
        return body.object["order_id"]?.isNull == false ? try body.id("order_id") : nil
    }

    /// All that is to come back. Nil where the body has no list, or has left some of it out.
    private static func announced(_ body: BodyReader) throws(Poison) -> [AnnouncedLine]? {
        guard body.object["return_line_items"]?.arrayValue != nil else { return nil }
        var lines: [AnnouncedLine] = []
        var seen: Set<String> = []
        for item in try body.list("return_line_items") {
            let id = try id(item)
            guard seen.insert(id).inserted else { continue }
            let line = try item.member("fulfillment_line_item")?.member("line_item")
            let notes = [try item.text("customer_note"), try item.text("return_reason_note")]
            lines.append(
                AnnouncedLine(
                    externalID: id,
                    orderLine: try line.map { (line) throws(Poison) in try ShopifyReturn.id(line) },
                    quantity: max(0, try item.quantity("quantity")),
                    reason: try item.text("return_reason")?.lowercased(),
                    note: notes.compactMap { $0 }.first { !$0.isEmpty }
                )
            )
        }
        let total = body.contains("total_return_line_items") ? try body.quantity("total_return_line_items") : 0
        return lines.count >= max(total, 1) ? lines : nil
    }

    static func state(_ raw: String?) -> ReturnState {
        switch raw?.lowercased() {
        case "requested": .requested
        case "open": .approved
        case "declined": .declined
        case "closed", "close": .resolved
        case "canceled", "cancelled": .cancelled
        default: .unknown
        }
    }
}
