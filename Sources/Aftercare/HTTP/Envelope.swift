import HTTPTypes
import Hummingbird
import Logging
import Metrics
import NIOCore
import Synchronization

/// The request as it reaches us, before anything of ours looked at it.
struct RequestSource: RequestContext {
    var coreContext: CoreRequestContextStorage
    /// The peer's IP address.
    let address: String
    /// Given by the envelope.
    fileprivate(set) var requestID = ""

    /// The logger with the request's id. Made when there is something to say: most requests log nothing.
    var requestLogger: Logger {
        var logger = logger
        logger[metadataKey: "request_id"] = "\(requestID)"
        return logger
    }

    init(source: ApplicationRequestContextSource) {
        coreContext = .init(source: source)
        address = source.channel.remoteAddress?.ipAddress ?? "unix"
    }
}

/// The outermost middleware: whatever happens inside, what leaves is an answer with an id, the headers every answer
/// has, and a problem document where it failed.
struct Envelope: RouterMiddleware {
    typealias Context = RequestSource

    let routes: [Route]
    let logger: Logger
    private let timers = RequestTimers()

    init(routes: [Route], logger: Logger) {
        (self.routes, self.logger) = (routes, logger)
    }

    func handle(
        _ request: Request,
        context: RequestSource,
        next: (Request, RequestSource) async throws -> Response
    ) async throws -> Response {
        let started = ContinuousClock.now
        let requestID = Self.requestID(request.headers[.requestID])
        var context = context
        context.logger = logger
        context.requestID = requestID
        var response: Response
        do {
            response = try await next(request, context)
        } catch {
            let problem = problem(for: error, of: request, logger: context.requestLogger)
            response = Response(problem.reply(instance: request.uri.path, requestID: requestID))
        }
        response.headers.append(HTTPField(name: .requestID, value: requestID))
        response.headers.append(response.headers.contains(.eTag) ? Self.mayBeCompared : Self.mayNotBeStored)
        response.headers.append(Self.varies)
        response.headers.append(Self.isNotSniffed)
        let route = context.endpointPath ?? Self.noRoute
        timers.timer(request.method, route, response.status).recordNanoseconds(started.duration(to: .now).nanoseconds)
        return response
    }

    // No operation sets any of these itself, so that none has to be looked for.
    private static let mayBeCompared = HTTPField(name: .cacheControl, value: "private, no-cache")
    private static let mayNotBeStored = HTTPField(name: .cacheControl, value: "private, no-store")
    private static let varies = HTTPField(name: .vary, value: "Authorization")
    private static let isNotSniffed = HTTPField(name: .xContentTypeOptions, value: "nosniff")

    fileprivate static let noRoute = "none"

    private static func requestID(_ header: String?) -> String {
        if let header, (8...128).contains(header.utf8.count), header.utf8.allSatisfy(isAllowed) { return header }
        return ID<RequestKind>.new().description
    }

    private static func isAllowed(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"):
            true
        default: false
        }
    }

    private func problem(
        for error: any Error,
        of request: Request,
        logger: @autoclosure () -> Logger
    ) -> Problem {
        switch error {
        case let error as any HTTPResponseError where error.status == .notFound:
            return missing(request)
        case let error as any HTTPResponseError where error.status == .contentTooLarge:
            return Problem(.payloadTooLarge, "The body is larger than this operation takes.")
        default:
            return Failure.problem(for: error, logger())
        }
    }

    /// No route took the request: either the path has other methods, or there is no such path.
    private func missing(_ request: Request) -> Problem {
        let path = request.uri.path.split(separator: "/")
        let methods = Set(routes.filter { $0.template.matches(path) }.map(\.method.rawValue)).sorted()
        guard !methods.isEmpty else { return .notFound }
        var problem = Problem(.methodNotAllowed, "It has \(methods.joined(separator: ", ")).")
        problem.headers[.allow] = methods.joined(separator: ", ")
        return problem
    }
}

/// The timer of each route, method and status, found once: by its labels takes longer than what it records.
private final class RequestTimers: Sendable {
    private struct Key: Hashable {
        let route: String
        let method: String
        let status: Int
    }

    private let known = Mutex<[Key: Timer]>([:])

    func timer(_ method: HTTPRequest.Method, _ route: String, _ status: HTTPResponse.Status) -> Timer {
        let key = Key(route: route, method: method.rawValue, status: status.code)
        return known.withLock { known in
            if let timer = known[key] { return timer }
            let timer = Timer(
                label: "http_request_duration",
                dimensions: [("method", key.method), ("route", route), ("status", "\(status.code)")]
            )
            // What is no route has any method that a client thinks of.
            if route != Envelope.noRoute { known[key] = timer }
            return timer
        }
    }
}

extension Response {
    init(_ reply: Reply) {
        self.init(
            status: reply.status,
            headers: reply.headers,
            body: .init(byteBuffer: ByteBuffer(bytes: reply.body))
        )
    }
}

enum RequestKind: IDKind { static let prefix = "req" }

extension Duration {
    var nanoseconds: Int64 {
        let (seconds, attoseconds) = components
        return seconds * 1_000_000_000 + attoseconds / 1_000_000_000
    }
}
