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
        guard let tenant = call.pathParameters["tenant_id"].flatMap({ TenantID($0) }),
            let id = call.pathParameters["connection_id"].flatMap({ ConnectionID($0) })
        else { throw Self.unauthenticated }
        let settings = environment.settings(for: tenant.uuid)
        let found = try await environment.pool.transaction(settings, ConnectionStore.verification(id, tenant: tenant))
        let now = environment.clock.now()
        guard let row = found[0].first else {
            // Takes as long as the real thing.
            _ = ShopifySignature.isValid(call.headers.shopify("hmac-sha256"), body: call.body, secrets: [Self.decoy])
            throw Self.unauthenticated
        }
        let connection = try ConnectionStore.verification(row)
        let secrets = try secrets(of: connection, id, tenant, now: now)
        let headers: InboundEvent.Headers
        switch connection.provider {
        case .shopify:
            let signature = call.headers.shopify("hmac-sha256")
            guard ShopifySignature.isValid(signature, body: call.body, secrets: secrets) else {
                throw Self.unauthenticated
            }
            headers = .shopify(call.headers)
        }
        let event = InboundEvent(
            id: .new(),
            tenant: tenant,
            store: connection.store,
            connection: id,
            headers: headers,
            state: .received,
            receivedAt: now
        )
        let rows = try await environment.pool.transaction(
            settings,
            InboundEventStore.receive(
                event,
                body: call.body,
                fingerprint: headers.fingerprint(of: call.body),
                job: .new()
            )
        )
        environment.failpoint.pass(.webhookStored)
        environment.wakeWorker()
        // The second of them answers; for a repeated delivery with the first one's event.
        let stored = try rows[1].first.map { InboundEventID(try $0.decode(UUID.self)) } ?? event.id
        return .json { $0.member("id", stored) }
    }

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

    private static let decoy = Secret(Array("no connection has this secret".utf8))
    private static let unauthenticated = Problem(.unauthenticated, "There is no valid signature of the body.")
}

extension HTTPFields {
    /// One of Shopify's headers, by its old name (`X-Shopify-Topic`) or its new one (`Shopify-Topic`).
    func shopify(_ name: String) -> String? {
        for prefix in ["x-shopify-", "shopify-"] {
            guard let field = HTTPField.Name(prefix + name), let value = self[field] else { continue }
            return value
        }
        return nil
    }
}

extension InboundEvent.Headers {
    /// Cut to what anybody would send; the rest is not worth keeping.
    static func shopify(_ fields: HTTPFields) -> Self {
        func text(_ name: String) -> String? {
            fields.shopify(name).map { String($0.unicodeScalars.filter { $0.value >= 0x20 }.prefix(255)) }
        }
        return Self(
            topic: text("topic") ?? "",
            deliveryID: text("webhook-id"),
            apiVersion: text("api-version"),
            triggeredAt: text("triggered-at").flatMap { Instant(rfc3339: $0) }
        )
    }
}
