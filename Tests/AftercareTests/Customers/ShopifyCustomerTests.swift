import Support
import Testing
import Time

@testable import Aftercare

@Suite struct `Shopify's customers` {
    private static let saidAt = Instant(seconds: 1_780_000_000)

    private static func understand(_ topic: String, _ body: [UInt8]) throws(Poison) -> Understanding {
        try Shopify.understand(topic: topic, body: body, receivedAt: saidAt + .seconds(3600), saidAt: saidAt)
    }

    private static func statement(_ topic: String, _ body: [UInt8]) throws -> CustomerStatement {
        guard case .customer(.statement(let statement, _)) = try understand(topic, body) else {
            throw NeverHappened(description: "\(topic) tells of no customer")
        }
        return statement
    }

    @Test func `all of a customer is read, at the body's own time`() throws {
        let statement = try Self.statement("customers/update", CustomerBody.customer(7, email: "Ada@Example.com"))
        // Who is a VIP it does not say.
        #expect(statement.told == Set(CustomerField.allCases).subtracting([.vip]) && !statement.values.isDeleted)
        #expect(statement.values.email == "Ada@Example.com" && statement.values.name == "Ada Example")
        #expect(statement.values.marketing == .notSubscribed && statement.values.locale == "de")
        #expect(statement.values.marketingAt?.rfc3339 == "2026-05-01T00:00:00.000Z")
        #expect(statement.stamp.at?.rfc3339 == "2026-05-04T10:00:00.000Z")
    }

    @Test func `older bodies say yes or no to marketing, and what is not there is not told`() throws {
        let body = #"{"id":7,"accepts_marketing":true,"accepts_marketing_updated_at":"2026-01-01T00:00:00Z"}"#
        let statement = try Self.statement("customers/create", Array(body.utf8))
        #expect(statement.told == [.marketing, .deleted] && statement.values.marketing == .subscribed)
        #expect(statement.stamp.at == Self.saidAt)
        let null = try Self.statement("customers/create", Array(#"{"id":7,"email_marketing_consent":null}"#.utf8))
        #expect(null.told == [.deleted])
    }

    // domain.md 5, Ingest 8.
    @Test(arguments: [
        ("subscribed", MarketingState.subscribed), ("NOT_SUBSCRIBED", .notSubscribed), ("pending", .pending),
        ("unsubscribed", .unsubscribed), ("redacted", .redacted), ("teleported", .unknown),
    ])
    func `consent is one of ours and keeps its word and its time`(_ raw: String, _ state: MarketingState) throws {
        let topic = "customers_email_marketing_consent/update"
        let statement = try Self.statement(topic, CustomerBody.consent(7, raw))
        #expect(statement.told == [.marketing])
        #expect(statement.values.marketing == state && statement.values.marketingRaw == raw)
        #expect(statement.stamp.at?.rfc3339 == "2026-05-04T12:00:00.000Z")
    }

    @Test func `only a merger that was carried out counts`() throws {
        let done = CustomerBody.merger(2, into: 1)
        #expect(try Self.understand("customers/merge", done) == .customer(.merger(of: "2", into: "1")))
        for status in ["failed", "in_progress", "requested"] {
            let body = CustomerBody.merger(2, into: 1, status)
            #expect(try Self.understand("customers/merge", body) == .ignored(.mergerNotCompleted))
        }
    }

    @Test(arguments: [
        ("customers/create", "{}", "missing_id:id"),
        ("customers/update", #"{"id":1,"updated_at":"soon"}"#, "unreadable_time:updated_at"),
        ("customers/update", #"{"id":1,"email":{}}"#, "unreadable_text:email"),
        ("customers/delete", #"{"id":"x"}"#, "unreadable_id:id"),
        ("customers/merge", "{}", "missing_id:admin_graphql_api_customer_kept_id"),
        ("customers_email_marketing_consent/update", "{}", "missing_id:customer_id"),
    ])
    func `poison has a name`(_ topic: String, _ body: String, _ reason: String) {
        #expect { try Self.understand(topic, Array(body.utf8)) } throws: { "\($0)" == reason }
    }

    // MARK: Any order, any number of times

    @Test(arguments: 0..<100 as Range<UInt64>)
    func `whatever the order and however often, a customer ends up the same`(_ seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let bodies: [(String, [UInt8])] = [
            ("customers/create", CustomerBody.customer(7, email: "a@example.com")),
            ("customers/update", CustomerBody.customer(7, email: "b@example.com", minute: 2, name: "Bea")),
            ("customers/update", CustomerBody.customer(7, email: "c@example.com", minute: 1)),
            ("customers_email_marketing_consent/update", CustomerBody.consent(7, "subscribed")),
            ("customers/create", Array(#"{"id":7,"locale":"fr"}"#.utf8)),
        ]
        var statements = try bodies.map { try Self.statement($0.0, $0.1) }
        if Bool.random(using: &random) {
            statements.append(try Self.statement("customers/delete", CustomerBody.deletion(7)))
        }
        func applied(_ statements: [CustomerStatement]) -> Customer {
            var customer = Customer()
            for statement in statements { customer.apply(statement) }
            return customer
        }
        let expected = applied(statements)
        #expect(expected.values.isDeleted == (statements.count == 6))
        for _ in 0..<8 {
            let copies = statements + statements.filter { _ in Bool.random(using: &random) }
            #expect(applied(copies.shuffled(using: &random)) == expected)
        }
    }
}
