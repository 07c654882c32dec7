import FoundationEssentials
import HTTPTypes
import JSON
import Observability
import Postgres
import Time

/// `/v1/stores/{store_id}/command-endpoint`: where a shop without a connector takes commands.
struct CommandEndpointRoutes {
    let environment: Environment

    private static let path = "/v1/stores/{store_id}/command-endpoint"

    var routes: [Route] {
        [
            Route(.get, Self.path, .holder(of: .connectionsRead), get),
            Route(.put, Self.path, .holder(of: .connectionsWrite), body: .json, put),
            Route(.post, "\(Self.path)/rotate-secret", .holder(of: .connectionsWrite), body: .json, rotate),
        ]
    }

    @Sendable private func get(_ call: Call) async throws -> Reply {
        let store = try call.id("store_id", StoreKind.self)
        let (_, rows) = try await environment.access.read(call) {
            [TenantStore.store(store, tenant: $0.tenant), CommandEndpointStore.endpoint(of: store, tenant: $0.tenant)]
        }
        guard !rows[0].isEmpty else { throw Problem.notFound }
        let endpoint = try rows[1].first.map(CommandEndpointStore.decode)
        return .json { write(endpoint, of: store, to: &$0) }
    }

    private struct NewEndpoint {
        let url: String
        let kinds: [Command.Kind]
        let state: CommandEndpoint.State

        init(_ body: inout FieldReader, _ outbound: Outbound) throws(FieldErrors) {
            let url = body.required("url", .string(1...WebAddress.maximumLength))
            if let url {
                do throws(Outbound.Refusal) {
                    try outbound.check(url)
                } catch {
                    body.report("url", .invalidFormat, error.description)
                }
            }
            let kind = FieldRule<Command.Kind>.choice()
            let kinds = body.required("kinds", .array(count: 1...Command.Kind.allCases.count, of: kind))
            (self.url, self.kinds, state) = try body.finish(
                url,
                // In one order, each once.
                kinds.map { named in Command.Kind.allCases.filter(named.contains) },
                body.optional("state", .choice(CommandEndpoint.State.self)).map { $0 ?? .active }
            )
        }
    }

    @Sendable private func put(_ call: Call) async throws -> Reply {
        let store = try call.id("store_id", StoreKind.self)
        let new = try call.decode { (body) throws(FieldErrors) in try NewEndpoint(&body, environment.outbound) }
        return try await environment.access.write(call) { transaction, principal in
            let (tenant, now) = (principal.tenant, environment.clock.now())
            _ = try await PutChecks.store(store, of: tenant, in: transaction)
            let rows = try await transaction.query(CommandEndpointStore.lock(of: store, tenant: tenant))
            let stateReason: CommandEndpoint.StateReason? = new.state == .disabled ? .disabledByUser : nil
            if var endpoint = try rows[0].first.map(CommandEndpointStore.decode) {
                (endpoint.url, endpoint.kinds) = (new.url, new.kinds)
                // Disabled by its own answer it stays, until somebody puts it to use.
                if endpoint.state != new.state { (endpoint.state, endpoint.stateReason) = (new.state, stateReason) }
                endpoint.updatedAt = now
                transaction.add(CommandEndpointStore.save(endpoint, tenant: tenant))
                return answer(endpoint, showing: nil)
            }
            let secret = StandardWebhook.newSecret()
            let place = CommandEndpoint.place(of: store, tenant: tenant)
            let endpoint = CommandEndpoint(
                store: store,
                url: new.url,
                kinds: new.kinds,
                secret: try environment.masterKey.seal(secret.reveal(), for: place),
                state: new.state,
                stateReason: stateReason,
                createdAt: now,
                updatedAt: now
            )
            transaction.add(CommandEndpointStore.save(endpoint, tenant: tenant))
            return answer(endpoint, showing: secret)
        }
    }

    @Sendable private func rotate(_ call: Call) async throws -> Reply {
        let store = try call.id("store_id", StoreKind.self)
        let overlap = try call.decode { (body) throws(FieldErrors) in
            try body.finish(body.optional("overlap_seconds", .int(0...604_800)).map { $0 ?? 86_400 })
        }
        return try await environment.access.write(call) { transaction, principal in
            let (tenant, now) = (principal.tenant, environment.clock.now())
            let rows = try await transaction.query(CommandEndpointStore.lock(of: store, tenant: tenant))
            guard var endpoint = try rows[0].first.map(CommandEndpointStore.decode) else { throw Problem.notFound }
            let secret = StandardWebhook.newSecret()
            let place = CommandEndpoint.place(of: store, tenant: tenant)
            // Sealed for the same place: it is one column's value, a version ago.
            endpoint.previous = (endpoint.secret, now + .seconds(overlap))
            endpoint.secret = try environment.masterKey.seal(secret.reveal(), for: place)
            endpoint.updatedAt = now
            transaction.add(CommandEndpointStore.save(endpoint, tenant: tenant))
            return answer(endpoint, showing: secret)
        }
    }

    /// A new secret is shown here and nowhere else, and not kept for a repetition of the request.
    private func answer(_ endpoint: CommandEndpoint, showing secret: Secret<[UInt8]>?) -> Reply {
        func reply(_ shown: String?) -> Reply {
            .json {
                $0.member("secret", shown)
                write(endpoint, of: endpoint.store, to: &$0)
            }
        }
        var answer = reply(secret.map { StandardWebhook.text(of: $0) })
        if secret != nil { answer.storedBody = reply(nil).body }
        return answer
    }

    private func write(_ endpoint: CommandEndpoint?, of store: StoreID, to object: inout JSONObjectWriter) {
        object.member("store_id", store)
        object.member("url", endpoint?.url)
        object.member("kinds", endpoint?.kinds.map(\.rawValue) ?? [])
        object.member("state", endpoint?.state.rawValue)
        object.member("state_reason", endpoint?.stateReason?.rawValue)
        object.member("previous_secret_until", endpoint?.previous?.until)
        object.member("last_success_at", endpoint?.lastSuccessAt)
        object.member("last_failure_at", endpoint?.lastFailureAt)
        object.member("last_failure", endpoint?.lastFailure)
        object.member("created_at", endpoint?.createdAt)
        object.member("updated_at", endpoint?.updatedAt)
    }
}
