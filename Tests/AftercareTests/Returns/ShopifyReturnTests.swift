import JSON
import Support
import Testing
import Time

@testable import Aftercare

@Suite struct `Shopify's returns` {
    private static let saidAt = Instant(seconds: 1_780_000_000)

    private static func understand(_ topic: String, _ body: [UInt8]) throws(Poison) -> Understanding {
        try Shopify.understand(topic: topic, body: body, receivedAt: saidAt + .seconds(3600), saidAt: saidAt)
    }

    private static func change(_ topic: String, _ body: [UInt8]) throws -> ReturnChange {
        guard case .return(let change) = try understand(topic, body) else {
            throw NeverHappened(description: "\(topic) is no return")
        }
        return change
    }

    @Test func `a request names its order and all of its lines, and counts from when it was sent`() throws {
        let change = try Self.change("returns/request", ReturnBody.whole("requested"))
        #expect(change.externalID == ReturnBody.id && change.order == ReturnBody.order)
        let statement = change.statement
        #expect(statement.told == [.reported, .name, .announced] && statement.stamp.at == Self.saidAt)
        #expect(statement.values.reported == .requested && statement.values.reportedRaw == "requested")
        #expect(
            statement.values.announced == [
                AnnouncedLine(
                    externalID: ReturnBody.line,
                    orderLine: "9107199254740993001",
                    quantity: 3,
                    reason: "size_too_small",
                    note: "Too tight."
                )
            ]
        )
    }

    @Test(arguments: [
        ("requested", ReturnState.requested), ("OPEN", .approved), ("open", .approved), ("declined", .declined),
        ("CLOSED", .resolved), ("canceled", .cancelled), ("teleported", .unknown),
    ])
    func `a status is one of ours, and keeps its word`(_ raw: String, _ state: ReturnState) throws {
        let statement = try Self.change("returns/close", ReturnBody.bare(raw)).statement
        #expect(statement.values.reported == state && statement.values.reportedRaw == raw)
    }

    @Test func `a body may name the order by its id alone, or not at all`() throws {
        #expect(try Self.change("returns/close", ReturnBody.bare("closed")).order == nil)
        let named = Array(#"{"id":1,"order_id":7,"status":"closed"}"#.utf8)
        #expect(try Self.change("returns/close", named).order == "7")
    }

    @Test func `a refusal keeps its reason`() throws {
        let body = Array(#"{"id":1,"status":"declined","decline":{"reason":"RETURN_PERIOD_ENDED","note":"n"}}"#.utf8)
        let statement = try Self.change("returns/decline", body).statement
        #expect(statement.values.declineReason == "return_period_ended")
    }

    @Test func `a list that is shorter than it says tells nothing of the lines`() throws {
        let body = Array(
            #"{"id":1,"status":"open","total_return_line_items":2,"return_line_items":[{"id":5,"quantity":1}]}"#.utf8
        )
        #expect(try Self.change("returns/approve", body).statement.told == [.reported])
    }

    @Test func `a label names the return and no order`() throws {
        let change = try Self.change("reverse_deliveries/attach_deliverable", ReturnBody.label())
        #expect(change.externalID == ReturnBody.id && change.order == nil)
        #expect(change.statement.told == [.tracking, .label])
        #expect(change.statement.values.trackingNumber == "T-9" && change.statement.values.carrier == "DHL")
    }

    @Test func `what tells only a difference, or names no return, is ignored by name`() throws {
        let update = Array(
            """
            {"admin_graphql_api_id":"gid://shopify/Return/1",
             "return_line_items":{"removals":[{"admin_graphql_api_id":"gid://shopify/ReturnLineItem/2","delta":1}]}}
            """.utf8
        )
        #expect(try Self.understand("returns/update", update) == .ignored(.returnDifferencesNotMirrored))
        let dispose = Array(#"{"id":1,"dispositions":[{"quantity":1,"type":"RESTOCKED"}]}"#.utf8)
        #expect(try Self.understand("reverse_fulfillment_orders/dispose", dispose) == .ignored(.namesNoReturn))
    }

    @Test(arguments: [
        ("returns/request", "{}", "missing_id:admin_graphql_api_id"),
        ("returns/request", #"{"id":{},"status":"open"}"#, "unreadable_id:id"),
        ("returns/request", #"{"id":1,"status":[]}"#, "unreadable_text:status"),
        ("returns/request", #"{"id":1,"status":"open","order":{}}"#, "missing_id:id"),
        ("returns/approve", #"{"id":1,"status":"open","updated_at":"soon"}"#, "unreadable_time:updated_at"),
        (
            "returns/approve", #"{"id":1,"status":"open","return_line_items":[{"id":2,"quantity":"many"}]}"#,
            "unreadable_number:quantity"
        ),
        ("reverse_deliveries/attach_deliverable", #"{"id":1}"#, "missing_id:return"),
        ("returns/update", #"{"restocking_fees":{}}"#, "missing_id:admin_graphql_api_id"),
    ])
    func `poison has a name`(_ topic: String, _ body: String, _ reason: String) {
        #expect { try Self.understand(topic, Array(body.utf8)) } throws: { "\($0)" == reason }
    }

    @Test(.enabled(if: SharedData.isThere, "\(SharedData.absent)"))
    func `a real request has times of its own`() throws {
        let change = try Self.change("returns/request", SharedData.bytes("webhooks/shopify/returns__request.json"))
        #expect(change.externalID == "246" && change.order == "123")
        #expect(change.statement.stamp.at?.rfc3339 == "2026-06-23T18:11:00.000Z")
        #expect(change.statement.requestedAt?.rfc3339 == "2026-06-23T18:10:00.000Z")
    }
}
