import Foundation
import JSON
import Support
import Testing
import Time

@testable import Aftercare

/// Bodies that are almost right: each is an update, ignored or poison, and never a crash. `AFTERCARE_FUZZ=full` tries ten
/// times as many.
@Suite(.timeLimit(.minutes(5))) struct TrackerFuzzTests {
    private static let rounds = ProcessInfo.processInfo.environment["AFTERCARE_FUZZ"] == "full" ? 100_000 : 10_000

    private static func bodies(_ provider: Connection.Provider) -> [[UInt8]] {
        var body = ParcelBody.journey(
            provider,
            ["2026-05-04T10:00:00Z", "2026-05-05T10:00:00", "2026-05-06"],
            number: "1Z999AA10123456784"
        )
        body.signedBy = "A. Lovelace"
        body.estimate = "2026-05-07"
        var real: [[UInt8]] = []
        if SharedData.isThere {
            let files = (try? SharedData.files(below: "carriers/\(provider.rawValue)")) ?? []
            real = files.prefix(3).compactMap { try? SharedData.bytes($0) }
        }
        return [body.bytes, ParcelBody(provider: provider, status: "exception").bytes] + real
    }

    private static let tokens = [
        "null", "true", "-1", "1e999", "9223372036854775808", "\"\"", "\"\\u0000\"", "\"\\ud800\"", "[]", "{}",
        "[null]",
        "\"9999-12-31T23:59:59Z\"", "\"0000-01-01T00:00:00\"", "\"9999-12-31\"", "\"0000-01-01T00:00:00+23:59\"", "[[",
    ].map { Array($0.utf8) }

    private static func mutated(_ body: [UInt8], _ random: inout SeededGenerator) -> [UInt8] {
        var body = body
        for _ in 0..<Int.random(in: 1...3, using: &random) where !body.isEmpty {
            let place = Int.random(in: 0..<body.count, using: &random)
            switch Int.random(in: 0..<14, using: &random) {
            case 0: body[place] = UInt8.random(in: 0...255, using: &random)
            case 1: body.remove(at: place)
            case 2: body.removeSubrange(place..<Swift.min(body.count, place + Int.random(in: 1...40, using: &random)))
            case 3: body.insert(contentsOf: tokens.randomElement(using: &random) ?? [], at: place)
            case 4: body.removeLast(body.count - place)
            default:
                // A whole value for another: what a strange carrier does to an honest provider.
                guard let colon = body[place...].firstIndex(of: UInt8(ascii: ":")) else { continue }
                let end =
                    body[colon...].firstIndex { $0 == UInt8(ascii: ",") || $0 == UInt8(ascii: "}") } ?? body.endIndex
                body.replaceSubrange(body.index(after: colon)..<end, with: tokens.randomElement(using: &random) ?? [])
            }
        }
        return body
    }

    @Test(arguments: Connection.Provider.trackers) func `a mutated body is read or refused`(
        _ provider: Connection.Provider
    ) async throws {
        var random = SeededGenerator(seed: 11)
        let bodies = Self.bodies(provider)
        let event = InboundEvent(
            id: .new(),
            tenant: .new(),
            store: .new(),
            connection: .new(),
            headers: .init(topic: ""),
            state: .received,
            receivedAt: Instant(seconds: 1_778_000_000)
        )
        var (updates, poisons) = (0, 0)
        for _ in 0..<Self.rounds {
            // The other tests' servers run on the same few threads.
            await Task.yield()
            let body = Self.mutated(bodies.randomElement(using: &random) ?? [], &random)
            do throws(Poison) {
                guard case .tracking(let update) = try provider.understand(event, body: body) else { continue }
                updates += 1
                // What follows must stand it too: what is kept comes back as it was.
                var tracker = Tracker(update, receivedAt: event.receivedAt)
                tracker.merge(update, receivedAt: event.receivedAt)
                #expect(Tracker.events(tracker.eventsJSON, of: update.number) == tracker.events)
                var state = OrderState()
                state.values.placedAt = Instant(seconds: 1_777_000_000)
                state.shipments["S"] = Shipment()
                state.shipments["S"]?.values.trackingNumber = update.number.key
                let changes = TrackingMatch.changes([tracker], to: state, of: "1")
                let outcome = OrderMirror.apply(changes, to: state, receivedAt: event.receivedAt)
                _ = TrackingFinding.new(from: state, to: outcome.state)
                _ = OrderConflict.new(from: state, to: outcome.state)
            } catch {
                poisons += 1
            }
        }
        #expect(updates > Self.rounds / 20 && poisons > Self.rounds / 20)
        print("\(provider.rawValue): \(updates) of \(Self.rounds) mutated bodies were read, \(poisons) refused")
    }
}
