import Foundation
import JSON
import Support
import Testing
import Time

@testable import Aftercare

/// Spoiled webhooks of every provider, read and applied without a database: whatever is in them, nothing crashes, and
/// what was understood changes nothing the second time. `AFTERCARE_FUZZ=full` tries ten times as many.
@Suite struct `Webhook fuzz` {
    private static let bodies = ProcessInfo.processInfo.environment["AFTERCARE_FUZZ"] == "full" ? 10_000 : 1_000
    private static let receivedAt = Instant(seconds: 1_800_000_000)

    @Test(arguments: 0..<10 as Range<UInt64>)
    func `no body of WooCommerce's crashes anything`(_ seed: UInt64) async throws {
        let topics = ["order.created", "order.updated", "order.deleted", "order.restored"]
        let whole = WooOrder.body(
            727,
            ("refunds", [WooOrder.refund(801, "10.00"), WooOrder.refund(802, "39.90", reason: "Sold out")]),
            ("meta_data", WooOrder.tracking(WooOrder.parcel("a1"), WooOrder.parcel("b2")))
        )
        let own = [whole, WooOrder.body(727, minute: 1, ("status", "completed")), ["id": 727]]
        let real = try Self.real("webhooks/woocommerce") { $0["line_items"] != nil && $0["status"] != nil }
        try await Self.fuzz(seed, topics, own + real) {
            try WooCommerce.understand(topic: $0, body: $1, receivedAt: Self.receivedAt)
        }
    }

    @Test(arguments: 0..<10 as Range<UInt64>)
    func `no body of Shopify's crashes anything`(_ seed: UInt64) async throws {
        let topics = ShopifyTopic.allCases.filter { if case .ignored = $0.handling { false } else { true } }
        let own = try ["orders-create", "fulfillments-create", "fulfillment-events-create", "refunds-create"].map {
            let file = URL(filePath: TestCluster.repository).appending(path: "deploy/demo/\($0).json")
            return try JSON(parsing: Array(Data(contentsOf: file)), limits: .foreign)
        }
        let real = try Self.real("webhooks/shopify") { $0["id"] != nil }
        try await Self.fuzz(seed, topics.map(\.rawValue), own + real) {
            try Shopify.understand(topic: $0, body: $1, receivedAt: Self.receivedAt)
        }
    }

    @Test(arguments: 0..<10 as Range<UInt64>)
    func `no answer of Shopify's Admin API crashes anything`(_ seed: UInt64) async throws {
        var random = SeededGenerator(seed: seed)
        let orders = (0..<20).map { _ in ShopifyLife(&random).order.answer }
        try await Self.fuzz(seed, PullTopic.allCases.map(\.rawValue), orders) { topic, body in
            let topic = try #require(PullTopic(rawValue: topic))
            return try Shopify.understand(pulled: topic, body: body, askedAt: Self.receivedAt)
        }
    }

    /// Those of the shared data, if it is there.
    private static func real(_ folder: String, _ isOne: (JSON) -> Bool) throws -> [JSON] {
        guard FileManager.default.fileExists(atPath: SharedData.url(folder).path) else { return [] }
        return try SharedData.files(below: folder)
            .map { try JSON(parsing: SharedData.bytes($0), limits: .foreign) }.filter(isOne)
    }

    private static func fuzz(
        _ seed: UInt64,
        _ topics: [String],
        _ bodies: [JSON],
        _ understand: (String, [UInt8]) throws -> Understanding
    ) async throws {
        var random = SeededGenerator(seed: seed)
        var state: OrderState?
        var understood = 0
        for _ in 0..<Self.bodies {
            // The other tests' servers run on the same few threads.
            await Task.yield()
            let topic = topics[Int.random(in: topics.indices, using: &random)]
            let body = mutated(bodies[Int.random(in: bodies.indices, using: &random)], &random)
            guard case .changes(let changes)? = try? understand(topic, body) else { continue }
            understood += 1
            // On top of what others left, now and then on nothing.
            if Int.random(in: 0..<20, using: &random) == 0 { state = nil }
            let once = OrderMirror.apply(changes, to: state, receivedAt: receivedAt).state
            let twice = OrderMirror.apply(changes, to: once, receivedAt: receivedAt)
            #expect(twice.state == once && twice.facts.isEmpty, "\(topic) \(String(decoding: body, as: UTF8.self))")
            state = once
        }
        // Or it would try nothing but the parser. Without the real bodies it is fewer: topics meet bodies of others.
        #expect(understood > Self.bodies / 20)
    }

