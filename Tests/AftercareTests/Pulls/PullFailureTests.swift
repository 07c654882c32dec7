import FoundationEssentials
import JSON
import Postgres
import Support
import Testing
import Time

@testable import Aftercare

/// Shops that refuse, are busy, or answer nonsense; and workers that die on the way.
@Suite(.timeLimit(.minutes(3))) struct `Pulling from a shop that fails` {
    @Test func `each failure is named, loses nothing, and is over with the next answer`() async throws {
        let cases: [(WooCommerceShop.Fault, String)] = [
            (.error(401, "woocommerce_rest_cannot_view"), "credentials_refused"),
            (.error(403, "woocommerce_rest_cannot_view"), "access_denied"),
            (.error(404, "rest_no_route"), "api_sunset"),
            (.error(429, "too_many", headers: [("Retry-After", "120")]), "throttled"),
            (.init(status: 503, headers: [("Retry-After", "60")], body: "Updating"), "throttled"),
            (.init(status: 500, body: "<html>"), "unreachable"),
            (.init(status: 200, body: "<html>"), "unreadable"),
        ]
        try await WooCommerceShop.run { shop in
            let tenant = try await TestTenant.make()
            let connected = try await WooShop.connectEarlier(tenant, to: shop)
            try await tenant.settle()
            shop.put(WooOrder.young(727, at: tenant.realNow))
            for one in cases {
                let (fault, name) = one
                shop.failAlways(fault)
                let before = tenant.realNow
                let path = "/v1/connections/\(connected.connection)/pulls"
                _ = try await tenant.send("POST", path, ["kind": "reconcile"])
                var pull = JSON.null
                try await eventually {
                    pull = try await connected.pulls()["reconcile"] ?? .null
                    let failedAt = pull["last_failed_at"]?.stringValue.flatMap { Instant(rfc3339: $0) }
                    return pull["failure"] == .string(name) && failedAt.map { $0 + .milliseconds(1) > before } == true
                }
                let next = try #require(pull["next_at"]?.stringValue.flatMap { Instant(rfc3339: $0) })
                #expect(pull["last_failed_at"]?.stringValue != nil, "\(name)")
                if let wait = fault.headers.first?.1.seconds {
                    #expect(next >= before + wait - .seconds(1) && next <= tenant.realNow + wait, "\(name)")
                }
                #expect(try await connected.order().status == 404)
                let health = try await tenant.get("/v1/connections/\(connected.connection)/health")
                let found = try #require(health["reasons"]?.arrayValue?.first { $0["reason"]?.stringValue == name })
                let isForAPerson = ["credentials_refused", "access_denied", "api_sunset"].contains(name)
                #expect(found["state"]?.stringValue == (isForAPerson ? "unhealthy" : "degraded"), "\(name)")
            }
            #expect(try await tenant.pulledEvents() == [])
            shop.failAlways(nil)
            let pull = try await connected.pull(.reconcile)
            #expect(pull["failure"] == .null && pull["failures"] == 0 && pull["changed"] == 1)
            #expect(try await connected.order().status == 200)
            #expect(try await tenant.get("/v1/connections/\(connected.connection)/health")["state"] == "unknown")
        }
    }

    @Test func `wrong credentials are named, and the right ones are tried at once`() async throws {
        try await WooCommerceShop.run { shop in
            let tenant = try await TestTenant.make()
            let connected = try await WooShop.connectEarlier(tenant, to: shop, asks: false)
            shop.put(WooOrder.young(727, at: tenant.realNow))
            try await connected.giveCredentials(secret: "cs_wrong")
            try await tenant.settle()
            for kind in ["reconcile", "sweep"] {
                #expect(try await connected.pulls()[kind]?["failure"] == "credentials_refused")
            }
            try await connected.giveCredentials()
            try await tenant.settle()
            for kind in ["reconcile", "sweep"] { #expect(try await connected.pulls()[kind]?["failure"] == .null) }
            #expect(try await connected.order().status == 200)
        }
    }

    @Test func `a run that fails in its middle goes on at that page, and stores nothing twice`() async throws {
        try await WooCommerceShop.run { shop in
            let tenant = try await TestTenant.make()
            let connected = try await WooShop.connectEarlier(tenant, to: shop)
            try await tenant.settle()
            for id in 1...200 { shop.put(WooOrder.young(id, at: tenant.realNow - .seconds(900 - id))) }
            shop.forgetRequests()
            shop.afterEachRequest { shop, count in
                if count == 2 { shop.failAlways(.error(503, "busy", headers: [("Retry-After", "3600")])) }
            }
            let path = "/v1/connections/\(connected.connection)/pulls"
            _ = try await tenant.send("POST", path, ["kind": "sweep"])
            try await eventually { try await connected.pulls()["sweep"]?["failure"] == "throttled" }
            try await tenant.settle()
            let stopped = try await connected.pulls()["sweep"]
            #expect(stopped?["pages"] == 2 && stopped?["orders"] == 100 && stopped?["started_at"] != .null)
            #expect(try await tenant.pulledEvents().count < 101)
            shop.afterEachRequest { _, _ in }
            shop.failAlways(nil)
            shop.forgetRequests()
            let done = try await connected.pull(.sweep)
            #expect(done["failure"] == .null && done["started_at"] == .null)
            #expect(try await tenant.pulledEvents().count == 200)
            // The first two pages are not read again.
            #expect(!shop.requests.contains { !$0.contains("after=") && $0.contains("page=1") }, "\(shop.requests)")
        }
    }

    /// A worker that was taken for dead, and is not.
    @Test func `a page of a worker that lost its job is not stored`() async throws {
        try await WooCommerceShop.run { shop in
            let tenant = try await TestTenant.make()
            let connected = try await WooShop.connectEarlier(tenant, to: shop)
            try await tenant.settle()
            shop.put(WooOrder.young(727, at: tenant.realNow))
            // The lease is taken over while the answer is on its way: the job's number grows with each claim.
            let superuser = tenant.server.database.superuser
            shop.forgetRequests()
            shop.fail(.silence)
            let path = "/v1/connections/\(connected.connection)/pulls"
            _ = try await tenant.send("POST", path, ["kind": "reconcile"])
            try await eventually { !shop.requests.isEmpty }
            _ = try await superuser.execute(
                """
                UPDATE jobs
                   SET state = 'ready', worker = NULL, leased_until = NULL, lease_no = lease_no + 1
                 WHERE tenant_id = \(tenant.id.uuid) AND kind = 'reconcile_orders'
                """
            )
            try await tenant.settle()
            #expect(try await tenant.pulledEvents() == ["pull/order applied"])
            #expect(try await tenant.factKeys() == ["order_paid order", "order_placed order"])
        }
    }
}

extension String {
    /// As a header tells a wait.
    fileprivate var seconds: Duration? { Int64(self).map { .seconds($0) } }
}
