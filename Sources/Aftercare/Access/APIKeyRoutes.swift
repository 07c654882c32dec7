import FoundationEssentials
import HTTPTypes
import JSON
import Observability
import Postgres
import Time

/// `/v1/api-keys`: the credentials of programs. A key's secret is in the answer that creates it and nowhere else.
struct APIKeyRoutes {
    let environment: Environment

    var routes: [Route] {
        [
            Route(.post, "/v1/api-keys", .holder(of: .keysWrite), body: .json, create),
            Route(.get, "/v1/api-keys", .holder(of: .keysRead), query: Page.parameters, list),
            Route(.get, "/v1/api-keys/{api_key_id}", .holder(of: .keysRead), get),
            Route(.post, "/v1/api-keys/{api_key_id}/rotate", .holder(of: .keysWrite), body: .json, rotate),
            Route(.delete, "/v1/api-keys/{api_key_id}", .holder(of: .keysWrite), revoke),
        ]
    }

    private struct NewKey {
        let name: String
        let store: StoreID?
        let scopes: [Scope]
        let expiresAt: Instant?

        init(_ body: inout FieldReader) throws(FieldErrors) {
            (name, store, scopes, expiresAt) = try body.finish(
                body.required("name", .string(1...200)),
                body.optional("store_id", .id()),
                body.required("scopes", .array(count: 1...50, of: .choice())),
                body.optional("expires_at", .instant { Instant(rfc3339: $0) })
            )
        }
    }

    @Sendable private func create(_ call: Call) async throws -> Reply {
        let new = try call.decode(NewKey.init)
        do {
            return try await environment.access.write(call) { transaction, principal in
                let now = environment.clock.now()
                if let expiresAt = new.expiresAt, expiresAt <= now {
                    throw Problem.field("#/expires_at", .outOfRange, "must be in the future")
                }
                // Nobody hands out more than they have.
                let scopes = Set(new.scopes)
                guard scopes.isSubset(of: principal.scopes) else {
                    let missing = scopes.subtracting(principal.scopes).map(\.rawValue).sorted()
                    throw Problem.field("#/scopes", .unknownValue, "you lack \(missing.joined(separator: ", "))")
                }
                guard principal.store == nil || new.store == principal.store else {
                    throw Problem.field("#/store_id", .unknownValue, "must be the store this key is bound to")
                }
                return issue(
                    transaction,
                    principal,
                    store: new.store,
                    name: new.name,
                    scopes: scopes,
                    expiresAt: new.expiresAt,
                    now: now
                ).reply
            }
        } catch let error as PostgresError {
            throw APIKeyStore.problem(error) ?? error
        }
    }

    private func issue(
        _ transaction: Transaction,
        _ principal: Principal,
        store: StoreID?,
        name: String,
        scopes: Set<Scope>,
        expiresAt: Instant?,
        now: Instant
    ) -> (reply: Reply, id: APIKeyID) {
        let id = APIKeyID.new()
        let pepper = environment.masterKey.pepper
        let token = Token(tenant: principal.tenant, subject: .apiKey(id, store: store), pepper: pepper)
        let key = APIKey(
            id: id,
            tenant: principal.tenant,
            store: store,
            name: name,
            scopes: scopes,
            hint: token.hint,
            rotatedTo: nil,
            createdBy: principal.name,
            createdAt: now,
            expiresAt: expiresAt,
            revokedAt: nil
        )
        transaction.add(APIKeyStore.insert(key, hash: token.hash))
        func created(_ shown: String?) -> Reply {
            .created(at: "/v1/api-keys/\(id)") { object in
                object.member("token", shown)
                write(key, to: &object)
            }
        }
        var reply = created(token.text.reveal())
        reply.storedBody = created(nil).body
        return (reply, id)
    }

    @Sendable private func list(_ call: Call) async throws -> Reply {
        let page = try Page(call, key: environment.masterKey.cursors)
        let (_, rows) = try await environment.access.read(call) { [APIKeyStore.keys(page, tenant: $0.tenant)] }
        return page.reply(try rows[0].map(APIKeyStore.decode), position: { ($0.createdAt, $0.id.uuid) }, write)
    }

    @Sendable private func get(_ call: Call) async throws -> Reply {
        let id = try call.id("api_key_id", APIKeyKind.self)
        let (_, rows) = try await environment.access.find(call) { [APIKeyStore.key(id, tenant: $0.tenant)] }
        guard let row = rows[0].first else { throw Problem.notFound }
        let key = try APIKeyStore.decode(row)
        return .json { write(key, to: &$0) }
    }

    private static let maximumOverlap = 30 * 24 * 3600

    private struct Rotation {
        let overlapSeconds: Int

        init(_ body: inout FieldReader) throws(FieldErrors) {
            overlapSeconds = try body.finish(
                body.optional("overlap_seconds", .int(0...APIKeyRoutes.maximumOverlap)).map { $0 ?? 24 * 3600 }
            )
        }
    }

    /// A new key like the old one; both are valid until the overlap ends.
    @Sendable private func rotate(_ call: Call) async throws -> Reply {
        let id = try call.id("api_key_id", APIKeyKind.self)
        let rotation = try call.decode(Rotation.init)
        return try await environment.access.write(call) { transaction, principal in
            let rows = try await transaction.query(APIKeyStore.lock(id, tenant: principal.tenant))
            guard let row = rows[0].first else { throw Problem.notFound }
            let old = try APIKeyStore.decode(row)
            let now = environment.clock.now()
            guard old.revokedAt == nil, old.rotatedTo == nil, old.expiresAt.map({ $0 > now }) ?? true else {
                throw Problem(.stateConflict, "The key is revoked, expired, or was rotated before.")
            }
            guard old.scopes.isSubset(of: principal.scopes) else {
                throw Problem.lacking(old.scopes.subtracting(principal.scopes), "The key may do more than you may.")
            }
            let (reply, new) = issue(
                transaction,
                principal,
                store: old.store,
                name: old.name,
                scopes: old.scopes,
                expiresAt: old.expiresAt,
                now: now
            )
            let end = now + .seconds(rotation.overlapSeconds)
            transaction.add(APIKeyStore.replace(id, by: new, tenant: principal.tenant, until: end))
            return reply
        }
    }

    @Sendable private func revoke(_ call: Call) async throws -> Reply {
        let id = try call.id("api_key_id", APIKeyKind.self)
        return try await environment.access.write(call) { transaction, principal in
            let now = environment.clock.now()
            let rows = try await transaction.query(APIKeyStore.revoke(id, tenant: principal.tenant, now: now))
            guard !rows[0].isEmpty else { throw Problem.notFound }
            return .noContent
        }
    }

    private func write(_ key: APIKey, to object: inout JSONObjectWriter) {
        object.member("id", key.id)
        object.member("store_id", key.store)
        object.member("name", key.name)
        object.member("scopes", key.scopes.map(\.rawValue).sorted())
        object.member("hint", key.hint)
        object.member("rotated_to", key.rotatedTo)
        object.member("created_by", key.createdBy)
        object.member("created_at", key.createdAt)
        object.member("expires_at", key.expiresAt)
        object.member("revoked_at", key.revokedAt)
    }
}
