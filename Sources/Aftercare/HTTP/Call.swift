import HTTPTypes
import JSON

/// One request, as handlers see it.
struct Call: Sendable {
    /// The route's: a HEAD is answered as its GET.
    let method: HTTPRequest.Method
    /// As sent, query and all.
    let target: String
    let path: String
    let route: Route.Template
    let audience: Route.Audience
    /// The parts of the path, of which the route's template names some.
    var pathSegments: [Substring] = []
    let query: QueryParameters
    let headers: HTTPFields
    /// What an Idempotency-Key stands for too; of a stream, what its handler makes of it.
    var body: [UInt8]
    /// The body of an operation that takes it piece by piece.
    var stream: BodyStream?
    /// From the `Authorization` header: well formed, its checksum right, not yet looked up.
    let credential: Credential?
    /// Set by `Access`, once the credential holds.
    let verification: Verification
    let requestID: String

    /// Whether its answer is to be kept for a repetition.
    var keepsAnswer: Bool { method != .get && headers[.idempotencyKey] != nil }

    func pathParameter(_ name: String) -> String? { route.parameter(name, of: pathSegments).map { String($0) } }

    /// A path parameter as an id. A text that is no such id cannot name anything.
    func id<Kind>(_ name: String, _: Kind.Type = Kind.self) throws(Problem) -> ID<Kind> {
        guard let text = pathParameter(name), let id = ID<Kind>(text) else { throw .notFound }
        return id
    }

    /// The body as `Value`, or a problem that names every invalid field.
    func decode<Value>(
        _ read: (inout FieldReader) throws(FieldErrors) -> Value
    ) throws(Problem) -> Value {
        let json: JSON
        do throws(JSONParseError) {
            json = try JSON(parsing: body)
        } catch {
            throw Problem(.malformedJSON, error.description)
        }
        do throws(FieldErrors) {
            return try FieldReader.read(json, read)
        } catch {
            throw Problem(error)
        }
    }

    /// Refuses with 412 when the client's `If-Match` names another version.
    func checkMatch(version: Int64) throws(Problem) {
        guard let header = headers[.ifMatch], !ETag.matches(header, version: version, .strong) else { return }
        throw Problem(.versionMismatch, "The current version is \(ETag.text(version)). Read it again, then repeat.")
    }

    /// 304 for a client that has this version already, else `reply`.
    func unlessMatching(version: Int64, _ reply: Reply) -> Reply {
        guard let header = headers[.ifNoneMatch], ETag.matches(header, version: version, .weak) else { return reply }
        var unchanged = Reply(status: .notModified)
        unchanged.headers[.eTag] = ETag.text(version)
        return unchanged
    }
}
