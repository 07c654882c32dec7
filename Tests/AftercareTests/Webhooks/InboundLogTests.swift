import Curl
import FoundationEssentials
import HTTPTypes
import JSON
import Postgres
import Support
import Testing
import Time

@testable import Aftercare

/// The log of webhooks, as a person reads it.
@Suite(.timeLimit(.minutes(2))) struct InboundLogTests {
    @Test func `each filter finds its own, page by page, and all of them together too`() async throws {
        let tenant = try await TestTenant.make()
        let other = try await tenant.addStore()
        let shop = try await WooShop.connect(tenant)
        let woo = try #require(ConnectionID(shop.connection))
        let (order, now) = (OrderID.new(), tenant.server.environment.clock.now())
        func ago(_ hours: Int) -> Instant { now - .seconds(hours * 3600) }
        let first = try await LoggedEvents(order: order, receivedAt: ago(9), count: 3).add(to: tenant)
        let second = try await LoggedEvents(
            topic: "shop/update",
            state: .ignored,
            reason: "shop_not_mirrored",
            receivedAt: ago(8),
            count: 3
        ).add(to: tenant)
        let third = try await LoggedEvents(
            topic: "order.updated",
            state: .quarantined,
            reason: "unreadable_time:date_modified_gmt",
            receivedAt: ago(7)
        ).add(to: tenant, woo)
        let fourth = try await LoggedEvents(topic: "order.updated", receivedAt: ago(6)).add(
            to: tenant,
            woo,
            store: other
        )
        let all: [String] = first + second + third + fourth
        #expect(try await tenant.log("") == all.reversed())
        let expected: [(query: String, ids: [String])] = [
            ("state=applied", first + fourth), ("state=quarantined", third), ("state=received", []),
            ("connection_id=\(woo)", third + fourth), ("store_id=\(other)", fourth),
            ("topic=shop%2Fupdate", second), ("reason=shop_not_mirrored", second),
            ("reason=unreadable_time:date_modified_gmt", third), ("order_id=\(order)", first),
            ("received_from=\(ago(8).rfc3339)&received_before=\(ago(6).rfc3339)", second + third),
            ("order_id=\(order)&state=ignored", []), ("topic=order.updated&state=applied&connection_id=\(woo)", fourth),
            ("topic=none", []),
        ]
        for one in expected { #expect(try await tenant.log(one.query) == one.ids.reversed(), "\(one.query)") }
        for query in [
            "state=lost", "received_from=yesterday", "order_id=1", "topic=\(String(repeating: "a", count: 256))",
        ] {
            let refused = try await tenant.get("/v1/inbound-events?\(query)")
            #expect(refused.status == 400 && refused.code == "invalid_parameter", "\(query)")
        }
    }

    @Test func `each filter is served by its own index`() async throws {
        let tenant = try await TestTenant.make()
        let other = try await tenant.addStore()
        let shop = try await WooShop.connect(tenant)
        let woo = try #require(ConnectionID(shop.connection))
        let (order, now) = (OrderID.new(), tenant.server.environment.clock.now())
        // Of an empty table any plan would do.
        try await LoggedEvents(receivedAt: now - .seconds(90_000), count: 100).add(to: tenant)
        try await LoggedEvents(
            topic: "rare",
            state: .quarantined,
            reason: "missing_id:id",
            order: order,
            receivedAt: now - .seconds(80_000),
            count: 2
        ).add(to: tenant, woo, store: other)
        typealias Filter = InboundEventStore.Filter
        let filters: [(filter: Filter, index: String)] = [
            (Filter(), "by_arrival"), (Filter(state: .quarantined), "by_state"),
            (Filter(connection: woo), "by_connection"),
            (Filter(store: other), "by_store"), (Filter(topic: "rare"), "by_topic"),
            (Filter(reason: "missing_id:id"), "by_reason"), (Filter(order: order), "by_order"),
            (Filter(connection: woo, reason: "missing_id:id"), "by_reason"),
            (Filter(connection: woo, topic: "rare"), "by_topic"),
            (Filter(receivedFrom: now - .seconds(50_000), receivedBefore: now), "by_arrival"),
        ]
        let page = try tenant.firstPage()
        for one in filters {
            let statement = InboundEventStore.events(page, one.filter, tenant: tenant.id)
            let plan = try await tenant.plan(of: statement, sorts: false).joined(separator: "\n")
            #expect(plan.contains("inbound_events_\(one.index)") && !plan.contains("Sort"), "\(plan)")
        }
        let evidence = ConnectionHealthStore.evidence(of: woo, tenant: tenant.id, now: now)
        for (index, statement) in evidence.enumerated() {
            let plan = try await tenant.plan(of: statement).joined(separator: "\n")
            #expect(!plan.contains("Seq Scan") && plan.contains(index < 3 ? "by_connection" : "pulls"), "\(plan)")
        }
    }

    @Test func `every end of an event has a sentence of its own`() {
        func event(_ state: InboundEvent.State, _ reason: String? = nil, order: OrderID? = nil) -> InboundEvent {
            InboundEvent(
                id: .new(),
                tenant: .new(),
                store: .new(),
                connection: .new(),
                headers: .init(topic: ""),
                state: state,
                reason: reason,
                order: order,
                receivedAt: Instant(seconds: 0)
            )
        }
        var summaries = [event(.received), event(.applied), event(.applied, order: .new())].map(\.summary)
        summaries += IgnoredReason.allCases.map { event(.ignored, $0.rawValue).summary }
        summaries += Poison.Kind.allCases.map { event(.quarantined, $0.rawValue).summary }
        summaries.append(event(.quarantined, "missing_id:id").summary)
        #expect(Set(summaries).count == summaries.count)
        for summary in summaries { #expect(summary.count > 15 && summary.hasSuffix("."), "\(summary)") }
        #expect(event(.quarantined, "missing_id:id").summary.contains("an id is missing, at id"))
        // Of a version that knew more.
        #expect(event(.ignored, "bored").summary.contains("bored"))
    }

    @Test func `a body is given back byte for byte, and as nothing that a browser would run`() async throws {
        let tenant = try await TestTenant.make()
        let demo = DemoOrder(tenant)
        let odd: [UInt8] = Array("<script>\u{0}".utf8) + [0xFF, 0xFE]
        let sent: [(body: [UInt8], type: String, shown: String)] = [
            (try demo.body("orders/create"), "application/json; charset=utf-8", "application/json"),
            (odd, "text/html", "application/octet-stream"),
        ]
        for one in sent {
            let (body, type, shown) = one
            let headers = [
                ("Content-Type", type), ("X-Shopify-Topic", "orders/create"),
                ("X-Shopify-Hmac-Sha256", DemoOrder.signature(body, secret: tenant.demo.webhookSecret)),
            ]
            let kept = try await tenant.server.send("POST", demo.hook, headers: headers, raw: body)
            let id = try #require(kept["id"]?.stringValue)
            let answer = try await tenant.get("/v1/inbound-events/\(id)/body")
            #expect(answer.status == 200 && answer.response.body == body)
            #expect(answer.header("Content-Type") == shown && answer.header("X-Content-Type-Options") == "nosniff")
            #expect(answer.header("Content-Disposition")?.hasPrefix("attachment") == true)
            let event = try await tenant.get("/v1/inbound-events/\(id)")
            #expect(event["content_type"]?.stringValue == type && event["body_length"]?.int64Value == Int64(body.count))
            #expect(event["body_sha256"]?.stringValue?.count == 64)
        }
        try await tenant.settle()
        let key = try await tenant.key([.ordersRead])
        let id = try await tenant.log("")[0]
        #expect(try await tenant.get("/v1/inbound-events/\(id)/body", as: key).status == 403)
    }

    // MARK: Kept for long enough

    @Test func `a body goes after ninety days, and who said it when stays`() async throws {
        let tenant = try await TestTenant.make()
        let body = Array(#"{"secret": "of Ada"}"#.utf8)
        func add(_ state: InboundEvent.State, _ reason: String?, days: Int) async throws -> String {
            let at = tenant.ago(days: days)
            return try await LoggedEvents(state: state, reason: reason, body: body, receivedAt: at).add(to: tenant)[0]
        }
        let applied = try await add(.applied, nil, days: 91)
        let ignored = try await add(.ignored, "unknown_topic", days: 91)
        let quarantined = try await add(.quarantined, "missing_id:id", days: 401)
        let kept = [
            try await add(.applied, nil, days: 89), try await add(.quarantined, "missing_id:id", days: 399),
            try await add(.received, nil, days: 500),
        ]
        let before = try await tenant.get("/v1/inbound-events/\(applied)")
        try await tenant.passNight()
        for id in [applied, ignored, quarantined] {
            let event = try await tenant.get("/v1/inbound-events/\(id)")
            #expect(event["body"] == .null && event["body_base64"] == .null, "\(event.json)")
            #expect(event["body_removed_because"] == "expired" && event["body_removed_at"]?.stringValue != nil)
            #expect(event["body_sha256"] == before["body_sha256"] && event["body_length"]?.int64Value == 20)
            let gone = try await tenant.get("/v1/inbound-events/\(id)/body")
            #expect(gone.status == 410 && gone.code == "gone")
            let refused = try await tenant.send("POST", "/v1/inbound-events/\(id)/replay")
            #expect(refused.status == 409 && refused.code == "state_conflict")
            #expect(refused["detail"]?.stringValue?.contains("body_expired") == true)
        }
        let after = try await tenant.get("/v1/inbound-events/\(applied)")
        for member in ["topic", "state", "received_at", "settled_at", "connection_id", "summary"] {
            #expect(after[member] == before[member] && before[member] != nil, "\(member)")
        }
        for id in kept {
            #expect(try await tenant.get("/v1/inbound-events/\(id)/body").response.body == body)
        }
        // The next night finds nothing more to do.
        let again = try await tenant.rows(
            RetentionStore.delete(
                .bodies,
                tenant: tenant.id.uuid,
                before: tenant.ago(days: 90),
                limit: 10,
                now: tenant.server.environment.clock.now()
            )
        )
        #expect(again.affected == 0)
    }

    @Test func `a night empties bodies of its own tenant alone, in lots, by an index`() async throws {
        let (tenant, other) = (try await TestTenant.make(), try await TestTenant.make())
        for one in [tenant, other] {
            try await LoggedEvents(body: Array("x".utf8), receivedAt: one.ago(days: 100), count: 1300).add(to: one)
        }
        let statement = RetentionStore.delete(
            .bodies,
            tenant: tenant.id.uuid,
            before: tenant.ago(days: 90),
            limit: 500,
            now: tenant.ago(days: 0)
        )
        let plan = try await tenant.plan(of: statement).joined(separator: "\n")
        #expect(!plan.contains("Seq Scan"), "\(plan)")
        try await tenant.passNight()
        func left(_ tenant: TestTenant) async throws -> Int? {
            try await tenant.rows(
                "SELECT count(*) FROM inbound_events WHERE tenant_id = \(tenant.id.uuid) AND body <> ''"
            ).first?.decode(Int.self)
        }
        #expect(try await left(tenant) == 0)
        #expect(try await left(other) == 1300)
    }
}

extension TestTenant {
    /// The first page of any list.
    fileprivate func firstPage() throws -> Page {
        let call = Call(
            method: .get,
            target: "/",
            path: "/",
            route: Route.Template("/"),
            audience: .holderOfAny,
            query: try QueryParameters(nil, allowed: []),
            headers: [:],
            body: [],
            credential: Credential(token: owner[...], pepper: server.environment.masterKey.pepper),
            verification: Verification(),
            requestID: ""
        )
        return try Page(call, key: server.environment.masterKey.cursors)
    }
}
