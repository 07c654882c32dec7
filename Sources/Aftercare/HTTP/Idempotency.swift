import Crypto
import FoundationEssentials
import HTTPTypes
import JSON
import Postgres

extension HTTPField.Name {
    static let idempotencyKey = parsed("Idempotency-Key")
    static let idempotentReplayed = parsed("Idempotent-Replayed")
    static let requestID = parsed("X-Request-Id")
    static let rateLimit = parsed("RateLimit")
    static let rateLimitPolicy = parsed("RateLimit-Policy")
    static let link = parsed("Link")

    private static func parsed(_ name: String) -> HTTPField.Name {
        guard let field = HTTPField.Name(name) else { preconditionFailure("\(name) is no field name") }
        return field
    }
}

/// The `Idempotency-Key` of a request, and what the request was.
struct IdempotencyKey: Sendable {
    let value: String
    /// The same key means another thing at another operation.
    let operation: String
    let fingerprint: [UInt8]

    /// Nil without the header. The standard's quoted form and the bare one that everybody sends are the same key.
    init?(_ call: Call) throws(Problem) {
        guard let header = call.headers[.idempotencyKey] else { return nil }
        var text = header[...]
        if text.count >= 2, text.hasPrefix("\""), text.hasSuffix("\"") { text = text.dropFirst().dropLast() }
        guard (1...255).contains(text.utf8.count), text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw Problem(.idempotencyKeyInvalid, "It has to be 1 to 255 visible ASCII characters.")
        }
        value = String(text)
        operation = "\(call.method.rawValue) \(call.route)"
        var hasher = SHA256()
        hasher.update(data: Array("\(call.method.rawValue)\n\(call.target)\n".utf8))
        hasher.update(data: call.body)
        fingerprint = Array(hasher.finalize())
    }

    /// The stored answer of the first request, if this one is the same.
    func replay(_ rows: Rows) throws -> Reply {
        guard let row = rows.first else { throw Problem.notFound }
        let (fingerprint, status, headers, body) = try row.decode((Bytea, Int?, JSONB?, Bytea?).self)
        guard fingerprint.bytes == self.fingerprint else {
            throw Problem(.idempotencyKeyReused, "It belongs to a request with another path, query or body.")
        }
        // A row without an answer is only ever seen by its own transaction.
        guard let status else { throw Problem(.idempotencyInProgress, "The first request is still running.") }
        var reply = Reply(status: .init(code: status), body: body?.bytes ?? [])
        for member in try JSON(parsing: headers?.text ?? Array("{}".utf8)).objectValue ?? [:] {
            if let name = HTTPField.Name(member.name) { reply.headers[name] = member.value.stringValue }
        }
        reply.headers[.idempotentReplayed] = "true"
        return reply
    }
}
