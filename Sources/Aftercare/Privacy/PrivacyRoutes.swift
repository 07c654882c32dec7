import FoundationEssentials
import HTTPTypes
import JSON
import Postgres
import Time

/// `/v1/privacy-requests`: who asked for what is kept of them, or for it to be erased, and what became of it. For owners.
struct PrivacyRoutes {
    let environment: Environment

    private static let one = "/v1/privacy-requests/{privacy_request_id}"

    var routes: [Route] {
        [
            Route(
                .get,
                "/v1/privacy-requests",
                .holder(of: .privacyRead),
                query: Page.parameters.union(["store_id"]),
                list
            ),
            Route(.get, Self.one, .holder(of: .privacyRead), get),
            Route(.get, "\(Self.one)/export", .holder(of: .privacyRead), export),
            Route(.post, "\(Self.one)/complete", .holder(of: .privacyWrite), complete),
        ]
    }

    @Sendable private func list(_ call: Call) async throws -> Reply {
        let page = try Page(call, filters: ["store_id"], key: environment.masterKey.cursors)
        let store = try call.query.id("store_id", StoreKind.self)
        let (_, rows) = try await environment.access.read(call) {
            [PrivacyStore.requests(page, store: store, tenant: $0.tenant)]
        }
        let requests = try rows[0].map(PrivacyStore.decode)
        return page.reply(requests, position: { ($0.createdAt, $0.id.uuid) }) { $0.write(to: &$1) }
    }

    @Sendable private func get(_ call: Call) async throws -> Reply {
        let id = try call.id("privacy_request_id", PrivacyRequestKind.self)
        let (_, rows) = try await environment.access.find(call) { [PrivacyStore.request(id, tenant: $0.tenant)] }
        guard let request = try rows[0].first.map(PrivacyStore.decode) else { throw Problem.notFound }
        let reply = Reply.json(version: request.version) { request.write(to: &$0) }
        return call.unlessMatching(version: request.version, reply)
    }

    // MARK: The export

    /// At most so many orders: nobody has more, and an answer has to end.
    private static let limit = 1000

    @Sendable private func export(_ call: Call) async throws -> Reply {
        let id = try call.id("privacy_request_id", PrivacyRequestKind.self)
        let (principal, rows) = try await environment.access.read(call) {
            [PrivacyStore.request(id, tenant: $0.tenant)]
        }
        guard let request = try rows[0].first.map(PrivacyStore.decode) else { throw Problem.notFound }
        guard request.kind == .customerData, let subject = request.subject else {
            throw Problem(.stateConflict, "Only an open request for somebody's data can be exported.")
        }
        let tenant = principal.tenant
        let (_, found) = try await environment.access.read(call) { _ in
            [ConnectionStore.connection(request.connection, tenant: tenant)]
        }
        guard let connection = try found[0].first.map(ConnectionStore.decode) else {
            throw UnreadableRow(table: "connections")
        }
        let source = connection.provider.rawValue
        let (_, people) = try await environment.access.read(call) { _ in
            [PrivacyStore.people(subject, tenant: tenant, store: request.store, source: source)]
        }
        let customers = try people[0].decode(UUID.self)
        let scope = PrivacyStore.Scope(
            tenant: tenant,
            store: request.store,
            person: PrivacyStore.Person(orders: subject.orders, ids: customers)
        )
        let (_, theirs) = try await environment.access.read(call) { _ in
            [PrivacyStore.orders(scope, after: nil, limit: Self.limit)]
        }
        let orders = try theirs[0].decode(UUID.self)
        let tables = PrivacyStore.export(orders: orders, customers: customers, tenant: tenant)
        let (_, answers) = try await environment.access.read(call) { _ in tables.map(\.statement) }
        let contents = try answers.map { rows in
            try rows.map { row in
                let text: JSONB = try row("row")
                return try JSON(parsing: text.text)
            }
        }
        return .json { object in
            object.member("id", request.id)
            for (index, table) in tables.enumerated() {
                object.array(table.name, contents[index]) { writer, row in row.write(to: &writer) }
            }
        }
    }

    // MARK: Completing

    /// The person was told. Whom it was about is forgotten, and the webhook that asked is erased.
    @Sendable private func complete(_ call: Call) async throws -> Reply {
        let id = try call.id("privacy_request_id", PrivacyRequestKind.self)
        return try await environment.access.write(call) { transaction, principal in
            let rows = try await transaction.query(PrivacyStore.lock(id, tenant: principal.tenant))
            guard var request = try rows[0].first.map(PrivacyStore.decode) else { throw Problem.notFound }
            try call.checkMatch(version: request.version)
            guard request.kind == .customerData, request.state == .open else {
                throw Problem(.stateConflict, "Only an open request for somebody's data is completed by a person.")
            }
            let now = environment.clock.now()
            request.end(as: .done, at: now)
            request.version += 1
            request.updatedAt = now
            transaction.add(PrivacyStore.update(request, tenant: principal.tenant))
            transaction.add(PrivacyStore.redact(events: [request.event.uuid], tenant: principal.tenant, now: now))
            return .json(version: request.version) { request.write(to: &$0) }
        }
    }
}
