import HTTPTypes
import HummingbirdCore
import JSON
import Logging

/// Answers the requests that a route takes: takes each apart, checks what every operation checks, and calls the handler.
struct Server: Sendable {
    let access: Access
    let pepper: Pepper
    var formerPepper: Pepper?
    let inFlight: InFlight
    /// How many proxies in front of us append to `X-Forwarded-For`.
    let trustedProxies: Int
    /// How long a body may take to arrive.
    let bodyTimeout: Duration

    private var limits: RateLimits { access.limits }

    func answer(_ incoming: Incoming, _ route: Route, path: [Substring]) async throws -> Reply {
        let credential = bearerToken(incoming.request).flatMap {
            Credential(token: $0, pepper: pepper, formerPepper: formerPepper)
        }
        var standings: RateLimits.Standings?
        // A provider's webhooks all come from a few addresses and are never refused for it; wrong signatures are
        // charged below.
        if route.template.description.hasPrefix("/v1/"), !route.body.isRaw {
            let admitted = limits.admit(route.audience == .anyone ? nil : credential, from: address(of: incoming))
            if admitted.each.contains(where: \.isExceeded) { throw exceeded(admitted) }
            standings = admitted
        }
        let verification = Verification()
        do {
            var reply: Reply
            if case .anyone = route.audience {
                reply = try await route.handler(call(incoming, route, path, credential, verification))
            } else {
                reply = try await occupying(credential, incoming, verification) {
                    try await answer(incoming, route, path, credential, verification)
                }
            }
            if reply.status == .notModified, let credential { standings = limits.giveBack(credential) }
            reply.headers.state(standings)
            return reply
        } catch {
            var problem = Failure.problem(for: error, incoming.logger)
            // Guessing is slowed down at the address it comes from, whatever it claims to be.
            if problem.code == .unauthenticated { limits.penalize(address: address(of: incoming)) }
            problem.headers.state(standings)
            throw problem
        }
    }

    /// Runs `body` in one of the places for requests of the tenant.
    private func occupying(
        _ credential: Credential?,
        _ incoming: Incoming,
        _ verification: Verification,
        _ body: () async throws -> Reply
    ) async throws -> Reply {
        guard let credential else { throw Access.unauthenticated }
        guard let place = inFlight.enter(credential, from: address(of: incoming)) else {
            var problem = Problem(.rateLimited, "Too many requests are being answered at once.").retry(afterSeconds: 1)
            problem.members = [("violated_policies", [.string(InFlight.policy)])]
            throw problem
        }
        do {
            let reply = try await body()
            inFlight.leave(place, credential, isValid: verification.holds ? true : nil)
            return reply
        } catch {
            let isRefused = (error as? Problem)?.code == .unauthenticated
            inFlight.leave(place, credential, isValid: verification.holds ? true : isRefused ? false : nil)
            throw error
        }
    }

    /// What an operation for holders of credentials answers. Nothing is said about a request before its credential is
    /// known to hold: a refusal that came first waits for that.
    private func answer(
        _ incoming: Incoming,
        _ route: Route,
        _ path: [Substring],
        _ credential: Credential?,
        _ verification: Verification
    ) async throws -> Reply {
        var made: Call?
        do {
            let call = try await call(incoming, route, path, credential, verification)
            made = call
            return try await route.handler(call)
        } catch var problem as Problem {
            do {
                if let call = made, call.keepsAnswer, problem.isKept {
                    return try await access.keep(problem, for: call)
                }
            } catch let other as Problem {
                problem = other
            }
            if !verification.holds, problem.code != .unauthenticated {
                try await access.check(credential, route.audience, verification)
            }
            throw problem
        }
    }

    private func exceeded(_ standings: RateLimits.Standings) -> Problem {
        let exceeded = standings.each.filter(\.isExceeded)
        let seconds = exceeded.map(\.resetSeconds).max() ?? 1
        var problem = Problem(.rateLimited, "Try again in \(seconds) s.").retry(afterSeconds: max(1, seconds))
        problem.members = [("violated_policies", .array(exceeded.map { .string($0.policy.name) }))]
        problem.headers.state(standings)
        return problem
    }

    // MARK: Taking the request apart

