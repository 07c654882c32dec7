import Foundation
import HTTPTypes
import JSON
import Support
import Testing

@testable import Aftercare

/// What an error can be is listed three times, in the code, in `openapi.yaml` and in Problems.md. The same each time.
@Suite struct `Problem codes` {
    private let specification: Specification

    init() throws { specification = try Specification.load() }

    @Test func `are those of the specification`() throws {
        #expect(try specification.choices(of: "ProblemCode").sorted() == ProblemCode.allCases.map(\.rawValue).sorted())
        #expect(
            try specification.choices(of: "FieldErrorCode").sorted()
                == FieldError.Code.allCases.map(\.rawValue).sorted()
        )
    }

    private struct Entry {
        let code: String
        let status: String
        let meaning: String
        let remedy: String
    }

    /// The rows of the tables in Problems.md, each a code in backquotes and three further cells.
    private static func entries() throws -> [Entry] {
        let path = "\(TestCluster.repository)/Sources/Aftercare/Documentation.docc/Problems.md"
        return try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").compactMap { line in
            let cells = line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
            guard line.hasPrefix("| `"), cells.count >= 3 else { return nil }
            return Entry(
                code: cells[0].trimmingCharacters(in: ["`"]),
                status: cells[1],
                meaning: cells[2],
                remedy: cells.count > 3 ? cells[3] : ""
            )
        }
    }

    @Test func `are each explained, with what to do about it`() throws {
        let entries = try Self.entries().filter { Int($0.status) != nil }
        #expect(entries.map(\.code).sorted() == ProblemCode.allCases.map(\.rawValue).sorted())
        for entry in entries {
            let code = try #require(ProblemCode(rawValue: entry.code))
            #expect(entry.status == "\(code.status.code)", "\(entry.code)")
            for sentence in [entry.meaning, entry.remedy] {
                #expect(sentence.count > 15 && sentence.hasSuffix("."), "\(entry.code): \(sentence)")
            }
        }
    }

    @Test func `of fields are each explained`() throws {
        let entries = try Self.entries().filter { Int($0.status) == nil }
        #expect(entries.map(\.code).sorted() == FieldError.Code.allCases.map(\.rawValue).sorted())
    }

    /// The body as it is really written fits the schema, whatever the problem.
    @Test func `are written as the specification says`() throws {
        let validator = SchemaValidator(document: specification)
        let schema: JSON = ["$ref": "#/components/schemas/Problem"]
        for code in ProblemCode.allCases {
            var problem = Problem(code, "Something about it.")
            problem.errors = FieldError.Code.allCases.map {
                .field(FieldError(pointer: "#/items/0/a~1b", code: $0, detail: "must be something"))
            }
            problem.errors.append(.parameter("limit", code: .invalidFormat, detail: "has to be an integer"))
            problem.members = [("required_scopes", ["stores:read"]), ("violated_policies", ["key", "tenant"])]
            let json = try JSON(parsing: problem.body(instance: "/v1/stores", requestID: "req_12345678"))
            #expect(try validator.violations(of: json, against: schema) == [], "\(code)")
        }
        let bare = try JSON(parsing: Problem.notFound.body(instance: "/", requestID: "12345678"))
        #expect(try validator.violations(of: bare, against: schema) == [])
    }
}
