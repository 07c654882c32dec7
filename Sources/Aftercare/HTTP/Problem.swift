import HTTPTypes
import JSON

/// Everything an error answer can be, by its `code`. Closed: the OpenAPI document lists the same, a test compares.
enum ProblemCode: String, CaseIterable, Sendable {
    case malformedJSON = "malformed_json"
    case invalidParameter = "invalid_parameter"
    case invalidCursor = "invalid_cursor"
    case idempotencyKeyInvalid = "idempotency_key_invalid"
    case unauthenticated
    case insufficientScope = "insufficient_scope"
    case notFound = "not_found"
    case methodNotAllowed = "method_not_allowed"
    case notAcceptable = "not_acceptable"
    case requestTimeout = "request_timeout"
    case alreadyExists = "already_exists"
    case stateConflict = "state_conflict"
    case idempotencyInProgress = "idempotency_in_progress"
    case gone
    case versionMismatch = "version_mismatch"
    case payloadTooLarge = "payload_too_large"
    case unsupportedMediaType = "unsupported_media_type"
    case validationFailed = "validation_failed"
    case idempotencyKeyReused = "idempotency_key_reused"
    case rateLimited = "rate_limited"
    case `internal`
    case overloaded

    var status: HTTPResponse.Status {
        switch self {
        case .malformedJSON, .invalidParameter, .invalidCursor, .idempotencyKeyInvalid: .badRequest
        case .unauthenticated: .unauthorized
        case .insufficientScope: .forbidden
        case .notFound: .notFound
        case .methodNotAllowed: .methodNotAllowed
        case .notAcceptable: .notAcceptable
        case .requestTimeout: .requestTimeout
        case .alreadyExists, .stateConflict, .idempotencyInProgress: .conflict
        case .gone: .gone
        case .versionMismatch: .preconditionFailed
        case .payloadTooLarge: .contentTooLarge
        case .unsupportedMediaType: .unsupportedMediaType
        case .validationFailed, .idempotencyKeyReused: .unprocessableContent
        case .rateLimited: .tooManyRequests
        case .internal: .internalServerError
        case .overloaded: .serviceUnavailable
        }
    }

    /// Whether the same request is refused again for the same reason, so that the refusal is kept under its
    /// Idempotency-Key. Not where another header, credential or moment may change it: 400, 401, 403, 412, 429 and the
    /// like; nor what is about the key itself.
    var isKept: Bool {
        switch self {
        case .idempotencyInProgress, .idempotencyKeyReused: false
        default: [.notFound, .conflict, .unprocessableContent].contains(status)
        }
    }

    var title: String {
        switch self {
        case .malformedJSON: "The body is not JSON"
        case .invalidParameter: "A parameter is invalid"
        case .invalidCursor: "The cursor is invalid"
        case .idempotencyKeyInvalid: "The Idempotency-Key is invalid"
        case .unauthenticated: "No valid credential"
        case .insufficientScope: "The credential may not do this"
        case .notFound: "Not found"
        case .methodNotAllowed: "The path does not have this method"
        case .notAcceptable: "Only JSON can be answered"
        case .requestTimeout: "The body came too slowly"
        case .alreadyExists: "It exists already"
        case .stateConflict: "The current state does not allow this"
        case .idempotencyInProgress: "A request with this Idempotency-Key is running"
        case .gone: "It is there no longer"
        case .versionMismatch: "It has changed meanwhile"
        case .payloadTooLarge: "The body is too large"
        case .unsupportedMediaType: "The body has to be JSON"
        case .validationFailed: "Request validation failed"
        case .idempotencyKeyReused: "The Idempotency-Key was used for another request"
        case .rateLimited: "Too many requests"
        case .internal: "Something went wrong on our side"
        case .overloaded: "Not able to answer right now"
        }
    }
}

/// An error as the client gets it: `application/problem+json` of RFC 9457.
///
/// Thrown anywhere below the envelope, rendered in one place.
struct Problem: Error {
    var code: ProblemCode
    var detail: String
    /// Every invalid field or query parameter, all at once.
    var errors: [Item] = []
    var headers: HTTPFields = [:]
    /// Further members, such as `required_scopes`.
    var members: [(String, JSON)] = []

    enum Item: Sendable {
        case field(FieldError)
        case parameter(String, code: FieldError.Code, detail: String)
    }

    init(_ code: ProblemCode, _ detail: String) {
        self.code = code
        self.detail = detail
        // RFC 9110 wants it with every 401.
        if code == .unauthenticated { headers[.wwwAuthenticate] = "Bearer" }
    }

    init(_ fields: FieldErrors) {
        code = .validationFailed
        let count = fields.errors.count
        detail =
            count == 1 ? "1 field is invalid." : "\(count)\(fields.isTruncated ? " or more" : "") fields are invalid."
        errors = fields.errors.map { .field($0) }
    }

    /// One field that only the database could judge.
    static func field(_ pointer: String, _ code: FieldError.Code, _ detail: String) -> Problem {
        Problem(FieldErrors([FieldError(pointer: pointer, code: code, detail: detail)]))
    }

    /// A credential that lacks these; named, so that the caller knows what to ask an owner for.
    static func lacking(_ scopes: some Sequence<Scope>, _ detail: String) -> Problem {
        var problem = Problem(.insufficientScope, detail)
        problem.members = [("required_scopes", .array(scopes.map(\.rawValue).sorted().map { .string($0) }))]
        return problem
    }

    /// As its code; but one that says when to try again passes by itself.
    var isKept: Bool { code.isKept && headers[.retryAfter] == nil }

    static let notFound = Problem(.notFound, "There is nothing here, or nothing this credential may see.")

    func retry(afterSeconds seconds: Int) -> Problem {
        var problem = self
        problem.headers[.retryAfter] = String(seconds)
        return problem
    }

    /// As an answer that can be kept.
    func reply(instance: String, requestID: String) -> Reply {
        var reply = Reply(status: code.status, headers: headers, body: body(instance: instance, requestID: requestID))
        reply.headers[.contentType] = Self.contentType
        return reply
    }

    static let contentType = "application/problem+json"

    func body(instance: String, requestID: String) -> [UInt8] {
        var writer = JSONWriter()
        writer.object { object in
            object.member("type", "urn:aftercare:problem:\(code.rawValue)")
            object.member("title", code.title)
            object.member("status", code.status.code)
            object.member("detail", detail)
            object.member("instance", instance)
            object.member("code", code.rawValue)
            object.member("request_id", requestID)
            for (name, value) in members { object.member(name, value) }
            guard !errors.isEmpty else { return }
            object.array("errors", errors) { writer, item in
                switch item {
                case .field(let error):
                    writer.value(error)
                case .parameter(let name, let code, let detail):
                    writer.object { object in
                        object.member("parameter", name)
                        object.member("code", code.rawValue)
                        object.member("detail", detail)
                    }
                }
            }
        }
        return writer.bytes
    }
}
