import FoundationEssentials
import JSON
import Support
import Testing
import Time

@testable import Aftercare

@Suite struct `Policy documents` {
    @Test func `a new store's policy is read as it was written`() throws {
        let text = Policy.initial.json.serialized
        #expect(
            text == """
                {"quiet_hours":{"from":"21:00","to":"08:00"},\
                "follow_up":{"days_after_delivery":3,"local_time":"10:00"},\
                "refunds":{"delayed_after_days":7,"local_time":"10:00","bank_time":"5 to 10 business days",\
                "notices_expire_after_days":14},"tracking":{"silent_after_days":7},"expires_after_hours":48}
                """
        )
        #expect(try FieldReader.read(JSON(parsing: text), Policy.init) == .initial)
    }

    @Test func `every policy is read as it was written`() throws {
        var random = SeededGenerator(seed: 1)
        func time() throws -> LocalTimeOfDay {
            let (hour, minute) = (Int.random(in: 0..<24, using: &random), Int.random(in: 0..<60, using: &random))
            return try #require(LocalTimeOfDay(hour: hour, minute: minute))
        }
        for _ in 0..<500 {
            let policy = Policy(
                quietHours: Bool.random(using: &random) ? try? QuietHours(from: time(), to: time()) : nil,
                followUp: .init(
                    daysAfterDelivery: Int.random(in: Policy.FollowUp.days, using: &random),
                    localTime: try time()
                ),
                refunds: .init(
                    delayedAfterDays: Int.random(in: Policy.Refunds.days, using: &random),
                    localTime: try time(),
                    bankTime: ["a week", "3–5 Werktage", "\"soon\""].randomElement(using: &random) ?? "",
                    noticesExpireAfterDays: Int.random(in: Policy.Refunds.expiry, using: &random)
                ),
                tracking: .init(silentAfterDays: Int.random(in: Policy.Tracking.days, using: &random)),
                expiresAfterHours: Int.random(in: Policy.expiry, using: &random)
            )
            #expect(try FieldReader.read(JSON(parsing: policy.json.serialized), Policy.init) == policy)
        }
    }

    @Test(
        arguments: [
            ("quiet_hours", ["from": "08:00", "to": "08:00"], "#/quiet_hours"),
            ("quiet_hours", ["from": "24:00", "to": "08:00"], "#/quiet_hours/from"),
            ("quiet_hours", ["from": "21:00"], "#/quiet_hours/to"),
            ("follow_up", ["days_after_delivery": 61, "local_time": "10:00"], "#/follow_up/days_after_delivery"),
            ("follow_up", ["days_after_delivery": 3, "local_time": "10 am"], "#/follow_up/local_time"),
            ("follow_up", nil, "#/follow_up"),
            ("refunds", ["delayed_after_days": 0], "#/refunds/delayed_after_days"),
            ("refunds", ["bank_time": ""], "#/refunds/bank_time"),
            ("refunds", ["notices_expire_after_days": 91], "#/refunds/notices_expire_after_days"),
            ("refunds", ["bonus": 5], "#/refunds/bonus"),
            ("tracking", ["silent_after_days": 0], "#/tracking/silent_after_days"),
            ("tracking", [:], "#/tracking/silent_after_days"),
            ("expires_after_hours", 0, "#/expires_after_hours"),
            ("expires_after_hours", "48", "#/expires_after_hours"),
            ("discount", 10, "#/discount"),
        ] as [(String, JSON?, String)]
    )
    func `what is not understood is refused and named`(_ name: String, _ value: JSON?, _ pointer: String) {
        var object = Policy.initial.json.objectValue ?? [:]
        object[name] = value
        do throws(FieldErrors) {
            _ = try FieldReader.read(.object(object), Policy.init)
            Issue.record("it was taken")
        } catch {
            #expect(error.errors.contains { $0.pointer == pointer })
        }
    }

    @Test func `a policy from before there was a section about refunds, or tracking, means the usual`() throws {
        var object = Policy.initial.json.objectValue ?? [:]
        (object["refunds"], object["tracking"]) = (nil, nil)
        #expect(try FieldReader.read(.object(object), Policy.init) == .initial)
    }

    @Test func `a store may have no quiet hours`() throws {
        var object = Policy.initial.json.objectValue ?? [:]
        object["quiet_hours"] = .null
        #expect(try FieldReader.read(.object(object), Policy.init).quietHours == nil)
    }
}
