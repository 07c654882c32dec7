import JSON

/// Checks values against the part of JSON Schema 2020-12 that `openapi.yaml` uses.
///
/// A keyword it does not know stops it: a rule that is not looked at must not look like one that is kept.
struct SchemaValidator {
    struct Violation: Hashable, CustomStringConvertible {
        /// A JSON Pointer within the value.
        let place: String
        let reason: String

        var description: String { "\(place.isEmpty ? "the value" : place) \(reason)" }
    }

    struct Unsupported: Error, CustomStringConvertible {
        let description: String
    }

    let document: Specification

    /// Say nothing about what is valid. `format` says something, and each use has a pattern or type beside it.
    private static let annotations: Set<String> = [
        "title", "description", "default", "examples", "example", "format", "deprecated", "readOnly", "writeOnly",
        "contentEncoding", "contentMediaType",
    ]

    private static let keywords: Set<String> = [
        "$ref", "type", "enum", "const", "pattern", "required", "properties", "additionalProperties", "items",
        "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "uniqueItems", "minProperties",
        "maxProperties", "oneOf", "anyOf", "allOf",
    ]

    func violations(of value: JSON, against schema: JSON, at place: String = "") throws -> [Violation] {
        if let allowed = schema.boolValue { return allowed ? [] : [Violation(place: place, reason: "is not allowed")] }
        guard let schema = schema.objectValue else { throw Unsupported(description: "no schema: \(schema)") }
        var found: [Violation] = []
        for (name, rule) in schema.map({ ($0.name, $0.value) }) where !Self.annotations.contains(name) {
            guard Self.keywords.contains(name) else { throw Unsupported(description: "the keyword \(name)") }
            func report(_ reason: String) { found.append(Violation(place: place, reason: reason)) }
            switch name {
            case "$ref":
                guard let target = rule.stringValue else { throw Unsupported(description: "$ref: \(rule)") }
                found += try violations(of: value, against: document.value(at: target), at: place)
            case "type":
                let types = rule.arrayValue ?? [rule]
                guard try types.contains(where: { try Self.has(value, type: $0) }) else {
                    report("is not of type \(rule)")
                    continue
                }
            case "enum":
                if rule.arrayValue?.contains(where: { Self.same($0, value) }) != true { report("is none of \(rule)") }
            case "const":
                if !Self.same(rule, value) { report("is not \(rule)") }
            case "allOf", "anyOf", "oneOf":
                let failures = try (rule.arrayValue ?? []).map { try violations(of: value, against: $0, at: place) }
                let fitting = failures.count(where: \.isEmpty)
                switch name {
                case "allOf": found += failures.flatMap { $0 }
                case "anyOf" where fitting == 0: report("fits none of \(failures.count) alternatives")
                case "oneOf" where fitting != 1: report("fits \(fitting) of \(failures.count) alternatives, not 1")
                default: break
                }
            default:
                switch value {
                case .string(let text): try Self.check(text, name, rule, report)
                case .number(let number): try Self.check(number, name, rule, report)
                case .array(let elements): found += try check(elements, name, rule, at: place)
                case .object(let object): found += try check(object, name, rule, beside: schema, at: place)
                case .null, .bool: break
                }
            }
        }
        return found
    }

    // MARK: Values

    private static func has(_ value: JSON, type: JSON) throws -> Bool {
        switch (type.stringValue, value) {
        case ("null", .null), ("boolean", .bool), ("string", .string), ("number", .number), ("array", .array),
            ("object", .object):
            true
        case ("integer", .number(let number)): number.double.map { $0 == $0.rounded() } ?? false
        case ("null", _), ("boolean", _), ("string", _), ("number", _), ("array", _), ("object", _), ("integer", _):
            false
        default: throw Unsupported(description: "the type \(type)")
        }
    }

    /// As JSON Schema has it: 1 and 1.0 are the same number.
    private static func same(_ a: JSON, _ b: JSON) -> Bool {
        if let a = a.doubleValue, let b = b.doubleValue { return a == b }
        return a == b
    }