    // MARK: Spoiling

    private static func mutated(_ body: JSON, _ random: inout SeededGenerator) -> [UInt8] {
        var body = body
        for _ in 0..<Int.random(in: 1...4, using: &random) { body = spoiled(body, &random) }
        var bytes = body.serializedBytes
        guard Int.random(in: 0..<5, using: &random) == 0 else { return bytes }
        for _ in 0..<Int.random(in: 1...3, using: &random) where !bytes.isEmpty {
            let at = Int.random(in: bytes.indices, using: &random)
            switch Int.random(in: 0..<4, using: &random) {
            case 0: bytes[at] = UInt8.random(in: 0...255, using: &random)
            case 1: bytes.removeSubrange(at..<min(bytes.count, at + 9))
            case 2: bytes.insert(contentsOf: bytes[at..<min(bytes.count, at + 40)], at: at)
            default: bytes.removeLast(min(bytes.count, Int.random(in: 1...20, using: &random)))
            }
        }
        return bytes
    }

    /// With one value, anywhere in it, replaced by another.
    private static func spoiled(_ json: JSON, _ random: inout SeededGenerator) -> JSON {
        switch json {
        case .object(let object) where !object.isEmpty && Int.random(in: 0..<12, using: &random) > 0:
            let member = object[Int.random(in: 0..<object.count, using: &random)]
            return json.with(member.name, spoiled(member.value, &random))
        case .array(var elements) where !elements.isEmpty && Int.random(in: 0..<12, using: &random) > 0:
            let at = Int.random(in: elements.indices, using: &random)
            if Int.random(in: 0..<6, using: &random) == 0 {
                elements.append(elements[at])
            } else {
                elements[at] = spoiled(elements[at], &random)
            }
            return .array(elements)
        default:
            return odd[Int.random(in: odd.indices, using: &random)]
        }
    }

    private static let odd: [JSON] = [
        nil, true, false, 0, -1, 1, 1.5, -0.0, 9_223_372_036_854_775_807, -9_223_372_036_854_775_808, [], [:], [nil],
        [[:]],
        .number(JSONNumber(text: "1e400") ?? JSONNumber(0)),
        .number(JSONNumber(text: "9007199254740993") ?? JSONNumber(0)),
        .number(JSONNumber(text: String(repeating: "9", count: 60)) ?? JSONNumber(0)), "", " ", "0", "-10.00", "10.005",
        "1e9", "92233720368547758.07", "92233720368547758.08", "-92233720368547758.08", "0x10", "+5", "nan", "inf",
        "9223372036854775807", "-9223372036854775808", "99999999999999999999", "\u{664}\u{665}", "EUR", "JPY", "KWD",
        "refunded", "refund", "success", "failure", "trash", "delivered", "2026-02-30T00:00:00", "9999-12-31T23:59:59",
        "0000-00-00T00:00:00", "0001-01-01T00:00:00Z", "2026-05-04T10:00:00+14:00", "2026-05-04T10:00:00",
        "javascript:1",
        "a/b/7", "\u{1F1E6}\u{301}\u{202E}", .string(String(repeating: "a", count: 70_000)), ["key": "value"],
        ["id": 1, "total": "-1"], [["id": 5, "total": "-1.00"]], [1, "2", nil, [:], []],
    ]
}
