/// How one JSON value becomes a `Value`, or which errors it earns: `.string(1...200)`, `.int(1...999)`,
/// `.array(count: 1...100, of: .object(NewItem.init))`.
///
/// Rules compose, and the target that knows a type adds a rule for it:
///
///     extension FieldRule where Value == Instant {
///         static var instant: Self { .instant { Instant(rfc3339: $0) } }
///     }
public struct FieldRule<Value> {
    /// Gives nil if, and only if, it has added an error.
    let read: (JSON, FieldLocation, inout FieldErrors) -> Value?

    /// A rule from scratch. `read` must report an error whenever it gives nil; a nil without one is reported as
    /// `invalid_format` for it.
    public init(_ read: @escaping (JSON, FieldLocation, inout FieldErrors) -> Value?) { self.read = read }

    /// A rule that also has to turn the value into something else, for instance by parsing it.
    public func refined<Refined>(
        _ code: FieldError.Code,
        _ detail: String,
        _ transform: @escaping (Value) -> Refined?
    ) -> FieldRule<Refined> {
        FieldRule<Refined> { json, location, errors in
            guard let value = read(json, location, &errors) else { return nil }
            if let refined = transform(value) { return refined }
            errors.append(FieldError(pointer: location.pointer, code: code, detail: detail))
            return nil
        }
    }
}

extension FieldErrors {
    fileprivate mutating func report(_ code: FieldError.Code, _ detail: String, at location: FieldLocation) {
        append(FieldError(pointer: location.pointer, code: code, detail: detail))
    }
}

extension FieldRule where Value == String {
    /// Text whose length in Unicode scalars lies in `length`, and that holds no U+0000.
    public static func string(_ length: ClosedRange<Int>) -> Self {
        FieldRule { json, location, errors in
            guard let text = json.stringValue else {
                errors.report(.invalidType, "must be a string", at: location)
                return nil
            }
            let count = text.unicodeScalars.count
            if count > length.upperBound {
                let detail = "must have at most \(length.upperBound) characters"
                errors.report(.tooLong, detail, at: location)
                return nil
            }
            if count < length.lowerBound {
                let least = length.lowerBound
                let detail = least == 1 ? "must not be empty" : "must have at least \(least) characters"
                errors.report(.tooShort, detail, at: location)
                return nil
            }
            if text.utf8.contains(0) {
                errors.report(.notStorable, "must not contain U+0000", at: location)
                return nil
            }
            return text
        }
    }
}

extension FieldRule {
    /// Text that `parse` reads; `expected` completes "must be …".
    public static func parsed(
        _ expected: String,
        length: ClosedRange<Int> = 0...1000,
        _ parse: @escaping (String) -> Value?
    ) -> Self {
        FieldRule<String>.string(length).refined(.invalidFormat, "must be \(expected)", parse)
    }

    /// An RFC 3339 date and time, read by `parse`.
    public static func instant(_ parse: @escaping (String) -> Value?) -> Self {
        .parsed(
            "an RFC 3339 date and time such as 2026-05-04T09:30:00.000Z, before the year 10000 in UTC",
            length: 0...64,
            parse
        )
    }
}

extension FieldRule where Value == Int64 {
    /// An integer written as such (`1`, neither `1.0` nor `"1"`), within `range`.
    public static func int64(_ range: ClosedRange<Int64>) -> Self {
        FieldRule { json, location, errors in
            guard let number = json.numberValue, number.isIntegral else {
                errors.report(.invalidType, "must be an integer", at: location)
                return nil
            }
            if let value = number.int64, range.contains(value) { return value }
            errors.report(.outOfRange, "must be between \(range.lowerBound) and \(range.upperBound)", at: location)
            return nil
        }
    }
}

extension FieldRule where Value == Int {
    /// An integer written as such (`1`, neither `1.0` nor `"1"`), within `range`.
    public static func int(_ range: ClosedRange<Int>) -> Self {
        let detail = "must be between \(range.lowerBound) and \(range.upperBound)"
        return FieldRule<Int64>.int64(Int64(range.lowerBound)...Int64(range.upperBound))
            .refined(.outOfRange, detail) { Int(exactly: $0) }
    }
}

extension FieldRule where Value == Bool {
    public static var bool: Self {
        FieldRule { json, location, errors in
            if let value = json.boolValue { return value }
            errors.report(.invalidType, "must be true or false", at: location)
            return nil
        }
    }
}

