import JSON
import Testing

/// SplitMix64: the same sequence on every run, so that a failure can be repeated.
private struct Seeded: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }
}

@Suite struct `JSON fuzz` {
    private static let pieces = [
        "", "a", "id", "é", "e\u{301}", "😀", "\"", "\\", "/", "\n", "\u{0}", "\u{1F}", "\u{FFFF}",
        "long enough for the heap",
    ]

    private func text(_ random: inout Seeded) -> String {
        (0..<Int.random(in: 0...5, using: &random))
            .map { _ in piece(&random) }
            .joined()
    }

    private func piece(_ random: inout Seeded) -> String {
        Self.pieces[Int.random(in: Self.pieces.indices, using: &random)]
    }

    private func value(_ random: inout Seeded, depth: Int) -> JSON {
        switch Int.random(in: 0..<(depth > 0 ? 8 : 6), using: &random) {
        case 0: return nil
        case 1: return .bool(Bool.random(using: &random))
        case 2: return .number(JSONNumber(Int64.random(in: .min ... .max, using: &random)))
        case 3: return JSONNumber(Double(bitPattern: random.next())).map(JSON.number) ?? nil
        case 4, 5: return .string(text(&random))
        case 6:
            return .array((0..<Int.random(in: 0...12, using: &random)).map { _ in value(&random, depth: depth - 1) })
        default:
            var object = JSONObject()
            for _ in 0..<Int.random(in: 0...14, using: &random) {
                object[text(&random)] = value(&random, depth: depth - 1)
            }
            return .object(object)
        }
    }

    @Test(arguments: 1...300 as ClosedRange<UInt64>)
    func `what is written reads back the same`(_ seed: UInt64) throws {
        var random = Seeded(state: seed)
        let json = value(&random, depth: 5)
        let document = try JSONDocument(parsing: json.serializedBytes)
        #expect(document.root == json)
        #expect(document.root.serializedBytes == json.serializedBytes)
        #expect(document.containsNUL == json.containsNUL)
        #expect(try JSON(parsing: json.canonicalBytes) == json)
        #expect(try JSON(parsing: json.canonicalBytes).canonicalBytes == json.canonicalBytes)
    }

    /// Edge case 9: whatever arrives, the process survives it.
    @Test(arguments: 1...300 as ClosedRange<UInt64>)
    func `mutated bytes are read or refused, and what is read reads back`(_ seed: UInt64) {
        var random = Seeded(state: seed)
        let original = value(&random, depth: 4).serializedBytes
        for _ in 0..<40 {
            var bytes = original
            for _ in 0..<Int.random(in: 1...4, using: &random) where !bytes.isEmpty {
                let at = Int.random(in: bytes.indices, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: bytes[at] = UInt8.random(in: 0...255, using: &random)
                case 1: bytes.remove(at: at)
                case 2: bytes.insert(Array("\"\\{}[],:u0e.-".utf8)[Int.random(in: 0..<13, using: &random)], at: at)
                default: bytes.removeSubrange(at...)
                }
            }
            do throws(JSONParseError) {
                let json = try JSON(parsing: bytes, limits: .foreign)
                let again = try JSON(parsing: json.serializedBytes)
                #expect(again == json)
            } catch {
                #expect((0...bytes.count).contains(error.offset))
                #expect(error.line >= 1)
            }
        }
    }
}
