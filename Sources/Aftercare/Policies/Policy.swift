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

    /// What customers are told about their refunds, and when.
    struct Refunds: Hashable, Sendable {
        static let days = 1...60
        static let expiry = 1...90

        /// A refund whose money has not moved by then is late, and the customer is told at that local time.
        let delayedAfterDays: Int
        let localTime: LocalTimeOfDay
        /// How long a bank takes to show the money, in words for the customer.
        let bankTime: String
        /// What became known later than this is no news any more, and is not told.
        let noticesExpireAfterDays: Int

        /// What a new store starts with, and what a policy without this section means.
        static let initial = Refunds(
            delayedAfterDays: 7,
            localTime: .hour(10),
            bankTime: "5 to 10 business days",
            noticesExpireAfterDays: 14
        )
    }

    /// When a parcel has been silent for too long.
    struct Tracking: Hashable, Sendable {
        static let days = 1...60

        /// A person looks for a parcel on its way of which nothing was heard for as long.
        let silentAfterDays: Int

        /// What a new store starts with, and what a policy without this section means.
        static let initial = Tracking(silentAfterDays: 7)
    }

    static let expiry = 1...720

    /// The store's local hours in which no follow-up leaves.
    let quietHours: QuietHours?
    let followUp: FollowUp
    let refunds: Refunds
    var tracking = Tracking.initial
    /// A follow-up that could not leave this many hours after its time never does.
    let expiresAfterHours: Int

    /// What a new store starts with.
    static let initial = Policy(
        quietHours: try? QuietHours(from: .hour(21), to: .hour(8)),
        followUp: FollowUp(daysAfterDelivery: 3, localTime: .hour(10)),
        refunds: .initial,
        tracking: .initial,
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
        (quietHours, followUp, refunds, tracking, expiresAfterHours) = try document.finish(
            document.optional("quiet_hours", .quietHours),
            document.required("follow_up", .object(FollowUp.init)),
            // Policies that were published before there were such sections go on being read.
            document.optional("refunds", .object(Refunds.init)).map { $0 ?? .initial },
            document.optional("tracking", .object(Tracking.init)).map { $0 ?? .initial },
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
            "refunds": [
                "delayed_after_days": JSON.number(JSONNumber(refunds.delayedAfterDays)),
                "local_time": "\(refunds.localTime)",
                "bank_time": JSON.string(refunds.bankTime),
                "notices_expire_after_days": JSON.number(JSONNumber(refunds.noticesExpireAfterDays)),
            ],
            "tracking": ["silent_after_days": JSON.number(JSONNumber(tracking.silentAfterDays))],
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

extension Policy.Refunds {
    fileprivate init(_ document: inout FieldReader) throws(FieldErrors) {
        (delayedAfterDays, localTime, bankTime, noticesExpireAfterDays) = try document.finish(
            document.required("delayed_after_days", .int(Self.days)),
            document.required("local_time", .localTime),
            document.required("bank_time", .string(1...100)),
            document.required("notices_expire_after_days", .int(Self.expiry))
        )
    }
}

extension Policy.Tracking {
    fileprivate init(_ document: inout FieldReader) throws(FieldErrors) {
        silentAfterDays = try document.finish(document.required("silent_after_days", .int(Self.days)))
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
