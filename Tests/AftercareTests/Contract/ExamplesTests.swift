import JSON
import Testing

/// Every example of `openapi/openapi.yaml` is one, and every schema says all it should.
@Suite struct `The examples of the specification` {
    private struct Example {
        let place: String
        let schema: JSON
        let value: JSON
    }

    private let specification: Specification
    private let validator: SchemaValidator

    init() throws {
        specification = try Specification.load()
        validator = SchemaValidator(document: specification)
    }

    /// The examples that stand beside a schema: in a media type, a parameter or a header.
    private func examples(_ owner: JSON, _ place: String) throws -> [Example] {
        guard let schema = owner["schema"] else { return [] }
        var values: [(String, JSON)] = owner["example"].map { [("", $0)] } ?? []
        for member in owner["examples"]?.objectValue ?? [:] {
            let example = try specification.resolved(member.value)
            if let value = example["value"] { values.append((" " + member.name, value)) }
        }
        return values.map { Example(place: place + $0.0, schema: schema, value: $0.1) }
    }

    private func bodies(_ owner: JSON, _ place: String) throws -> [Example] {
        try (owner["content"]?.objectValue ?? [:]).flatMap { try examples($0.value, "\(place) \($0.name)") }
    }

    private func all() throws -> [Example] {
        var found: [Example] = []
        for operation in specification.operations {
            for parameter in try specification.parameters(of: operation) {
                found += try examples(parameter, "\(operation.name) \(parameter["name"]?.stringValue ?? "")")
            }
            if let body = try operation.value["requestBody"].map(specification.resolved) {
                found += try bodies(body, "\(operation.name) request")
            }
            for (status, response) in try specification.responses(of: operation) {
                found += try bodies(response, "\(operation.name) \(status)")
                for header in response["headers"]?.objectValue ?? [:] {
                    let place = "\(operation.name) \(status) \(header.name)"
                    found += try examples(try specification.resolved(header.value), place)
                }
            }
        }
        // What schemas give as examples of themselves.
        for (place, schema) in try schemas() {
            for value in schema["examples"]?.arrayValue ?? [] {
                found.append(Example(place: place, schema: schema, value: value))
            }
        }
        return found
    }

    /// Every schema of the document, also those within others.
    private func schemas() throws -> [(place: String, schema: JSON)] {
        var roots = (specification.root["components"]?["schemas"]?.objectValue ?? [:]).map { ($0.name, $0.value) }
        func add(_ owner: JSON, _ place: String) {
            if let schema = owner["schema"] { roots.append((place, schema)) }
            for member in owner["content"]?.objectValue ?? [:] { add(member.value, place) }
            for member in owner["headers"]?.objectValue ?? [:] { add(member.value, place) }
        }
        for kind in ["parameters", "headers", "responses", "requestBodies"] {
            for member in specification.root["components"]?[kind]?.objectValue ?? [:] { add(member.value, member.name) }
        }
        for operation in specification.operations {
            for parameter in try specification.parameters(of: operation) { add(parameter, operation.name) }
            if let body = operation.value["requestBody"] { add(body, operation.name) }
            for (_, response) in try specification.responses(of: operation) { add(response, operation.name) }
        }
        return roots.flatMap { place, schema in SchemaValidator.schemas(within: schema).map { (place, $0) } }
    }

    @Test func `fit their schemas`() throws {
        let examples = try all()
        #expect(examples.count > 300)
        for example in examples {
            #expect(try validator.violations(of: example.value, against: example.schema) == [], "\(example.place)")
        }
    }

    @Test func `are there for every body`() throws {
        for operation in specification.operations {
            if let body = try operation.value["requestBody"].map(specification.resolved) {
                #expect(try !bodies(body, "").isEmpty, "\(operation.name) request")
            }
            for (status, response) in try specification.responses(of: operation) where response["content"] != nil {
                #expect(try !bodies(response, "").isEmpty, "\(operation.name) \(status)")
            }
        }
    }

    /// A rule nobody checks would let an example pass that breaks it.
    @Test func `stand beside schemas the validator understands`() throws {
        let schemas = try schemas()
        #expect(schemas.count > 200)
        for (place, schema) in schemas {
            #expect(SchemaValidator.unknownKeywords(of: schema) == [], "\(place)")
            if let reference = schema["$ref"]?.stringValue {
                #expect(throws: Never.self, "\(place)") { try specification.value(at: reference) }
            }
        }
    }

    @Test func `stand beside schemas that leave nothing open`() throws {
        for (place, schema) in try schemas() {
            guard let properties = schema["properties"]?.objectValue else { continue }
            #expect(schema["additionalProperties"] == false, "\(place) takes members it does not describe")
            let required = schema["required"]?.arrayValue?.compactMap(\.stringValue) ?? []
            #expect(required.filter { properties[$0] == nil } == [], "\(place) requires what it does not describe")
        }
    }

    /// Nothing is left out of an answer: what is not known is there as `null`.
    @Test func `stand in answers that always have all their members`() throws {
        for operation in specification.operations {
            for (status, response) in try specification.responses(of: operation) where status.hasPrefix("2") {
                for media in response["content"]?.objectValue ?? [:] {
                    guard let schema = media.value["schema"] else { continue }
                    var seen: Set<String> = []
                    try expectComplete(schema, "\(operation.name) \(status)", &seen)
                }
            }
        }
    }

    private func expectComplete(_ schema: JSON, _ place: String, _ seen: inout Set<String>) throws {
        for schema in SchemaValidator.schemas(within: schema) {
            let names = schema["properties"]?.objectValue?.map(\.name).sorted() ?? []
            let required = schema["required"]?.arrayValue?.compactMap(\.stringValue).sorted() ?? []
            #expect(names == required, "\(place)")
            guard let reference = schema["$ref"]?.stringValue, seen.insert(reference).inserted else { continue }
            try expectComplete(specification.value(at: reference), reference, &seen)
        }
    }
}
