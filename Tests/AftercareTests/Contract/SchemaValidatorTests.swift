import JSON
import Testing

/// The validator is what the other tests of this folder rest on: it has to be able to say no.
@Suite struct `The schema validator` {
    private static let document = Specification([
        "components": [
            "schemas": [
                "Name": ["type": "string", "minLength": 1],
                "Tree": [
                    "type": "object",
                    "properties": ["children": ["type": "array", "items": ["$ref": "#/components/schemas/Tree"]]],
                    "additionalProperties": false,
                ],
            ]
        ]
    ])

    private func reasons(_ value: JSON, _ schema: JSON) throws -> [String] {
        try SchemaValidator(document: Self.document).violations(of: value, against: schema).map(\.description)
    }

    struct Example: Sendable, CustomTestStringConvertible {
        let schema: JSON
        let good: [JSON]
        let bad: [JSON]

        var testDescription: String { schema.serialized }
    }

    static let examples: [Example] = [
        Example(schema: true, good: [1, nil], bad: []),
        Example(schema: false, good: [], bad: [1, nil]),
        Example(schema: ["type": "string"], good: ["", "a"], bad: [nil, 1, true, [], [:]]),
        Example(schema: ["type": ["string", "null"]], good: ["a", nil], bad: [1, false]),
        Example(schema: ["type": "integer"], good: [1, 1.0, -3], bad: [1.5, "1", nil]),
        Example(schema: ["type": "number"], good: [1, 1.5], bad: ["1", true]),
        Example(schema: ["type": "boolean"], good: [true, false], bad: [0, "true", nil]),
        Example(schema: ["enum": ["a", nil, 1]], good: ["a", nil, 1, 1.0], bad: ["b", 2, false]),
        Example(schema: ["const": "a"], good: ["a"], bad: ["b", nil]),
        Example(schema: ["pattern": "^[ab]{2}$"], good: ["ab", 12], bad: ["a", "abc", "ac"]),
        Example(
            schema: ["minLength": 2, "maxLength": 3],
            good: ["ab", "äöü", 1],
            bad: ["a", "abcd", "e\u{301}e\u{301}"]
        ),
        Example(schema: ["minimum": 1, "maximum": 3], good: [1, 3, "9"], bad: [0, 4, 3.5]),
        Example(
            schema: ["minItems": 1, "maxItems": 2, "uniqueItems": true],
            good: [[1], [1, 2]],
            bad: [[], [1, 1], [1, 2, 3]]
        ),
        Example(schema: ["items": ["type": "integer"]], good: [[], [1, 2], "a"], bad: [["a"], [1, nil]]),
        Example(schema: ["required": ["a"]], good: [["a": nil], "a"], bad: [[:], ["b": 1]]),
        Example(schema: ["minProperties": 1, "maxProperties": 1], good: [["a": 1]], bad: [[:], ["a": 1, "b": 2]]),
        Example(
            schema: ["properties": ["a": ["type": "integer"]], "additionalProperties": false],
            good: [[:], ["a": 1]],
            bad: [["a": "1"], ["b": 1], ["a": 1, "b": 2]]
        ),
        Example(
            schema: ["properties": ["a": true], "additionalProperties": ["type": "string"]],
            good: [["a": 1, "b": "c"]],
            bad: [["b": 1]]
        ),
        Example(schema: ["allOf": [["minimum": 1], ["maximum": 3]]], good: [2], bad: [0, 4]),
        Example(schema: ["anyOf": [["type": "string"], ["minimum": 3]]], good: ["a", 3], bad: [2]),
        Example(schema: ["oneOf": [["type": "integer"], ["minimum": 3]]], good: [2, 3.5], bad: [4, 2.5]),
        Example(schema: ["$ref": "#/components/schemas/Name"], good: ["a"], bad: ["", nil]),
        Example(
            schema: ["$ref": "#/components/schemas/Tree"],
            good: [["children": [["children": []]]]],
            bad: [["children": [["child": []]]]]
        ),
        Example(schema: ["description": "said, not checked", "format": "date-time"], good: [1, "a"], bad: []),
    ]

    @Test(arguments: examples) func `takes what fits and refuses what does not`(_ example: Example) throws {
        for value in example.good { #expect(try reasons(value, example.schema) == [], "\(value)") }
        for value in example.bad { #expect(try !reasons(value, example.schema).isEmpty, "\(value)") }
    }

    @Test func `says where`() throws {
        let schema: JSON = [
            "properties": ["items": ["items": ["required": ["id"], "properties": ["id": ["type": "string"]]]]]
        ]
        let value: JSON = ["items": [["id": "a"], ["id": 1], [:]]]
        #expect(try reasons(value, schema) == ["/items/1/id is not of type \"string\"", "/items/2/id is missing"])
    }

    @Test(
        arguments: [
            ["patternProperties": [:]], ["properties": ["a": ["if": true]]], ["items": ["typo": 1]], ["type": "text"],
            ["$ref": "other.yaml#/Name"], ["$ref": "#/components/schemas/Nobody"], "no schema",
        ] as [JSON]
    )
    func `stops at what it does not know`(_ schema: JSON) {
        #expect(throws: (any Error).self) { _ = try reasons(["a": 1], schema) + reasons([1], schema) }
    }
}