extension FieldRule where Value: RawRepresentable & CaseIterable, Value.RawValue == String {
    /// One of the raw values; the error lists them.
    public static func choice(_ type: Value.Type = Value.self) -> Self {
        FieldRule { json, location, errors in
            guard let text = json.stringValue else {
                errors.report(.invalidType, "must be a string", at: location)
                return nil
            }
            // Compared as bytes: `init(rawValue:)` would let a canonically equivalent spelling pass.
            if let value = Value.allCases.first(where: { sameBytes($0.rawValue, text) }) { return value }
            let allowed = Value.allCases.map { "\"\($0.rawValue)\"" }.joined(separator: ", ")
            errors.report(.unknownValue, "must be one of \(allowed)", at: location)
            return nil
        }
    }
}

/// An amount as the API carries it: `{"amount":1299,"currency":"USD"}`.
public struct AmountField: Hashable, Sendable {
    /// Whole minor units of the currency (cents for USD, yen for JPY).
    public let amount: Int64
    /// Three upper-case letters; whether ISO 4217 knows them is for the money type to say.
    public let currency: String

    /// What every JSON reader can hold exactly: ±(2^53 − 1).
    public static let range: ClosedRange<Int64> = -9_007_199_254_740_991...9_007_199_254_740_991

    public init(amount: Int64, currency: String) {
        self.amount = amount
        self.currency = currency
    }
}

extension FieldRule where Value == AmountField {
    /// `{"amount": integer, "currency": three letters}`, the amount in minor units within `range`.
    public static func amount(_ range: ClosedRange<Int64> = AmountField.range) -> Self {
        .object { (money) throws(FieldErrors) in
            let currency = FieldRule<String>.parsed("an ISO 4217 code: three upper-case letters") { code in
                code.utf8.count == 3 && code.utf8.allSatisfy { (0x41...0x5A).contains($0) } ? code : nil
            }
            let (amount, code) = try money.finish(
                money.required("amount", .int64(range.clamped(to: AmountField.range))),
                money.required("currency", currency)
            )
            return AmountField(amount: amount, currency: code)
        }
    }
}

extension FieldRule where Value == JSON {
    /// Any value, kept as it is; U+0000 is refused however deep it lies.
    ///
    /// Only the first U+0000 is reported: the names on the way to it are the sender's, and a long one would be
    /// repeated in every pointer.
    public static var any: Self {
        FieldRule { json, location, errors in
            guard json.containsNUL else { return json }
            let (place, detail) = firstNUL(in: json, at: location)
            errors.report(.notStorable, detail, at: place)
            return nil
        }
    }

    private static func firstNUL(in json: JSON, at location: FieldLocation) -> (FieldLocation, String) {
        if case .array(let elements) = json, let index = elements.firstIndex(where: \.containsNUL) {
            return firstNUL(in: elements[index], at: location.element(index))
        }
        for member in json.objectValue ?? JSONObject() {
            if member.name.utf8.contains(0) {
                return (location.member(member.name), "must not have U+0000 in its name")
            }
            if member.value.containsNUL { return firstNUL(in: member.value, at: location.member(member.name)) }
        }
        return (location, "must not contain U+0000")
    }
}

extension FieldRule {
    /// An array of `count` elements, each read by `element`; all elements are looked at before any error is thrown.
    public static func array<Element>(
        count: ClosedRange<Int>,
        of element: FieldRule<Element>
    ) -> FieldRule<[Element]> where Value == [Element] {
        FieldRule<[Element]> { json, location, errors in
            guard let elements = json.arrayValue else {
                errors.report(.invalidType, "must be an array", at: location)
                return nil
            }
            if elements.count > count.upperBound {
                errors.report(.tooLong, "must have at most \(count.upperBound) elements", at: location)
                return nil
            }
            if elements.count < count.lowerBound {
                errors.report(.tooShort, "must have at least \(count.lowerBound) elements", at: location)
                return nil
            }
            var values: [Element] = []
            values.reserveCapacity(elements.count)
            for (index, json) in elements.enumerated() {
                let location = location.element(index)
                if let value = element.checked(json, location, &errors) { values.append(value) }
            }
            return values.count == elements.count ? values : nil
        }
    }

    /// An object read member by member; members that `body` does not ask for are errors.
    public static func object(_ body: @escaping (inout FieldReader) throws(FieldErrors) -> Value) -> Self {
        FieldRule { json, location, errors in
            do throws(FieldErrors) {
                return try FieldReader.read(json, at: location, body)
            } catch {
                errors.append(contentsOf: error)
                return nil
            }
        }
    }

    /// `read`, with the promise kept that nil comes with an error.
    func checked(_ json: JSON, _ location: FieldLocation, _ errors: inout FieldErrors) -> Value? {
        var found = FieldErrors()
        let value = read(json, location, &found)
        if value == nil, found.isEmpty { found.report(.invalidFormat, "is not valid", at: location) }
        errors.append(contentsOf: found)
        return found.isEmpty ? value : nil
    }
}
