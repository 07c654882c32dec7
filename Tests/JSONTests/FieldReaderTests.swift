import JSON
import Testing

private enum Priority: String, CaseIterable {
    case low, high
}

private struct Item: Equatable {
    let sku: String
    let quantity: Int

    init(_ body: inout FieldReader) throws(FieldErrors) {
        (sku, quantity) = try body.finish(
            body.required("sku", .string(1...10)),
            body.required("quantity", .int(1...999))
        )
    }
}

private struct Order {
    let name: String
    let note: String?
    let priority: Priority
    let gift: Bool?
    let total: AmountField
    let items: [Item]
    let metadata: JSON?

    init(_ body: inout FieldReader) throws(FieldErrors) {
        (name, note, priority, gift, total, items, metadata) = try body.finish(
            body.required("name", .string(1...5)),
            body.optional("note", .string(0...20)),
            body.required("priority", .choice()),
            body.optional("gift", .bool),
            body.required("total", .amount()),
            body.required("items", .array(count: 1...3, of: .object(Item.init))),
            body.optional("metadata", .any)
        )
    }
}

/// `pointer code` of every error, in order; empty when the body was accepted.
private func errors<Value>(
    _ json: JSON,
    _ body: (inout FieldReader) throws(FieldErrors) -> Value
) -> [String] {
    do throws(FieldErrors) {
        _ = try FieldReader.read(json, body)
        return []
    } catch {
        return error.errors.map { "\($0.pointer) \($0.code.rawValue)" }
    }
}

private func errors<Value>(_ value: JSON, rule: FieldRule<Value>) -> [String] {
    errors(["x": value]) { (body) throws(FieldErrors) in try body.finish(body.required("x", rule)) }
}

@Suite struct `Reading fields` {
    private let valid: JSON = [
        "name": "Ann", "priority": "high", "total": ["amount": -1299, "currency": "JPY"],
        "items": [["sku": "a", "quantity": 1], ["sku": "b", "quantity": 999]], "metadata": ["free": [1, nil]],
        "note": nil,
    ]

    @Test func `a good body becomes a value`() throws {
        let order = try FieldReader.read(valid, Order.init)
        #expect(order.name == "Ann")
        #expect(order.note == nil)
        #expect(order.priority == .high)
        #expect(order.gift == nil)
        #expect(order.total == AmountField(amount: -1299, currency: "JPY"))
        #expect(order.items.map(\.quantity) == [1, 999])
        #expect(order.metadata == ["free": [1, nil]])
    }

