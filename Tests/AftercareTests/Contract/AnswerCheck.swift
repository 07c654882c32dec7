import Curl
import Foundation
import JSON
import Support
import Testing

@testable import Aftercare

/// Compares what the server really answers with `openapi/openapi.yaml`, header by header and member by member.
struct AnswerCheck {
    let specification: Specification
    private let validator: SchemaValidator

    init() throws {
        specification = try Specification.load()
        validator = SchemaValidator(document: specification)
    }

    /// Everything about an answer that the specification says otherwise.
    func faults(_ answer: Answer, of name: String) throws -> [String] {
        guard let operation = specification.operations.first(where: { $0.name == name }),
            let response = try specification.responses(of: operation).first(where: { $0.status == "\(answer.status)" })
        else { return ["\(answer.status) is not described: \(answer.json)"] }
        return try faults(answer, response.value)
    }

    func faults(_ answer: Answer, _ response: JSON) throws -> [String] {
        var faults: [String] = []
        for header in response["headers"]?.objectValue ?? [:] {
            let rule = try specification.resolved(header.value)
            if let value = answer.header(header.name) {
                let violations = try validator.violations(of: .string(value), against: rule["schema"] ?? false)
                faults += violations.map { "\(header.name): \(value) \($0)" }
            } else if rule["required"] == true {
                faults.append("\(header.name) is missing")
            }
        }
        if answer.header("X-Content-Type-Options") != "nosniff" { faults.append("X-Content-Type-Options is missing") }
        guard let content = response["content"]?.objectValue else {
            return faults + (answer.response.body.isEmpty ? [] : ["there is a body"])
        }
        let type = answer.header("Content-Type")?.split(separator: ";").first.map(String.init) ?? "none"
        guard let schema = content[type]?["schema"] else { return faults + ["the media type \(type)"] }
        let body: JSON =
            type.hasSuffix("json")
            ? try JSON(parsing: answer.response.body)
            : .string(String(decoding: answer.response.body, as: UTF8.self))
        return faults + (try validator.violations(of: body, against: schema).map(\.description))
    }

    /// Sends what an operation takes, and expects an answer of this status that is as the specification says.
    func callAsFunction(
        _ tenant: TestTenant,
        _ name: String,
        _ ids: [String: String] = [:],
        _ body: JSON? = nil,
        as token: String? = nil,
        headers: [(String, String)] = [],
        query: String = "",
        gives status: Int,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws -> Answer {
        let parts = name.split(separator: " ")
        let path = parts[1].split(separator: "/").map { segment in
            segment.hasPrefix("{") ? "/" + (ids[String(segment.dropFirst().dropLast())] ?? "none") : "/\(segment)"
        }
        let target = path.joined() + query
        let answer = try await tenant.send(String(parts[0]), target, body, as: token, headers: headers)
        #expect(answer.status == status, "\(name): \(answer.json)", sourceLocation: sourceLocation)
        let faults = try faults(answer, of: name)
        #expect(faults.isEmpty, "\(name) \(answer.status): \(faults)", sourceLocation: sourceLocation)
        return answer
    }
}

extension TestTenant {
    /// A tenant whose order went the whole walk.
    static func walked() async throws -> TestTenant {
        let tenant = try await TestTenant.make()
        let demo = DemoOrder(tenant)
        for topic in DemoOrder.topics { try await demo.post(topic) }
        try await demo.post("returns/approve", body: ReturnBody.whole("open"))
        try await tenant.settle()
        try await tenant.advance(days: 60)
        try await demo.post("disputes/create", body: DisputeBody.webhook("under_review"))
        try await demo.post("customers/data_request", body: PrivacyBody.dataRequest())
        try await tenant.settle()
        _ = try await tenant.importOrders([[:], [:]])
        for sku in ["JK-1", "JK-2"] { _ = try await tenant.putStock(PartBody.stock, sku) }
        let order = try #require(try await demo.order()["id"]?.stringValue.flatMap { OrderID($0) })
        _ = try await tenant.seedCommand(order)
        return tenant
    }
}
