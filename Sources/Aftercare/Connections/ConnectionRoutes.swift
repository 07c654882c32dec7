import FoundationEssentials
import HTTPTypes
import JSON
import Jobs
import Observability
import Postgres
import Time

/// `/v1/connections`.
struct ConnectionRoutes {
    let environment: Environment

    var routes: [Route] {
        [
            Route(.post, "/v1/connections", .holder(of: .connectionsWrite), body: .json, create),
            Route(
                .get,
                "/v1/connections",
                .holder(of: .connectionsRead),
                query: Page.parameters.union(["store_id"]),
                list
            ),
            Route(.get, "/v1/connections/{connection_id}", .holder(of: .connectionsRead), get),
            Route(
                .patch,
                "/v1/connections/{connection_id}",
                .holder(of: .connectionsWrite),
                body: .mergePatch,
                update
            ),
            Route(
                .post,
                "/v1/connections/{connection_id}/rotate-secret",
                .holder(of: .connectionsWrite),
                body: .json,
                rotate
            ),
        ]
    }

    private struct NewConnection {
        let store: StoreID
        let provider: Connection.Provider
        let account: String
        let secret: Secret<[UInt8]>

        init(_ body: inout FieldReader) throws(FieldErrors) {
            let provider = body.required("provider", .choice(Connection.Provider.self))
            (store, self.provider, account, secret) = try body.finish(
                body.required("store_id", .id()),
                provider,
                body.required("account", .account(at: provider)),
                Self.secret(&body, provider)
            )
        }

        private static func secret(_ body: inout FieldReader, _ provider: Connection.Provider?) -> Secret<[UInt8]>? {
            guard let provider, provider.secretIsOurs else { return body.required("secret", .webhookSecret) }
            guard let sent = body.optional("secret", .webhookSecret) else { return nil }
            guard sent == nil else {
                body.report("secret", .unknownValue, ConnectionRoutes.secretIsOurs)
                return nil
            }
            return Connection.newSecret()
        }
    }

    @Sendable private func create(_ call: Call) async throws -> Reply {
        let new = try call.decode(NewConnection.init)
        do {
            return try await environment.access.write(call) { transaction, principal in
                let now = environment.clock.now()
                let connection = Connection(
                    id: .new(),
                    tenant: principal.tenant,
                    store: new.store,
                    provider: new.provider,
                    account: new.account,
                    state: .active,
                    version: 1,
                    createdAt: now,
                    updatedAt: now
                )
                let place = Connection.place(of: connection.id, tenant: connection.tenant)
                let sealed = try environment.masterKey.seal(new.secret.reveal(), for: place)
                // A foreign key looks past row level security: a store the caller may not see is looked for first.
                let stores = try await transaction.query(TenantStore.store(new.store, tenant: principal.tenant))
                guard !stores[0].isEmpty else { throw Self.unknownStore }
                transaction.add(ConnectionStore.insert(connection, secret: sealed))
                transaction.add(JobStore.schedule(CheckConnection.first(for: connection, now: now), now: now))
                return once(showing: new.provider.secretIsOurs ? new.secret : nil) { shown in
                    .created(at: "/v1/connections/\(connection.id)", version: connection.version) {
                        $0.member("secret", shown)
                        write(connection, to: &$0)
                    }
                }
            }
        } catch let error as PostgresError where error.constraint == ConnectionStore.uniqueConstraint {
            throw Problem(.alreadyExists, "The store is connected to this account already.")
        } catch let error as PostgresError where error.constraint == ConnectionStore.storeConstraint {
            throw Self.unknownStore
        }
    }

    private static let secretIsOurs = "must be absent: we make it, and answer with it"

    /// An answer with a secret, which is not kept for a repetition of the request.
    private func once(showing secret: Secret<[UInt8]>?, _ answer: (String?) -> Reply) -> Reply {
        var reply = answer(secret.map { String(decoding: $0.reveal(), as: UTF8.self) })
        if secret != nil { reply.storedBody = answer(nil).body }
        return reply
    }

    private static let unknownStore = Problem.field("#/store_id", .unknownValue, "is not the id of a store of yours")

    @Sendable private func list(_ call: Call) async throws -> Reply {
        let page = try Page(call, filters: ["store_id"], key: environment.masterKey.cursors)
        let store = try call.query.id("store_id", StoreKind.self)
        let (_, rows) = try await environment.access.read(call) {
            [ConnectionStore.connections(page, store: store, tenant: $0.tenant)]
        }
        let connections = try rows[0].map(ConnectionStore.decode)
        return page.reply(connections, position: { ($0.createdAt, $0.id.uuid) }, write)
    }

    @Sendable private func get(_ call: Call) async throws -> Reply {
        let id = try call.id("connection_id", ConnectionKind.self)
        let (_, rows) = try await environment.access.find(call) { [ConnectionStore.connection(id, tenant: $0.tenant)] }
        guard let row = rows[0].first else { throw Problem.notFound }
        let connection = try ConnectionStore.decode(row)
        let reply = Reply.json(version: connection.version) { write(connection, to: &$0) }
        return call.unlessMatching(version: connection.version, reply)
    }

