import FoundationEssentials
import Postgres
import Support
import Testing
import Time

@testable import Aftercare

/// What is looked at again at the last moment, in the marking transaction. Edge cases 22, 24 and 33.
@Suite(.enabled(if: MailSink.isThere, "\(MailSink.absent)"), .timeLimit(.minutes(2)))
struct SendTimeTests {
    private static let noon = "2026-03-10T11:00:00Z"

    /// A follow-up that may leave until the day after, by a store clock that shows noon.
    private func followUp(_ room: Mailroom) async throws -> MessageID {
        try await room.setClock(Self.noon)
        return try await room.message { seed in
            seed.messageClass = .followUp
            seed.notAfter = try? .at("2026-03-11T11:00:00Z")
        }
    }

    private func expectDropped(_ id: MessageID, _ reason: DeclineReason, _ room: Mailroom) async throws {
        try await room.sending { try await room.wait(for: id, .expired) }
        let (message, attempts) = try await room.look(id)
        #expect(message.reason == reason.rawValue)
        #expect(attempts.isEmpty)
        #expect(try await room.jobs(id).isEmpty)
        #expect(room.sink.taken.isEmpty)
    }

    @Test func `a follow-up in time goes out`() async throws {
        try await Mailroom.run { room in
            let id = try await followUp(room)
            try await room.sending { try await room.wait(for: id, .accepted) }
        }
    }

    @Test func `a follow-up that waited for days behind a broken mail server never leaves`() async throws {
        try await Mailroom.run { room in
            let id = try await followUp(room)
            // Nobody listens there.
            try await room.sending(by: room.transport(port: 1)) {
                try await eventually { try await room.look(id).attempts.first?.outcome == .refused }
                try await eventually { try await room.jobs(id).first?.state == "ready" }
            }
            try await room.setClock("2026-03-11T11:00:01Z")
            try await room.makeDue()
            try await room.sending { try await room.wait(for: id, .expired) }
            #expect(try await room.look(id).message.reason == "expired")
            #expect(room.sink.taken.isEmpty)
        }
    }

    @Test(arguments: [
        ("UPDATE orders SET lifecycle_status = 'cancelled'", DeclineReason.orderCancelled),
        ("UPDATE orders SET lifecycle_status = 'deleted'", .orderDeleted),
        ("UPDATE orders SET financial_status = 'refunded'", .orderRefunded),
        ("UPDATE workflows SET rollout = 'off'", .workflowOff),
    ])
    func `what happened since it was decided on stops a follow-up`(change: String, reason: DeclineReason) async throws {
        try await Mailroom.run { room in
            let id = try await followUp(room)
            try await room.execute(SQL(unsafe: change))
            try await expectDropped(id, reason, room)
        }
    }

    @Test func `a parcel that is on its way back stops a follow-up`() async throws {
        try await Mailroom.run { room in
            try await room.setClock(Self.noon)
            let arrived = try await room.message {
                $0.messageClass = .followUp
                $0.parcel = ("1", "delivered")
            }
            try await room.sending { try await room.wait(for: arrived, .accepted) }
            let returning = try await room.message {
                $0.messageClass = .followUp
                $0.parcel = ("2", "returning")
            }
            try await room.sending { try await room.wait(for: returning, .expired) }
            #expect(try await room.look(returning).message.reason == "not_delivered")
            #expect(room.sink.taken == [arrived.description])
        }
    }

    @Test func `at night a follow-up waits for the morning, and a transactional message does not`() async throws {
        try await Mailroom.run { room in
            let id = try await followUp(room)
            // Eleven at night in Berlin.
            try await room.setClock("2026-03-10T22:00:00Z")
            let notice = try await room.message()
            try await room.sending {
                try await room.wait(for: notice, .accepted)
                try await eventually { try await room.look(id).message.reason == DeliverMessage.quiet }
                try await eventually { try await room.jobs(id).first?.state == "ready" }
                #expect(try await room.look(id).message.state == .queued)
                #expect(try await room.look(id).attempts.isEmpty)
                // Eight in the morning.
                try await room.setClock("2026-03-11T07:00:00Z")
                try await room.makeDue()
                try await room.wait(for: id, .accepted)
            }
            #expect(room.sink.taken == [notice.description, id.description])
        }
    }

    @Test func `a store that lives by real time has its follow-up run again when the quiet hours end`() async throws {
        try await Mailroom.run { room in
            // Quiet from an hour ago to an hour ahead, whatever the time is now.
            let now = room.environment.clock.now()
            let zone = try #require(Zone("Europe/Berlin"))
            func hour(_ offset: Int) -> LocalTimeOfDay {
                .hour(zone.local(at: now + .seconds(offset * 3600)).time.hour)
            }
            let quiet = try QuietHours(from: hour(-1), to: hour(2))
            let policy = Policy(
                quietHours: quiet,
                followUp: Policy.initial.followUp,
                refunds: .initial,
                expiresAfterHours: 48
            )
            let published = PolicyVersion(version: 2, policy: policy)
            _ = try await room.environment.pool.transaction(
                room.environment.settings(for: room.tenant.uuid),
                PolicyStore.insert(published, store: room.demo.store, tenant: room.tenant, now: now)
            )
            let id = try await room.message { $0.messageClass = .followUp }
            try await room.sending {
                try await eventually { try await room.look(id).message.reason == DeliverMessage.quiet }
                let end = try #require(quiet.end(ifQuietAt: now, in: zone))
                try await eventually { try await room.jobs(id).first?.runAt == end }
            }
            #expect(room.sink.taken.isEmpty)
        }
    }
}
