import FoundationEssentials
import JSON
import Time

/// What a store has decided about its after-purchase care. One document, in versions: the decision, the message and
/// what people are shown all read the same one.
struct Policy: Hashable, Sendable {
    /// When customers are asked how it went.
    struct FollowUp: Hashable, Sendable {
        static let days = 0...60

        let daysAfterDelivery: Int
        let localTime: LocalTimeOfDay
    }

    static let expiry = 1...720

    /// The store's local hours in which no follow-up leaves.
    let quietHours: QuietHours?
    let followUp: FollowUp
    /// A follow-up that could not leave this many hours after its time never does.
    let expiresAfterHours: Int

    /// What a new store starts with.
    static let initial = Policy(
        quietHours: try? QuietHours(from: .hour(21), to: .hour(8)),
        followUp: FollowUp(daysAfterDelivery: 3, localTime: .hour(10)),
        expiresAfterHours: 48
    )
}

/// A published policy; versions are never changed.
struct PolicyVersion: Hashable, Sendable {
    let version: Int
    let policy: Policy
}

// MARK: The document

extension Policy {
    init(_ document: inout FieldReader) throws(FieldErrors) {
        (quietHours, followUp, expiresAfterHours) = try document.finish(
            document.optional("quiet_hours", .quietHours),
            document.required("follow_up", .object(FollowUp.init)),
            document.required("expires_after_hours", .int(Self.expiry))
        )
    }

    var json: JSON {
        [
            "quiet_hours": quietHours.map { ["from": "\($0.start)", "to": "\($0.end)"] } ?? nil,
            "follow_up": [
                "days_after_delivery": JSON.number(JSONNumber(followUp.daysAfterDelivery)),
                "local_time": "\(followUp.localTime)",
            ],
            "expires_after_hours": JSON.number(JSONNumber(expiresAfterHours)),
        ]
    }
}

extension Policy.FollowUp {
    fileprivate init(_ document: inout FieldReader) throws(FieldErrors) {
        (daysAfterDelivery, localTime) = try document.finish(
            document.required("days_after_delivery", .int(Self.days)),
            document.required("local_time", .localTime)
        )
    }
}

extension FieldRule<LocalTimeOfDay> {
    static var localTime: Self { .parsed("a time of day such as 10:00", length: 5...8) { LocalTimeOfDay($0) } }
}

extension FieldRule<QuietHours> {
    fileprivate static var quietHours: Self {
        FieldRule<(LocalTimeOfDay, LocalTimeOfDay)>
            .object { (hours) throws(FieldErrors) in
                try hours.finish(hours.required("from", .localTime), hours.required("to", .localTime))
            }
            .refined(.outOfRange, "must not begin and end at the same time") { from, to in
                try? QuietHours(from: from, to: to)
            }
    }
}

extension LocalTimeOfDay {
    /// A full hour of the day; hours past the last one wrap.
    static func hour(_ hour: Int) -> LocalTimeOfDay { LocalTimeOfDay(hour: hour % 24, minute: 0) ?? .midnight }
}
