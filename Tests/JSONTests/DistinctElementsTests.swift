import JSON
import Testing

@Suite struct `Arrays whose elements are each there once` {
    private static var rule: FieldRule<[String]> {
        .array(
            count: 0...5,
            of: .object { (body) throws(FieldErrors) in try body.finish(body.required("id", .string(1...10))) },
            withDistinct: "id",
            { $0 }
        )
    }

    private static func pointers(_ ids: [JSON]) -> [String] {
        let body: JSON = ["items": .array(ids.map { ["id": $0] })]
        do throws(FieldErrors) {
            _ = try FieldReader.read(body) { (body) throws(FieldErrors) in
                try body.finish(body.required("items", rule))
            }
            return []
        } catch {
            return error.errors.map { "\($0.pointer) \($0.code.rawValue)" }
        }
    }

    @Test func `name every later one that has the key of an earlier one`() {
        #expect(Self.pointers(["a", "b", "A"]) == [])
        #expect(
            Self.pointers(["a", "b", "a", "a"]) == ["#/items/2/id invalid_format", "#/items/3/id invalid_format"]
        )
        // Compared as bytes, as the database does: one letter, or a letter and an accent.
        #expect(Self.pointers(["\u{E9}", "e\u{301}"]) == [])
    }

    @Test func `name what is wrong with an element first`() {
        #expect(Self.pointers(["a", "", "a"]) == ["#/items/1/id too_short"])
    }
}
