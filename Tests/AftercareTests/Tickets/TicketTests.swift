import Foundation
import Support
import Testing
import Time

@testable import Aftercare

@Suite struct `Tickets` {
    private static let documentation = Result {
        let path = "\(TestCluster.repository)/Sources/Aftercare/Documentation.docc/Tickets.md"
        return try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").map(String.init)
    }

    private static let agent = Ticket.Actor(name: "usr_a", user: UserID(UUID(bits: 1)))
    private static let other = Ticket.Actor(name: "usr_b", user: UserID(UUID(bits: 2)))
    private static let program = Ticket.Actor(name: "key_c", user: nil)

    private static func ticket(_ kind: Ticket.Kind = .question, at now: Instant) -> Ticket {
        Ticket(
            tenant: TenantID(UUID(bits: 3)),
            store: StoreID(UUID(bits: 4)),
            number: 1,
            subject: "Where is it?",
            kind: kind,
            priority: nil,
            customerEmail: nil,
            customerName: nil,
            order: nil,
            by: program,
            at: now
        )
    }

    @Test func `move between their states as the documentation draws it`() throws {
        var drawn: Set<[String]> = []
        for line in try Self.documentation.get() {
            guard let match = line.firstMatch(of: #/^ +(\w+) --> (\w+): (\w+)/#) else { continue }
            drawn.insert([String(match.1), String(match.3), String(match.2)])
        }
        var allowed: Set<[String]> = []
        for state in Ticket.State.allCases {
            for move in Ticket.Move.allCases {
                guard let next = state.after(move) else { continue }
                allowed.insert([state.rawValue, "\(move)", next.rawValue])
            }
        }
        #expect(drawn.subtracting(allowed) == [] && allowed.subtracting(drawn) == [])
        #expect(allowed.count == 5)
    }

    @Test func `have a target and a title for every kind, which the documentation lists`() throws {
        let rows = try Self.documentation.get().compactMap { line in
            line.firstMatch(of: #/^\| `(\w+)` \| (\d+) \| (.+) \|$/#).map { "\($0.1) \($0.2) \($0.3)" }
        }
        #expect(rows == Ticket.Kind.allCases.map { "\($0.rawValue) \($0.targetMinutes) \($0.title)" })
        for kind in Ticket.Kind.allCases { #expect((10...1440).contains(kind.targetMinutes)) }
    }

    @Test func `are to be taken within the target of their kind`() throws {
        let now = try Instant.at("2026-03-08T09:00:00Z")
        #expect(Self.ticket(.fraudConcern, at: now).respondBy == now + .seconds(30 * 60))
        #expect(Self.ticket(.fraudConcern, at: now).priority == .high)
        #expect(Self.ticket(at: now).priority == .normal)
    }

    private enum Deed: CaseIterable { case pend, resume, close, reopen, assign, unassign, comment }

    /// Any deeds of anybody, one after the other.
    @Test func `keep their rules whatever is done with them`() throws {
        var random = SeededGenerator(seed: 11)
        var refused = 0
        var reached: Set<Ticket.State> = []
        for _ in 0..<300 {
            var now = Instant(seconds: 1_777_896_000)
            var ticket = Self.ticket(at: now)
            for _ in 0..<20 {
                now = now + .seconds(Int.random(in: 1...1000, using: &random))
                let actor = [Self.agent, Self.other, Self.program].randomElement(using: &random) ?? Self.agent
                let before = ticket
                guard let event = Self.attempt(Deed.allCases.randomElement(using: &random), &ticket, actor, now) else {
                    refused += 1
                    #expect(ticket == before)
                    continue
                }
                ticket.changed(by: actor, at: now)
                reached.insert(ticket.state)
                #expect((ticket.state == .closed) == (ticket.closedAt != nil))
                #expect(ticket.version == before.version + 1 && ticket.updatedAt == now)
                // When it was taken is measured once, and a program takes nothing.
                if let taken = before.takenAt { #expect(ticket.takenAt == taken) }
                if actor.user == nil { #expect(ticket.takenAt == before.takenAt) }
                if actor.user != nil, ticket.assignee == actor.user || event?.action == .closed {
                    #expect(ticket.takenAt != nil)
                }
                #expect(event.map { $0.actor == actor.name && $0.createdAt == now } ?? true)
            }
        }
        #expect(reached == Set(Ticket.State.allCases) && refused > 300)
    }

    /// Nil where it is refused; else the event, if there is one.
    private static func attempt(
        _ deed: Deed?,
        _ ticket: inout Ticket,
        _ actor: Ticket.Actor,
        _ now: Instant
    ) -> Ticket.Event?? {
        switch deed {
        case .pend: (try? ticket.move(.pend, by: actor, at: now)).map { $0 }
        case .resume: (try? ticket.move(.resume, by: actor, at: now)).map { $0 }
        case .close: (try? ticket.move(.close, by: actor, at: now)).map { $0 }
        case .reopen: (try? ticket.move(.reopen, by: actor, at: now)).map { $0 }
        case .assign: .some(ticket.assign(to: actor.user ?? other.user, by: actor, at: now))
        case .unassign: .some(ticket.assign(to: nil, by: actor, at: now))
        case .comment, nil: .some(nil)
        }
    }

    @Test func `are not taken by being given to somebody`() throws {
        let now = try Instant.at("2026-03-08T09:00:00Z")
        var ticket = Self.ticket(at: now)
        #expect(ticket.assign(to: Self.agent.user, by: Self.other, at: now)?.action == .assigned)
        ticket.changed(by: Self.other, at: now)
        #expect(ticket.takenAt == nil)
        #expect(ticket.assign(to: Self.agent.user, by: Self.agent, at: now) == nil)
        ticket.changed(by: Self.agent, at: now + .seconds(60))
        #expect(ticket.takenAt == now + .seconds(60))
    }

    @Test func `are announced in plain words, on one line each, whatever customers are called`() throws {
        let now = try Instant.at("2026-03-08T09:00:00Z")
        let store = Store(
            id: StoreID(UUID(bits: 4)),
            tenant: TenantID(UUID(bits: 3)),
            name: "Nord\r\nlicht",
            platform: .other,
            zone: try #require(Zone("Europe/Berlin")),
            currency: "EUR",
            locale: "en",
            mode: .live,
            testClock: nil,
            mailFrom: nil,
            escalationEmail: "care@example.test",
            version: 1,
            createdAt: now,
            updatedAt: now
        )
        let comment = Ticket.Comment(id: .new(), author: "run_x", body: "Payment: unknown.", createdAt: now)
        let ticket = Self.ticket(.unknownOrderData, at: now)
        let text = announce(ticket, orderNumber: "#1001\nBcc: x", comment, of: store, at: "https://api.example")
        #expect(text.subject == "[Ticket 1] Where is it?")
        #expect(text.body.contains("Payment: unknown."))
        #expect(text.body.contains("(order #1001 Bcc: x). A person at Nord  licht is needed."))
        #expect(text.body.contains("by 2026-03-08 14:00 (Europe/Berlin)"))
        #expect(text.body.contains("https://api.example/v1/tickets/\(ticket.id)"))
    }
}
