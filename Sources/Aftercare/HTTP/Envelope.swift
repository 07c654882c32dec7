import HTTPTypes
import HummingbirdCore
import Logging
import Metrics
import NIOCore
import Synchronization

/// A request as it reaches us, before anything of it is looked at.
struct Incoming: Sendable {
    let request: Request
    /// Without the query.
    let path: String
    let peer: SocketAddress?
    let requestID: String
    fileprivate let processLogger: Logger

    /// The IP address that it comes from. Made when it matters: requests with a credential go by that.
    var peerAddress: String { peer?.ipAddress ?? "unix" }

    /// With the request's id. Made when there is something to say: most requests log nothing.
    var logger: Logger {
        var logger = processLogger
        logger[metadataKey: "request_id"] = "\(requestID)"
        return logger
    }
}

/// The outermost layer: whatever happens inside, what leaves is an answer with an id, the headers every answer has, and
/// a problem document where it failed.
struct Envelope: Sendable {
    private let routes: RouteTable
    private let server: Server
    private let logger: Logger
    private let timers = RequestTimers()
    private let date = DateHeader()

    init(routes: [Route], server: Server, logger: Logger) {
        (self.routes, self.server, self.logger) = (RouteTable(routes), server, logger)
    }

    func answer(_ request: Request, from peer: SocketAddress?) async -> Reply {
        let started = ContinuousClock.now
        let incoming = Incoming(
            request: request,
            path: request.uri.path,
            peer: peer,
            requestID: Self.requestID(request.headers[.requestID]),
            processLogger: logger
        )
        var template = Self.noRoute
        var reply: Reply
        do {
            switch routes.find(request.method, incoming.path) {
            case .route(let route, let path):
                template = route.template.description
                reply = try await server.answer(incoming, route, path: path)
            case .otherMethods(let methods): throw Self.methodNotAllowed(methods)
            case .nothing: throw Problem.notFound
            }
        } catch {
            let problem = Failure.problem(for: error, incoming.logger)
            reply = problem.reply(instance: incoming.path, requestID: incoming.requestID)
        }
        reply.headers.append(HTTPField(name: .contentLength, value: String(reply.body.count)))
        reply.headers.append(HTTPField(name: .requestID, value: incoming.requestID))
        reply.headers.append(reply.headers.contains(.eTag) ? Self.mayBeCompared : Self.mayNotBeStored)
        reply.headers.append(Self.varies)
        reply.headers.append(Self.isNotSniffed)
        reply.headers.append(date.field)
        timers.timer(request.method, template, reply.status).recordNanoseconds(started.duration(to: .now).nanoseconds)
        return reply
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

    private static func methodNotAllowed(_ methods: [String]) -> Problem {
        let methods = methods.joined(separator: ", ")
        var problem = Problem(.methodNotAllowed, "It has \(methods).")
        problem.headers[.allow] = methods
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

enum RequestKind: IDKind { static let prefix = "req" }

extension Duration {
    var nanoseconds: Int64 {
        let (seconds, attoseconds) = components
        return seconds * 1_000_000_000 + attoseconds / 1_000_000_000
    }
}