    @Test func `all errors come at once`() {
        let json: JSON = [
            "name": "", "note": "far too long for this field", "priority": "urgent", "gift": 1, "extra": 1,
            "total": ["amount": 1.5, "currency": "usd", "cents": true],
            "items": [["sku": "a", "quantity": 0], ["sku": 5, "extra/~": 1], 3], "metadata": ["a": ["\0"]],
        ]
        #expect(
            errors(json, Order.init) == [
                "#/name too_short", "#/note too_long", "#/priority unknown_value", "#/gift invalid_type",
                "#/total/amount invalid_type", "#/total/currency invalid_format", "#/total/cents unknown_member",
                "#/items/0/quantity out_of_range", "#/items/1/sku invalid_type", "#/items/1/quantity required",
                "#/items/1/extra~1~0 unknown_member", "#/items/2 invalid_type", "#/metadata/a/0 not_storable",
                "#/extra unknown_member",
            ]
        )
    }

    @Test func `an empty object misses every required field`() {
        #expect(
            errors([:], Order.init) == [
                "#/name required", "#/priority required", "#/total required", "#/items required",
            ]
        )
        #expect(errors(["name": nil], Item.init) == ["#/sku required", "#/quantity required", "#/name unknown_member"])
    }

    @Test(arguments: [nil, 1, "x", [], true] as [JSON])
    func `a body that is no object has one error`(_ json: JSON) {
        #expect(errors(json, Order.init) == ["# invalid_type"])
    }

    @Test func `details say what is allowed`() {
        let error = #expect(throws: FieldErrors.self) {
            try FieldReader.read(["priority": "urgent", "quantity": 1000, "sku": "ok"]) { (body) throws(FieldErrors) in
                try body.finish(
                    body.required("priority", .choice(Priority.self)),
                    body.required("quantity", .int(1...999)),
                    body.required("sku", .string(3...10)),
                    body.required("gone", .bool)
                )
            }
        }
        #expect(
            error?.errors.map(\.detail) == [
                "must be one of \"low\", \"high\"", "must be between 1 and 999", "must have at least 3 characters",
                "is required",
            ]
        )
    }

    @Test func `pointers are escaped as URI fragments`() {
        let json: JSON = ["a/b~c": 1, "é %#\"": 1, "$ok-1:@": 1, "": 1, "\0": 1]
        #expect(
            errors(json) { (body) throws(FieldErrors) in try body.finish() } == [
                "#/a~1b~0c unknown_member", "#/%C3%A9%20%25%23%22 unknown_member", "#/$ok-1:@ unknown_member",
                "#/ unknown_member", "#/%00 unknown_member",
            ]
        )
    }

    @Test func `length counts Unicode scalars`() {
        #expect(errors("😀é", rule: .string(2...2)) == [])
        #expect(errors("e\u{301}", rule: .string(0...1)) == ["#/x too_long"])
        #expect(errors(.string(String(repeating: "é", count: 10_000)), rule: .string(0...10_000)) == [])
        #expect(errors(.string(String(repeating: "é", count: 10_001)), rule: .string(0...10_000)) == ["#/x too_long"])
    }

    /// Edge case 37: PostgreSQL stores no U+0000.
    @Test func `NUL is refused in strings, names and raw values`() {
        #expect(errors("a\0", rule: .string(0...9)) == ["#/x not_storable"])
        #expect(errors("\0", rule: .any) == ["#/x not_storable"])
        #expect(errors(["a": [1, ["b\0": "\0"]], "b": "\0"], rule: .any) == ["#/x/a/1/b%00 not_storable"])
        #expect(errors(["a": [1, ["b": ["\0"]]]], rule: .any) == ["#/x/a/1/b/0 not_storable"])
        #expect(errors(["\0": 1], rule: .any) == ["#/x/%00 not_storable"])
        #expect(errors("\0", rule: .choice(Priority.self)) == ["#/x unknown_value"])
    }

    /// Edge case 8: ids beyond 2^53, numeric strings, amounts written in several ways.
    @Test func `integers are exact`() throws {
        #expect(errors(9_007_199_254_740_993, rule: .int64(1...Int64.max)) == [])
        #expect(errors("12", rule: .int(0...99)) == ["#/x invalid_type"])
        #expect(errors(try JSON(parsing: "12.0"), rule: .int(0...99)) == ["#/x invalid_type"])
        #expect(errors(try JSON(parsing: "1e1"), rule: .int(0...99)) == ["#/x invalid_type"])
        #expect(errors(try JSON(parsing: "99999999999999999999"), rule: .int(0...99)) == ["#/x out_of_range"])
    }

    @Test func `an amount is at most 2^53 - 1 minor units of a three-letter currency`() {
        func amount(_ amount: JSON, _ currency: JSON) -> [String] {
            errors(["amount": amount, "currency": currency], rule: .amount())
        }
        #expect(amount(9_007_199_254_740_991, "KWD") == [])
        #expect(amount(-9_007_199_254_740_991, "USD") == [])
        #expect(amount(9_007_199_254_740_992, "USD") == ["#/x/amount out_of_range"])
        #expect(amount("10.00", "USD") == ["#/x/amount invalid_type"])
        #expect(amount(1, "usd") == ["#/x/currency invalid_format"])
        #expect(amount(1, "USDT") == ["#/x/currency invalid_format"])
        #expect(amount(1, "ÜSD") == ["#/x/currency invalid_format"])
        #expect(errors(["amount": 0, "currency": "USD"], rule: .amount(1...5)) == ["#/x/amount out_of_range"])
        #expect(errors(12, rule: .amount()) == ["#/x invalid_type"])
    }

    @Test func `arrays are bounded`() {
        #expect(errors([], rule: .array(count: 1...2, of: .bool)) == ["#/x too_short"])
        #expect(errors([true, true, true], rule: .array(count: 1...2, of: .bool)) == ["#/x too_long"])
        #expect(errors([true, nil], rule: .array(count: 1...2, of: .bool)) == ["#/x/1 invalid_type"])
        #expect(errors([:], rule: .array(count: 1...2, of: .bool)) == ["#/x invalid_type"])
    }

    @Test func `parsed fields tell the format they expect`() {
        let rule = FieldRule<Int>.instant { $0 == "2026-05-04T09:30:00Z" ? 1 : nil }
        #expect(errors("2026-05-04T09:30:00Z", rule: rule) == [])
        #expect(errors("yesterday", rule: rule) == ["#/x invalid_format"])
        #expect(errors(17, rule: rule) == ["#/x invalid_type"])
        #expect(
            errors(7, rule: .int(0...9).refined(.unknownValue, "must be even") { $0.isMultiple(of: 2) ? $0 : nil }) == [
                "#/x unknown_value"
            ]
        )
        #expect(errors(7, rule: FieldRule<Int> { _, _, _ in nil }) == ["#/x invalid_format"])
    }

    @Test func `a merge patch tells absent, null and value apart`() throws {
        typealias Changes = (Patch<String>, Patch<String>, Patch<String>, Int?, Int?)
        func read(_ json: JSON) throws(FieldErrors) -> Changes {
            try FieldReader.read(json) { (body) throws(FieldErrors) in
                try body.finish(
                    body.patch("a", .string(1...5)),
                    body.patch("b", .string(1...5)),
                    body.patch("c", .string(1...5)),
                    body.change("d", .int(0...9)),
                    body.change("e", .int(0...9))
                )
            }
        }
        let (a, b, c, d, e) = try read(["b": nil, "c": "x", "e": 1])
        #expect(a == .absent && b == .null && c == .value("x") && d == nil && e == 1)
        #expect(a.applied(to: "old") == "old" && b.applied(to: "old") == nil && c.applied(to: "old") == "x")
        let error = #expect(throws: FieldErrors.self) { try read(["a": "", "d": nil, "e": 10]) }
        #expect(error?.errors.map(\.pointer) == ["#/a", "#/d", "#/e"])
        #expect(error?.errors.map(\.code) == [.tooShort, .required, .outOfRange])
    }

    @Test func `fields can be compared before the body is accepted`() {
        let found = errors(["from": 9, "to": 3]) { (body) throws(FieldErrors) in
            let from = body.required("from", .int(0...9))
            let to = body.required("to", .int(0...9))
            if let from, let to, from > to { body.report("to", .outOfRange, "must not be before from") }
            return try body.finish(from, to)
        }
        #expect(found == ["#/to out_of_range"])
    }

    @Test func `a forgotten finish still refuses what is wrong`() {
        let found = errors(["a": "", "b": 1]) { (body) throws(FieldErrors) in _ = body.required("a", .string(1...5)) }
        #expect(found == ["#/a too_short", "#/b unknown_member"])
    }

    @Test func `a nil that no getter gave is an error, not a crash`() {
        let mistaken: Int? = nil
        #expect(errors([:]) { (body) throws(FieldErrors) in try body.finish(mistaken) } == ["# required"])
    }

    @Test func `a hundred errors are named and the rest is counted as more`() {
        let body = JSON.array(Array(repeating: "", count: 1000))
        let error = #expect(throws: FieldErrors.self) {
            try FieldReader.read(["x": body]) { (body) throws(FieldErrors) in
                try body.finish(body.required("x", .array(count: 0...1000, of: .string(1...5))))
            }
        }
        #expect(error?.errors.count == FieldErrors.limit)
        #expect(error?.isTruncated == true)
    }

    @Test func `an error is written as the API documents it`() {
        var writer = JSONWriter()
        writer.value([FieldError(pointer: "#/items/0", code: .outOfRange, detail: "must be 1")])
        #expect(writer.text == ##"[{"pointer":"#/items/0","code":"out_of_range","detail":"must be 1"}]"##)
    }
}
