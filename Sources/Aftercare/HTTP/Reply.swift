import HTTPTypes
import JSON

/// What a handler answers.
struct Reply: Sendable {
    var status: HTTPResponse.Status
    var headers: HTTPFields = [:]
    var body: [UInt8] = []
    /// What is kept for a repeated request with the same Idempotency-Key, where that must not hold a secret.
    var storedBody: [UInt8]?

    static let contentTypeJSON = "application/json"
    private static let isJSON = HTTPField(name: .contentType, value: contentTypeJSON)

    /// A JSON object. `version` becomes the ETag.
    static func json(
        _ status: HTTPResponse.Status = .ok,
        version: Int64? = nil,
        _ body: (inout JSONObjectWriter) -> Void
    ) -> Reply {
        var writer = JSONWriter()
        writer.object { body(&$0) }
        var reply = Reply(status: status, body: writer.bytes)
        // With those that every answer has.
        reply.headers.reserveCapacity(12)
        reply.headers.append(isJSON)
        if let version { reply.headers.append(HTTPField(name: .eTag, value: ETag.text(version))) }
        return reply
    }

    /// 201 with the place the new thing is found at.
    static func created(
        at location: String,
        version: Int64? = nil,
        _ body: (inout JSONObjectWriter) -> Void
    ) -> Reply {
        var reply = json(.created, version: version, body)
        reply.headers[.location] = location
        return reply
    }

    static let noContent = Reply(status: .noContent)
}

/// Strong entity tags made of a row's version: `"v7"`.
enum ETag {
    static func text(_ version: Int64) -> String { "\"v\(version)\"" }

    /// How tags are compared, by RFC 9110: `If-Match` strongly, so that a weak tag never matches; `If-None-Match`
    /// weakly, because a proxy that compresses makes tags weak.
    enum Comparison { case strong, weak }

    /// Whether the header's value names the version.
    static func matches(_ header: String, version: Int64, _ comparison: Comparison) -> Bool {
        header.split(separator: ",").contains { tag in
            var tag = tag.trimmingSpaces
            if comparison == .weak, tag.hasPrefix("W/") { tag = tag.dropFirst(2) }
            return tag == "*" || tag == text(version)
        }
    }
}

extension String {
    /// Without spaces and tabs at both ends: HTTP's optional white space.
    var trimmingSpaces: Substring { self[...].trimmingSpaces }
}

extension Substring {
    /// Without spaces and tabs at both ends: HTTP's optional white space.
    var trimmingSpaces: Substring {
        func isSpace(_ byte: UInt8) -> Bool { byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }
        guard let first = utf8.firstIndex(where: { !isSpace($0) }), let last = utf8.lastIndex(where: { !isSpace($0) })
        else { return self[startIndex..<startIndex] }
        return self[first..<utf8.index(after: last)]
    }
}
