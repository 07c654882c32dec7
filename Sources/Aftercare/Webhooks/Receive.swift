import FoundationEssentials
import HTTPTypes
import JSON
import Observability
import Postgres
import Time

/// `POST /v1/hooks/{tenant_id}/{connection_id}`: takes a provider's webhook.
///
/// Checks the signature, stores the bytes with a job, answers 200; nothing is parsed before. A body with a valid
/// signature is never refused: providers give up on receivers that do, and the order in it would be lost.
struct Receive {
    let environment: Environment

    static let maximumBody = 10 << 20

    var routes: [Route] {
        [Route(.post, "/v1/hooks/{tenant_id}/{connection_id}", .anyone, body: .raw(maximum: Self.maximumBody), receive)]
    }

    @Sendable private func receive(_ call: Call) async throws -> Reply {
        // What names no connection is answered as a wrong signature is: nobody can find out which ones there are.
        guard let tenant = call.pathParameter("tenant_id").flatMap({ TenantID($0) }),
            let id = call.pathParameter("connection_id").flatMap({ ConnectionID($0) })
        else { throw Self.unauthenticated }
        let settings = environment.settings(for: tenant.uuid)
        let found = try await environment.pool.transaction(settings, ConnectionStore.verification(id, tenant: tenant))
        let now = environment.clock.now()
        guard let row = found[0].first else {
            // Takes as long as the real thing.
            _ = BodySignature.isValid(Self.decoySignature, of: call.body, secrets: [Self.decoy])
            throw Self.unauthenticated
        }
        let connection = try ConnectionStore.verification(row)
        let provider = connection.provider
        if provider.isPing(call.headers, body: call.body) { return Self.kept(as: nil) }
        let secrets = try secrets(of: connection, id, tenant, now: now)
        guard provider.isSigned(call.headers, target: call.target, body: call.body, secrets: secrets) else {
            environment.refusedSignatures.note(id, of: connection.store, tenant: tenant)
            throw Self.unauthenticated
        }
        let headers = provider.headers(call.headers)
        let event = InboundEvent(
            id: .new(),
            tenant: tenant,
            store: connection.store,
            connection: id,
            headers: headers,
            state: .received,
            receivedAt: now,
            contentType: call.headers[.contentType].map(InboundEvent.Headers.worthKeeping)
        )
        let rows = try await environment.pool.transaction(
            settings,
            InboundEventStore.receive(
                event,
                body: call.body,
                fingerprint: provider.fingerprint(of: headers, body: call.body),
                job: .new()
            )
        )
        environment.failpoint.pass(.webhookStored)
        environment.wakeWorker()
        // The second of them answers; for a repeated delivery with the first one's event.
        return Self.kept(as: try rows[1].first.map { InboundEventID(try $0.decode(UUID.self)) } ?? event.id)
    }

    /// Nil for what is answered and not kept.
    private static func kept(as event: InboundEventID?) -> Reply { .json { $0.member("id", event) } }

    private func secrets(
        of connection: ConnectionStore.Verification,
        _ id: ConnectionID,
        _ tenant: TenantID,
        now: Instant
    ) throws -> [Secret<[UInt8]>] {
        let place = Connection.place(of: id, tenant: tenant)
        var secrets = [try environment.masterKey.open(connection.secret, for: place)]
        if let previous = connection.previous, now < previous.until {
            secrets.append(try environment.masterKey.open(previous.secret, for: place))
        }
        return secrets
    }

    private static let decoySignature = Data(repeating: 0, count: 32)
    private static let decoy = Secret(Array("no connection has this secret".utf8))
    private static let unauthenticated = Problem(.unauthenticated, "There is no valid signature of the body.")
}
