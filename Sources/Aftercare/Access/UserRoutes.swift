import FoundationEssentials
import HTTPTypes
import JSON
import Postgres
import Time

/// `/v1/users`: the people of a tenant and their roles.
struct UserRoutes {
    let environment: Environment

    var routes: [Route] {
        [
            Route(.post, "/v1/users", .holder(of: .usersWrite), body: .json, create),
            Route(.get, "/v1/users", .holder(of: .usersRead), query: Page.parameters, list),
            Route(.get, "/v1/users/{user_id}", .holder(of: .usersRead), get),
            Route(.patch, "/v1/users/{user_id}", .holder(of: .usersWrite), body: .mergePatch, update),
        ]
    }

    private struct NewUser {
        let email: String
        let name: String
        let role: Role
        let password: String

        init(_ body: inout FieldReader) throws(FieldErrors) {
            (email, name, role, password) = try body.finish(
                body.required("email", .mailAddress),
                body.required("name", .string(1...200)),
                body.required("role", .choice()),
                body.required("password", .string(12...1000))
            )
        }
    }

    @Sendable private func create(_ call: Call) async throws -> Reply {
        let new = try call.decode(NewUser.init)
        // Who may not create people is told so before the expensive hash.
        _ = try await environment.access.find(call) { _ in [] }
        let hash = try await environment.passwords.hash(new.password)
        do {
            return try await environment.access.write(call) { transaction, principal in
                let now = environment.clock.now()
                let user = User(
                    id: .new(),
                    tenant: principal.tenant,
                    email: new.email,
                    name: new.name,
                    role: new.role,
                    disabledAt: nil,
                    version: 1,
                    createdAt: now,
                    updatedAt: now
                )
                for statement in UserStore.insert(user, passwordHash: hash) { transaction.add(statement) }
                return .created(at: "/v1/users/\(user.id)", version: user.version) { write(user, to: &$0) }
            }
        } catch let error as PostgresError {
            throw UserStore.problem(error) ?? error
        }
    }

    @Sendable private func list(_ call: Call) async throws -> Reply {
        let page = try Page(call, key: environment.masterKey.cursors)
        let (_, rows) = try await environment.access.read(call) { [UserStore.users(page, tenant: $0.tenant)] }
        return page.reply(try rows[0].map(UserStore.decode), position: { ($0.createdAt, $0.id.uuid) }, write)
    }

    @Sendable private func get(_ call: Call) async throws -> Reply {
        let id = try call.id("user_id", UserKind.self)
        let (_, rows) = try await environment.access.find(call) { [UserStore.user(id, tenant: $0.tenant)] }
        guard let row = rows[0].first else { throw Problem.notFound }
        let user = try UserStore.decode(row)
        return call.unlessMatching(version: user.version, .json(version: user.version) { write(user, to: &$0) })
    }

    private struct Changes {
        let name: String?
        let role: Role?
        let isDisabled: Bool?

        init(_ body: inout FieldReader) throws(FieldErrors) {
            (name, role, isDisabled) = try body.finish(
                body.change("name", .string(1...200)),
                body.change("role", .choice()),
                body.change("disabled", .bool)
            )
        }
    }

    @Sendable private func update(_ call: Call) async throws -> Reply {
        let id = try call.id("user_id", UserKind.self)
        let changes = try call.decode(Changes.init)
        return try await environment.access.write(call) { transaction, principal in
            let rows = try await transaction.query(
                UserStore.lockOwners(tenant: principal.tenant),
                UserStore.lock(id, tenant: principal.tenant)
            )
            guard let row = rows[1].first else { throw Problem.notFound }
            let before = try UserStore.decode(row)
            try call.checkMatch(version: before.version)
            let now = environment.clock.now()
            var user = before
            user.name = changes.name ?? user.name
            user.role = changes.role ?? user.role
            if let isDisabled = changes.isDisabled { user.disabledAt = isDisabled ? before.disabledAt ?? now : nil }
            user.version += 1
            user.updatedAt = now
            let owners = try rows[0].decode(UUID.self)
            if owners == [user.id.uuid], user.role != .owner || user.disabledAt != nil {
                throw Problem(.stateConflict, "This is the last owner. Make somebody else an owner first.")
            }
            transaction.add(UserStore.update(user))
            if user.role != before.role || user.disabledAt != nil {
                transaction.add(UserStore.revokeSessions(of: user, now: now))
            }
            return .json(version: user.version) { write(user, to: &$0) }
        }
    }

    private func write(_ user: User, to object: inout JSONObjectWriter) {
        object.member("id", user.id)
        object.member("email", user.email)
        object.member("name", user.name)
        object.member("role", user.role.rawValue)
        object.member("disabled_at", user.disabledAt)
        object.member("version", user.version)
        object.member("created_at", user.createdAt)
        object.member("updated_at", user.updatedAt)
    }
}
