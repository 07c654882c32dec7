import Foundation
import JSON
import Support
import Testing
import Time

@testable import Aftercare

/// Real bodies of tracking providers, read in place, through the whole receiver.
@Suite(.timeLimit(.minutes(2))) struct TrackerBodiesTests {
    /// Of the others: 17track's are not read, and raw XML is what a carrier says, not what a provider sends.
    private static func files(_ provider: Connection.Provider) throws -> [String] {
        try SharedData.files(below: "carriers/\(provider.rawValue)")
    }

    /// The number and the earliest scan that a body tells, as its bytes say.
    private static func parcel(_ provider: Connection.Provider, _ body: JSON) -> (number: String, first: String?)? {
        let tracked: JSON?
        let list: (name: String, time: String)
        switch provider {
        case .easypost:
            (tracked, list) = (body["result"] ?? body, ("tracking_details", "datetime"))
        case .aftership:
            (tracked, list) = (body["msg"], ("checkpoints", "checkpoint_time"))
        default:
            (tracked, list) = (body["data"], ("tracking_history", "status_date"))
        }
        guard let number = (tracked?["tracking_code"] ?? tracked?["tracking_number"])?.stringValue else { return nil }
        let times = tracked?[list.name]?.arrayValue?.compactMap { $0[list.time]?.stringValue } ?? []
        return (number, times.min())
    }

    /// Why a body changes nothing, as its bytes say; nil for one that does.
    private static func ignored(_ body: JSON) -> String? {
        if body["trackers"] != nil { return "not_an_event" }
        guard let topic = body["description"]?.stringValue else { return nil }
        if !topic.hasPrefix("tracker.") { return "not_about_tracking" }
        return body["result"] == nil ? "event_without_content" : nil
    }

    @Test(.enabled(if: SharedData.isThere, "\(SharedData.absent)"), arguments: Connection.Provider.trackers)
    func `every real body is applied, or ignored by name`(_ provider: Connection.Provider) async throws {
        let tenant = try await TestTenant.make()
        let connection = try await TrackerConnection.make(tenant, provider)
        let files = try Self.files(provider)
        #expect(!files.isEmpty)
        // An order of the day before its first scan for each body: some tell of one number in four years.
        for (index, file) in files.enumerated() {
            let body = try JSON(parsing: SharedData.bytes(file), limits: .foreign)
            guard let (number, first) = Self.parcel(provider, body) else { continue }
            let day = first.flatMap { Instant(rfc3339: "\($0.prefix(10))T00:00:00Z") } ?? tenant.ago(days: 1)
            let placedAt = day - .seconds(86_400)
            try await tenant.putOrder("of-\(index)", numbers: [("P", number)], placedAt: placedAt, carrier: nil)
        }
        for (index, file) in files.enumerated() {
            let body = try JSON(parsing: SharedData.bytes(file), limits: .foreign)
            let answer = try await connection.post(SharedData.bytes(file))
            #expect(answer.status == 200)
            try await tenant.settle()
            let event = try await connection.event(answer)
            let (state, reason) = (event["state"]?.stringValue ?? "", event["reason"]?.stringValue ?? "")
            print("\(file.split(separator: "/").suffix(2).joined(separator: "/")): \(state) \(reason)")
            let expected = Self.ignored(body)
            #expect(state == (expected == nil ? "applied" : "ignored"), "\(file)")
            #expect(reason == expected ?? "", "\(file)")
            guard expected == nil else { continue }
            // Each scan of it is a report of the parcel, once.
            let tracked = body["result"] ?? body["msg"] ?? body["data"] ?? body
            let lists = ["tracking_details", "checkpoints", "tracking_history"].compactMap { tracked[$0]?.arrayValue }
            let scans = Set((lists.first ?? []).map(\.serialized))
            let order = try await tenant.order("of-\(index)")
            let events = order["shipments"]?[0]?["events"]?.arrayValue ?? []
            #expect(events.count >= scans.count && !scans.isEmpty, "\(file)")
            #expect(Set(events.compactMap { $0["external_id"]?.stringValue }).count == events.count)
            #expect(!events.contains { $0["status"] == "unknown" }, "\(file)")
        }
    }

    @Test(.enabled(if: SharedData.isThere, "\(SharedData.absent)"))
    func `AfterShip's times on the wall are kept as they are, in their order`() throws {
        let body = try SharedData.bytes("carriers/aftership/tracking_update-usps-2021.json")
        guard case .tracking(let update) = try AfterShipTracking.understand(body, receivedAt: Instant(seconds: 0))
        else {
            Issue.record("no update")
            return
        }
        let events = update.events(receivedAt: Instant(seconds: 0))
        #expect(events.map(\.precision) == Array(repeating: .local, count: 7))
        #expect(events.map(\.localTime) == events.map(\.localTime).sorted { $0 ?? "" < $1 ?? "" })
        #expect(events.map(\.happenedAt) == events.map(\.happenedAt).sorted())
        #expect(events.first?.happenedAt.rfc3339 == "2021-05-14T01:04:00.000Z")
        // Read of by AfterShip before any clock that is still behind showed it.
        #expect(events.last?.happenedAt.rfc3339 == "2021-05-17T09:05:31.000Z")
        #expect(events.map(\.kind.rawValue).prefix(3) == ["label_created", "picked_up", "in_transit"])
        #expect(
            update.estimatedDelivery?.description == "2021-05-17" && update.saidAt.rfc3339 == "2021-05-17T09:05:31.000Z"
        )
    }
}