    private struct Changes {
        let state: Connection.State?

        init(_ body: inout FieldReader) throws(FieldErrors) {
            state = try body.finish(body.change("state", .choice(Connection.State.self)))
        }
    }

    @Sendable private func update(_ call: Call) async throws -> Reply {
        let id = try call.id("connection_id", ConnectionKind.self)
        let changes = try call.decode(Changes.init)
        return try await environment.access.write(call) { transaction, principal in
            let rows = try await transaction.query(ConnectionStore.lock(id, tenant: principal.tenant))
            guard let row = rows[0].first else { throw Problem.notFound }
            var connection = try ConnectionStore.decode(row)
            try call.checkMatch(version: connection.version)
            let now = environment.clock.now()
            let isChanged =
                switch changes.state {
                case .active: connection.activate(at: now)
                case .disabled: connection.disable(because: .disabledByUser, at: now)
                case nil: false
                }
            if isChanged {
                connection.version += 1
                connection.updatedAt = now
                transaction.add(ConnectionStore.updateState(connection))
                for statement in PullOrders.beginning(connection, now: now) { transaction.add(statement) }
            }
            return .json(version: connection.version) { write(connection, to: &$0) }
        }
    }

    private struct Rotation {
        let secret: Secret<[UInt8]>?
        let overlap: Duration

        init(_ body: inout FieldReader) throws(FieldErrors) {
            let seconds: Int
            (secret, seconds) = try body.finish(
                body.optional("secret", .webhookSecret),
                body.optional("overlap_seconds", .int(0...86_400)).map { $0 ?? 3600 }
            )
            overlap = .seconds(seconds)
        }

        func secret(at provider: Connection.Provider) throws(Problem) -> Secret<[UInt8]> {
            switch (provider.secretIsOurs, secret) {
            case (true, nil): return Connection.newSecret()
            case (false, let secret?): return secret
            case (true, _?): throw Problem.field("#/secret", .unknownValue, ConnectionRoutes.secretIsOurs)
            case (false, nil): throw Problem.field("#/secret", .required, "is required")
            }
        }
    }

    @Sendable private func rotate(_ call: Call) async throws -> Reply {
        let id = try call.id("connection_id", ConnectionKind.self)
        let rotation = try call.decode(Rotation.init)
        return try await environment.access.write(call) { transaction, principal in
            let rows = try await transaction.query(ConnectionStore.lock(id, tenant: principal.tenant))
            guard let row = rows[0].first else { throw Problem.notFound }
            var connection = try ConnectionStore.decode(row)
            try call.checkMatch(version: connection.version)
            let current: Bytea = try row("secret")
            let place = Connection.place(of: id, tenant: principal.tenant)
            let secret = try rotation.secret(at: connection.provider)
            let sealed = try environment.masterKey.seal(secret.reveal(), for: place)
            connection.version += 1
            connection.updatedAt = environment.clock.now()
            // A new secret is how a shop is connected again.
            _ = connection.activate(at: connection.updatedAt)
            transaction.add(
                ConnectionStore.rotate(
                    connection,
                    secret: sealed,
                    // Sealed for the same place: it is one column's value, a version ago.
                    previous: current.bytes,
                    until: connection.updatedAt + rotation.overlap
                )
            )
            for statement in PullOrders.beginning(connection, now: connection.updatedAt) { transaction.add(statement) }
            return once(showing: connection.provider.secretIsOurs ? secret : nil) { shown in
                .json(version: connection.version) {
                    $0.member("secret", shown)
                    write(connection, to: &$0)
                }
            }
        }
    }

    func write(_ connection: Connection, to object: inout JSONObjectWriter) {
        object.member("id", connection.id)
        object.member("store_id", connection.store)
        object.member("provider", connection.provider.rawValue)
        object.member("account", connection.account)
        object.member("state", connection.state.rawValue)
        object.member("state_reason", connection.stateReason?.rawValue)
        object.member("state_changed_at", connection.stateChangedAt)
        object.member("credentials_set_at", connection.credentialsSetAt)
        object.member("webhook_url", connection.webhookURL(environment.publicURL))
        object.member("version", connection.version)
        object.member("created_at", connection.createdAt)
        object.member("updated_at", connection.updatedAt)
    }
}

extension FieldRule<String> {
    /// Any text where the provider is wrong: what an account has to look like is not known then.
    fileprivate static func account(at provider: Connection.Provider?) -> Self {
        guard let provider else { return .string(1...255) }
        return .parsed(provider.accountFormat, length: 1...255) { provider.account($0) }
    }
}

extension FieldRule<Secret<[UInt8]>> {
    fileprivate static var webhookSecret: Self {
        .parsed("8 to 255 visible characters", length: 8...255) { text in
            Connection.isSecret(text) ? Secret(Array(text.utf8)) : nil
        }
    }
}
