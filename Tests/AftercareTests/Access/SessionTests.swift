import FoundationEssentials
import JSON
import Postgres
import Support
import Testing
import Time

@testable import Aftercare

@Suite struct SessionTests {
    @Test func `signing in gives a session that says who one is`() async throws {
        let tenant = try await TestTenant.make()
        let token = try await tenant.signIn(.agent)
        let me = try await tenant.get("/v1/me", as: token)
        #expect(me.status == 200)
        #expect(me["kind"] == "user")
        #expect(me["role"] == "agent")
        #expect(me["tenant_id"]?.stringValue == tenant.id.description)
    }

    @Test func `a wrong password and an unknown address get the same answer`() async throws {
        let tenant = try await TestTenant.make()
        let person: JSON = [
            "email": "known-\(UUID())@example.test".json, "name": "K", "role": "viewer",
            "password": "right password here",
        ]
        _ = try await tenant.send("POST", "/v1/users", person)
        let email = try #require(person["email"])
        let wrong = try await tenant.server.send("POST", "/v1/sessions", body: ["email": email, "password": "wrong"])
        let unknown = try await tenant.server.send(
            "POST",
            "/v1/sessions",
            body: ["email": "nobody@example.test", "password": "wrong"]
        )
        #expect(wrong.status == 401)
        #expect(unknown.status == 401)
        #expect(wrong.json.with("request_id", .null) == unknown.json.with("request_id", .null))
    }

    @Test func `an address signs in whatever its case`() async throws {
        let tenant = try await TestTenant.make()
        let name = "mixed-\(UUID().uuidString)"
        let person: JSON = [
            "email": "\(name)@Example.Test".json, "name": "M", "role": "viewer", "password": "long password",
        ]
        #expect(try await tenant.send("POST", "/v1/users", person).status == 201)
        let answer = try await tenant.server.send(
            "POST",
            "/v1/sessions",
            body: ["email": "\(name.lowercased())@example.test".json, "password": "long password"]
        )
        #expect(answer.status == 201)
        // And nobody else takes it in another spelling.
        let other = try await TestTenant.make()
        let taken = try await other.send(
            "POST",
            "/v1/users",
            person.with("email", "\(name.uppercased())@EXAMPLE.TEST".json)
        )
        #expect(taken.code == "already_exists")
    }

    @Test func `signing out ends the session`() async throws {
        let tenant = try await TestTenant.make()
        let token = try await tenant.signIn(.viewer)
        #expect(try await tenant.send("DELETE", "/v1/sessions/current", as: token).status == 204)
        #expect(try await tenant.get("/v1/me", as: token).status == 401)
    }

    @Test func `a session ends when it is not used, and using it moves that end`() async throws {
        let tenant = try await TestTenant.make()
        let token = try await tenant.signIn(.viewer)
        let pepper = tenant.server.environment.masterKey.pepper
        let credential = try #require(Credential(token: token[...], pepper: pepper))
        guard case .session(let id) = credential.subject else { throw Mistaken() }
        let soon = tenant.server.environment.clock.now() + .seconds(60)
        try await tenant.setIdleEnd(of: id, to: soon)
        #expect(try await tenant.get("/v1/me", as: token).status == 200)
        let moved = try await tenant.rows(
            "SELECT idle_expires_at FROM sessions WHERE tenant_id = \(tenant.id.uuid) AND id = \(id.uuid)"
        )
        let end: Instant = try #require(try moved.first?("idle_expires_at"))
        #expect(end > soon + .seconds(3600))
        try await tenant.setIdleEnd(of: id, to: Instant(seconds: 1))
        #expect(try await tenant.get("/v1/me", as: token).status == 401)
    }

    @Test func `a write moves a session's idle end too`() async throws {
        let tenant = try await TestTenant.make()
        let token = try await tenant.signIn(.owner)
        let pepper = tenant.server.environment.masterKey.pepper
        guard case .session(let id) = try #require(Credential(token: token[...], pepper: pepper)).subject else {
            throw Mistaken()
        }
        for headers in [[], [("Idempotency-Key", "moves")], [("Idempotency-Key", "moves")]] {
            let soon = tenant.server.environment.clock.now() + .seconds(60)
            try await tenant.setIdleEnd(of: id, to: soon)
            let path = "/v1/stores/\(tenant.store)"
            let answer = try await tenant.send("PATCH", path, ["name": "Moved"], as: token, headers: headers)
            #expect(answer.status == 200)
            let moved = try await tenant.rows(
                "SELECT idle_expires_at FROM sessions WHERE tenant_id = \(tenant.id.uuid) AND id = \(id.uuid)"
            )
            let end: Instant = try #require(try moved.first?("idle_expires_at"))
            #expect(end > soon + .seconds(3600))
        }
    }

    @Test func `a disabled person is out at once, and so is one whose role changed`() async throws {
        let tenant = try await TestTenant.make()
        for change: JSON in [["disabled": true], ["role": "author"]] {
            let token = try await tenant.signIn(.viewer)
            let id = try #require(try await tenant.get("/v1/me", as: token)["id"]?.stringValue)
            #expect(try await tenant.send("PATCH", "/v1/users/\(id)", change).status == 200)
            #expect(try await tenant.get("/v1/me", as: token).status == 401)
        }
    }

    @Test func `the last owner can be neither demoted nor disabled`() async throws {
        let tenant = try await TestTenant.make()
        let path = "/v1/users/\(tenant.demo.owner)"
        #expect(try await tenant.send("PATCH", path, ["role": "viewer"]).code == "state_conflict")
        #expect(try await tenant.send("PATCH", path, ["disabled": true]).code == "state_conflict")
        _ = try await tenant.signIn(.owner)
        #expect(try await tenant.send("PATCH", path, ["role": "viewer"]).status == 200)
    }

    @Test(arguments: Role.allCases)
    func `a role may do what its scopes say`(role: Role) async throws {
        let tenant = try await TestTenant.make()
        let token = try await tenant.signIn(role)
        let newStore: JSON = ["name": "S", "platform": "other", "time_zone": "UTC", "currency": "EUR"]
        let create = try await tenant.send("POST", "/v1/stores", newStore, as: token)
        #expect(create.status == (role.scopes.contains(.storesWrite) ? 201 : 403))
        let users = try await tenant.get("/v1/users", as: token)
        #expect(users.status == (role.scopes.contains(.usersRead) ? 200 : 403))
        #expect(try await tenant.get("/v1/stores", as: token).status == 200)
    }

    @Test func `every role may do what the one before it may`() {
        for (lower, higher) in zip(Role.allCases, Role.allCases.dropFirst()) {
            #expect(lower.scopes.isSubset(of: higher.scopes))
        }
    }
}

extension TestTenant {
    fileprivate func setIdleEnd(of id: SessionID, to end: Instant) async throws {
        _ = try await rows(
            "UPDATE sessions SET idle_expires_at = \(end) WHERE tenant_id = \(self.id.uuid) AND id = \(id.uuid)"
        )
    }
}

/// A credential of another kind than the test made.
struct Mistaken: Error {}

extension String {
    var json: JSON { .string(self) }
}
