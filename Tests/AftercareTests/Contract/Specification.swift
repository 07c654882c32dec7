import Foundation
import JSON
import Support
import Yams

/// `openapi/openapi.yaml`.
struct Specification: Sendable {
    struct Operation: Sendable {
        /// Upper case.
        let method: String
        let path: String
        let value: JSON

        var name: String { "\(method) \(path)" }
    }

    struct Unreadable: Error, CustomStringConvertible {
        let description: String
    }

    let root: JSON

    init(_ root: JSON) { self.root = root }

    static func load() throws -> Specification {
        let path = "\(TestCluster.repository)/openapi/openapi.yaml"
        return try Specification(JSON(yaml: String(contentsOfFile: path, encoding: .utf8)))
    }

    var operations: [Operation] {
        let methods = ["get", "put", "post", "delete", "options", "head", "patch", "trace"]
        return (root["paths"]?.objectValue ?? [:]).flatMap { path in
            (path.value.objectValue ?? [:]).filter { methods.contains($0.name) }.map {
                Operation(method: $0.name.uppercased(), path: path.name, value: $0.value)
            }
        }
    }

    /// What `$ref` points at, also over several steps; anything else is itself.
    func resolved(_ value: JSON) throws -> JSON {
        var value = value
        for _ in 0..<10 {
            guard let reference = value["$ref"]?.stringValue else { return value }
            value = try self.value(at: reference)
        }
        throw Unreadable(description: "references in a circle")
    }

    /// What a reference within the document points at, such as `#/components/schemas/Order`.
    func value(at reference: String) throws -> JSON {
        guard reference.hasPrefix("#/") else { throw Unreadable(description: "\(reference) is in another document") }
        var value = root
        for token in reference.dropFirst(2).split(separator: "/") {
            let name = token.replacing("~1", with: "/").replacing("~0", with: "~")
            guard let next = value[String(name)] else {
                throw Unreadable(description: "\(reference) points at nothing")
            }
            value = next
        }
        return value
    }

    /// The parameters of an operation with their references resolved.
    func parameters(of operation: Operation) throws -> [JSON] {
        try (operation.value["parameters"]?.arrayValue ?? []).map(resolved)
    }

    /// The responses of an operation by status.
    func responses(of operation: Operation) throws -> [(status: String, value: JSON)] {
        try (operation.value["responses"]?.objectValue ?? [:]).map { ($0.name, try resolved($0.value)) }
    }

    /// The values of the enumeration a schema is.
    func choices(of schema: String) throws -> [String] {
        let schema = try value(at: "#/components/schemas/\(schema)")
        return schema["enum"]?.arrayValue?.compactMap(\.stringValue) ?? []
    }
}

extension JSON {
    /// A YAML document as the JSON it stands for, by YAML 1.2's core schema.
    init(yaml text: String) throws {
        guard let node = try Yams.compose(yaml: text) else {
            throw Specification.Unreadable(description: "there is nothing in the document")
        }
        try self.init(node)
    }

    private init(_ node: Node) throws {
        switch node {
        case .mapping(let mapping):
            var object = JSONObject()
            for (name, value) in mapping {
                guard let name = name.scalar?.string, object[name] == nil else {
                    throw Specification.Unreadable(description: "a member's name is no text, or there twice")
                }
                object[name] = try JSON(value)
            }
            self = .object(object)
        case .sequence(let sequence):
            self = .array(try sequence.map { try JSON($0) })
        case .scalar(let scalar):
            guard scalar.style == .plain else {
                self = .string(scalar.string)
                return
            }
            switch scalar.string {
            case "", "~", "null": self = .null
            case "true": self = .bool(true)
            case "false": self = .bool(false)
            case let text: self = JSONNumber(text: text).map(JSON.number) ?? .string(text)
            }
        case .alias:
            throw Specification.Unreadable(description: "aliases are not used here")
        }
    }
}