    private func call(
        _ incoming: Incoming,
        _ route: Route,
        _ path: [Substring],
        _ credential: Credential?,
        _ verification: Verification
    ) async throws -> Call {
        let request = incoming.request
        // A monitor asks for text, and gets it; a provider's webhooks may ask for anything.
        if route.template.description.hasPrefix("/v1/"), !route.body.isRaw { try checkAccept(request.headers[.accept]) }
        try checkContentType(request.headers[.contentType], route.body)
        try checkContentEncoding(request.headers[.contentEncoding], route.body)
        let target = request.head.path ?? incoming.path
        let query = target.utf8.firstIndex(of: UInt8(ascii: "?")).map { target[target.utf8.index(after: $0)...] }
        return Call(
            method: route.method,
            target: target,
            path: incoming.path,
            route: route.template,
            audience: route.audience,
            pathSegments: path,
            query: try QueryParameters(route.body.isRaw ? nil : query, allowed: route.query),
            headers: request.headers,
            body: try await body(of: request, route.body),
            stream: route.body.isStreamed ? stream(of: request, maximum: route.body.maximum) : nil,
            credential: credential,
            verification: verification,
            requestID: incoming.requestID
        )
    }

    private func bearerToken(_ request: Request) -> Substring? {
        guard let header = request.headers.value(of: .authorization)?[...] else { return nil }
        let scheme = header.utf8.prefix(7)
        // No byte but a letter's becomes a letter so.
        guard scheme.elementsEqual("bearer ".utf8, by: { $0 == $1 || $0 | 0x20 == $1 }) else { return nil }
        return header[scheme.endIndex...].trimmingSpaces
    }

    private func address(of incoming: Incoming) -> String {
        guard trustedProxies > 0, let name = HTTPField.Name("X-Forwarded-For") else { return incoming.peerAddress }
        // Each proxy appends the address it saw: the last ones are ours, what stands before them anybody can write.
        let hops = incoming.request.headers[values: name].flatMap { $0.split(separator: ",") }
        guard hops.count >= trustedProxies else { return incoming.peerAddress }
        return String(hops[hops.count - trustedProxies].trimmingSpaces)
    }

    private func checkAccept(_ accept: String?) throws(Problem) {
        guard let accept else { return }
        let takesJSON = accept.split(separator: ",").contains { range in
            let parts = range.split(separator: ";")
            let isExcluded = parts.dropFirst().contains { ["q=0", "q=0.0"].contains($0.trimmingSpaces.lowercased()) }
            let type = parts.first?.trimmingSpaces.lowercased() ?? ""
            return !isExcluded
                && ["*/*", "application/*", "application/json", "application/problem+json"].contains(type)
        }
        guard takesJSON else { throw Problem(.notAcceptable, "Accept application/json.") }
    }

    /// A webhook's body is what was signed, whatever it is.
    private func checkContentEncoding(_ header: String?, _ body: Route.Body) throws(Problem) {
        switch body {
        case .none, .raw: return
        case .json, .mergePatch, .lines: break
        }
        guard let header, header.trimmingSpaces.lowercased() != "identity" else { return }
        var problem = Problem(.unsupportedMediaType, "Send it without a Content-Encoding.")
        problem.headers[.acceptEncoding] = "identity"
        throw problem
    }

    private func checkContentType(_ header: String?, _ body: Route.Body) throws(Problem) {
        let allowed: [String]
        switch body {
        case .none, .raw: return
        case .json: allowed = ["application/json"]
        case .mergePatch: allowed = ["application/merge-patch+json", "application/json"]
        case .lines: allowed = ["application/x-ndjson"]
        }
        let parts = (header ?? "").lowercased().split(separator: ";").map(\.trimmingSpaces)
        let charsets = parts.dropFirst().filter { $0.hasPrefix("charset=") }
        guard let type = parts.first, allowed.contains(String(type)),
            charsets.allSatisfy({ $0.dropFirst(8).replacing("\"", with: "") == "utf-8" })
        else {
            var problem = Problem(.unsupportedMediaType, "Send \(allowed[0]) in UTF-8.")
            problem.headers[.accept] = allowed.joined(separator: ", ")
            throw problem
        }
    }

    private func stream(of request: Request, maximum: Int) -> BodyStream {
        BodyStream(
            body: request.body,
            length: request.headers[.contentLength].flatMap { Int($0) },
            maximum: maximum,
            timeout: bodyTimeout
        )
    }

    /// The whole body, within its size and its time: a client that sends a byte now and then is not waited for.
    private func body(of request: Request, _ kind: Route.Body) async throws -> [UInt8] {
        switch kind {
        case .none, .lines: []
        case .json, .mergePatch, .raw:
            try await stream(of: request, maximum: kind.maximum).reduce(into: []) { $0 += $1 }
        }
    }
}

extension HTTPFields {
    /// As the subscript, which goes through two lazy sequences also where there is one field, as nearly always.
    fileprivate func value(of name: HTTPField.Name) -> String? {
        guard let first = firstIndex(where: { $0.name == name }) else { return nil }
        return self[(first + 1)...].contains { $0.name == name } ? self[name] : self[first].value
    }

    fileprivate mutating func state(_ standings: RateLimits.Standings?) {
        guard let standings else { return }
        append(standings.policies)
        append(standings.states)
    }
}