    private static func check(_ text: String, _ keyword: String, _ rule: JSON, _ report: (String) -> Void) throws {
        let length = text.unicodeScalars.count
        switch keyword {
        case "pattern":
            let pattern = try Regex(try string(rule)).matchingSemantics(.unicodeScalar)
            if text.firstMatch(of: pattern) == nil { report("does not match \(rule)") }
        case "minLength":
            if Double(length) < (try double(rule)) { report("has fewer than \(rule) characters") }
        case "maxLength":
            if Double(length) > (try double(rule)) { report("has more than \(rule) characters") }
        default: break
        }
    }

    private static func check(
        _ number: JSONNumber,
        _ keyword: String,
        _ rule: JSON,
        _ report: (String) -> Void
    ) throws {
        let value = number.double ?? .infinity
        switch keyword {
        case "minimum":
            if value < (try double(rule)) { report("is less than \(rule)") }
        case "maximum":
            if value > (try double(rule)) { report("is more than \(rule)") }
        default: break
        }
    }

    private func check(_ elements: [JSON], _ keyword: String, _ rule: JSON, at place: String) throws -> [Violation] {
        switch keyword {
        case "items":
            return try elements.enumerated().flatMap { index, element in
                try violations(of: element, against: rule, at: "\(place)/\(index)")
            }
        case "minItems" where Double(elements.count) < (try Self.double(rule)):
            return [Violation(place: place, reason: "has fewer than \(rule) elements")]
        case "maxItems" where Double(elements.count) > (try Self.double(rule)):
            return [Violation(place: place, reason: "has more than \(rule) elements")]
        case "uniqueItems" where rule == true && Set(elements).count < elements.count:
            return [Violation(place: place, reason: "has an element twice")]
        default:
            return []
        }
    }

    private func check(
        _ object: JSONObject,
        _ keyword: String,
        _ rule: JSON,
        beside schema: JSONObject,
        at place: String
    ) throws -> [Violation] {
        switch keyword {
        case "required":
            let missing = (rule.arrayValue ?? []).compactMap(\.stringValue).filter { object[$0] == nil }
            return missing.map { Violation(place: "\(place)/\($0)", reason: "is missing") }
        case "properties":
            return try object.flatMap { member in
                try rule[member.name].map {
                    try violations(of: member.value, against: $0, at: "\(place)/\(member.name)")
                } ?? []
            }
        case "additionalProperties":
            let known = schema["properties"]?.objectValue ?? [:]
            return try object.filter { known[$0.name] == nil }.flatMap { member in
                try violations(of: member.value, against: rule, at: "\(place)/\(member.name)")
            }
        case "minProperties" where Double(object.count) < (try Self.double(rule)):
            return [Violation(place: place, reason: "has fewer than \(rule) members")]
        case "maxProperties" where Double(object.count) > (try Self.double(rule)):
            return [Violation(place: place, reason: "has more than \(rule) members")]
        default:
            return []
        }
    }

    private static func double(_ rule: JSON) throws -> Double {
        guard let value = rule.doubleValue else { throw Unsupported(description: "\(rule) is no number") }
        return value
    }

    private static func string(_ rule: JSON) throws -> String {
        guard let text = rule.stringValue else { throw Unsupported(description: "\(rule) is no text") }
        return text
    }

    // MARK: Schemas

    /// Every schema within a schema, itself the first; references are not followed.
    static func schemas(within schema: JSON) -> [JSON] {
        var inner: [JSON] = []
        for name in ["items", "additionalProperties"] {
            if let schema = schema[name], schema.objectValue != nil { inner.append(schema) }
        }
        for name in ["allOf", "anyOf", "oneOf"] { inner += schema[name]?.arrayValue ?? [] }
        inner += schema["properties"]?.objectValue?.map(\.value) ?? []
        return [schema] + inner.flatMap(schemas)
    }

    /// The keywords of a schema, without those of the schemas within, that no check looks at.
    static func unknownKeywords(of schema: JSON) -> [String] {
        (schema.objectValue ?? [:]).map(\.name).filter { !annotations.contains($0) && !keywords.contains($0) }
    }
}
