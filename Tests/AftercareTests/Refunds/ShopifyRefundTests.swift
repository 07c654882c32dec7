import Foundation
import JSON
import Support
import Testing
import Time

@testable import Aftercare

@Suite struct `Shopify's refunds` {
    private static let receivedAt = Instant(seconds: 1_780_000_000)

    private static func refunds(_ topic: String, _ body: [UInt8]) throws -> [RefundStatement] {
        guard
            case .changes(let changes) = try Shopify.understand(topic: topic, body: body, receivedAt: receivedAt)
        else { return [] }
        return changes.compactMap { change in
            if case .refund(let statement) = change.content { statement } else { nil }
        }
    }

    private static func transaction(_ body: String) throws -> RefundTransactionStatement? {
        let topic = "order_transactions/create"
        guard
            case .changes(let changes) = try Shopify.understand(
                topic: topic,
                body: Array(body.utf8),
                receivedAt: receivedAt
            ), case .refundTransaction(let statement) = changes[0].content
        else { return nil }
        return statement
    }

    // MARK: Reading

    @Test(arguments: [
        ("pending", RefundTransactionStatus.pending), ("AWAITING_RESPONSE", .pending), ("success", .succeeded),
        ("failure", .failed), ("ERROR", .failed), ("unknown", .unknown), ("settled", .unknown),
    ])
    func `a transaction's status is one of ours, and keeps its word`(
        _ raw: String,
        _ status: RefundTransactionStatus
    ) throws {
        let statement = try Self.transaction(#"{"id":7,"order_id":1,"kind":"refund","status":"\#(raw)"}"#)
        #expect(statement?.status == status && statement?.statusRaw == raw)
    }

    @Test(arguments: ["sale", "capture", "authorization", "void", "change", "brand_new"])
    func `a transaction that pays nothing back is ignored by name`(_ kind: String) throws {
        let body = Array(#"{"id":7,"order_id":1,"kind":"\#(kind)","status":"success"}"#.utf8)
        let understanding = try Shopify.understand(
            topic: "order_transactions/create",
            body: body,
            receivedAt: Self.receivedAt
        )
        #expect(understanding == .ignored(.paymentsNotMirrored))
        let refund = #"{"id":3,"order_id":1,"transactions":[{"id":7,"kind":"\#(kind)"}]}"#
        #expect(try Self.refunds("refunds/create", Array(refund.utf8)).first?.transactions == [])
    }

    // domain.md 5, case 12.
    @Test(arguments: [
        #""gateway":"manual""#, #""gateway":"Cash on Delivery (COD)","manual_payment_gateway":true"#,
        #""gateway":"shopify_store_credit""#,
    ])
    func `what is paid back by hand is recorded, and no money is said to have moved`(_ gateway: String) throws {
        let payment = #""kind":"refund",\#(gateway),"status":"success","amount":"20.00","currency":"EUR""#
        let body =
            #"{"id":3,"order_id":1,"created_at":"2026-05-04T10:00:00Z","transactions":[{"id":7,\#(payment)}]}"#
        let statement = try #require(try Self.refunds("refunds/create", Array(body.utf8)).first)
        #expect(statement.transactions == [])
        var state = OrderState()
        state.apply(statement, receivedAt: Self.receivedAt)
        #expect(state.refunds["3"]?.state == .recordedUnverified && state.refunds["3"]?.amount == .eur(2000))
        #expect(state.refundFacts("3").map(\.kind) == [.refundRecorded])
        let alone = try Shopify.understand(
            topic: "order_transactions/create",
            body: Array(#"{"id":7,"order_id":1,\#(payment)}"#.utf8),
            receivedAt: Self.receivedAt
        )
        #expect(alone == .ignored(.paymentsNotMirrored))
        // Nor of what moves only in part.
        let card =
            #"{"id":8,"kind":"refund","gateway":"shopify_payments","status":"success","amount":"5.00","currency":"EUR"}"#
        let both = #"{"id":3,"order_id":1,"transactions":[{"id":7,\#(payment)},\#(card)]}"#
        let mixed = try #require(try Self.refunds("refunds/create", Array(both.utf8)).first)
        #expect(mixed.transactions == [] && mixed.terms?.amount == .eur(2500))
        // What was refused is a matter for a person, whatever was paid back besides.
        let refused = both.replacing(
            #""gateway":"shopify_payments","status":"success""#,
            with: #""gateway":"shopify_payments","status":"failure""#
        )
        let told = try #require(try Self.refunds("refunds/create", Array(refused.utf8)).first)
        #expect(told.transactions.map(\.status) == [.failed] && told.terms == nil)
    }

    // domain.md 5, Ingest 8 and case 13.
    @Test(arguments: [
        (#""amount":"10","currency":"EUR""#, Money(amount: 1000, currency: "EUR")),
        (#""amount":"600","currency":"JPY""#, Money(amount: 600, currency: "JPY")),
        (#""amount":"1.234","currency":"KWD""#, Money(amount: 1234, currency: "KWD")),
        (#""amount":"-10.00","currency":"EUR""#, Money(amount: 1000, currency: "EUR")),
        (#""amount":10.5,"currency":"EUR""#, Money(amount: 1050, currency: "EUR")),
        (#""amount":"10.00","currency":"XXX""#, nil),
        (
            #""amount":"11.00","currency":"USD","amount_set":{"presentment_money":{"amount":"10.00","currency_code":"EUR"}}"#,
            Money(amount: 1000, currency: "EUR")
        ),
    ])
    func `an amount is what the customer sees, with their currency's decimals`(
        _ members: String,
        _ amount: Money?
    ) throws {
        let statement = try Self.transaction(#"{"id":7,"order_id":1,"kind":"refund","status":"success",\#(members)}"#)
        #expect(statement?.amount == amount)
    }

    @Test func `what the shop accounts is kept beside what the customer sees`() throws {
        let statement = try Self.transaction(
            """
            {"id":7,"order_id":1,"kind":"refund","status":"success","amount_set":{
             "presentment_money":{"amount":"10.00","currency_code":"EUR"},
             "shop_money":{"amount":"10.87","currency_code":"USD"}}}
            """
        )
        #expect(statement?.amount == Money(amount: 1000, currency: "EUR"))
        #expect(statement?.shopAmount == Money(amount: 1087, currency: "USD"))
    }

    @Test(arguments: [
        ("refunds/create", #"{"order_id":1}"#, "missing_id:id"),
        ("refunds/create", #"{"id":1}"#, "missing_id:order_id"),
        ("refunds/create", #"{"id":1,"order_id":1,"created_at":"soon"}"#, "unreadable_time:created_at"),
        ("refunds/create", #"{"id":1,"order_id":1,"transactions":{}}"#, "unreadable_list:transactions"),
        ("refunds/create", #"{"id":1,"order_id":1,"transactions":[{"kind":"refund"}]}"#, "missing_id:id"),
        ("order_transactions/create", #"{"id":1,"kind":"refund"}"#, "missing_id:order_id"),
        (
            "order_transactions/create", #"{"id":1,"order_id":1,"kind":"refund","amount":"1,00","currency":"EUR"}"#,
            "unreadable_amount:amount"
        ),
        ("orders/updated", #"{"id":1,"refunds":[{"id":{}}]}"#, "unreadable_id:id"),
    ])
    func `poison has a name`(_ topic: String, _ body: String, _ reason: String) {
        #expect {
            try Shopify.understand(topic: topic, body: Array(body.utf8), receivedAt: Self.receivedAt)
        } throws: { "\($0)" == reason }
    }

    // MARK: Real bodies

    /// REST answers wrap one resource, or a list of them, into a member of an object.
    private static func resources(_ file: String) throws -> [JSON] {
        let json = try JSON(parsing: SharedData.bytes(file), limits: .foreign)
        guard let object = json.objectValue, object.count == 1, let only = object.first else { return [json] }
        return only.value.arrayValue ?? [only.value]
    }

    private static func files(_ kind: String) throws -> [String] {
        try SharedData.files(below: "webhooks/shopify_rest").filter { $0.contains("/\(kind)-") }
    }

    @Test(.enabled(if: SharedData.isThere, "\(SharedData.absent)"))
    func `every real refund is mirrored with the money that its transactions moved`() throws {
        var amounts: [Int64] = []
        for file in try Self.files("refund") {
            for body in try Self.resources(file) {
                // A calculation, which is no refund yet and has no id.
                guard body["id"] != nil else {
                    #expect(throws: Poison(.missingID, "order_id")) {
                        try Self.refunds("refunds/create", body.serializedBytes)
                    }
                    continue
                }
                let statement = try #require(try Self.refunds("refunds/create", body.serializedBytes).first)
                var state = OrderState()
                state.apply(statement, receivedAt: Self.receivedAt)
                let refund = try #require(state.refunds[statement.externalID])
                #expect(refund.state == .succeeded && refund.amount == refund.moved, "\(file)")
                #expect(state.refundFacts(statement.externalID).map(\.kind) == [.refundRecorded, .refundSucceeded])
                amounts.append(try #require(refund.amount).amount)
            }
        }
        // 209.00, 41.94 and 5.00 US dollars, in every version of the API.
        #expect(Set(amounts) == [20900, 4194, 500])
        #expect(amounts.count >= 15)
    }

    @Test(.enabled(if: SharedData.isThere, "\(SharedData.absent)"))
    func `of the real transactions those that pay back are mirrored, and no others`() throws {
        var kinds: [String: Int] = [:]
        for file in try Self.files("transaction") {
            for body in try Self.resources(file) {
                guard let kind = body["kind"]?.stringValue else { continue }
                let statement = try Self.transaction(body.serialized)
                #expect((statement != nil) == (kind == "refund"), "\(file)")
                if let statement {
                    #expect(statement.status == .succeeded && statement.amount == Money(amount: 20900, currency: "USD"))
                    #expect(statement.parent == "801038806")
                }
                kinds[kind, default: 0] += 1
            }
        }
        #expect(kinds["refund", default: 0] >= 5 && kinds["capture", default: 0] >= 5)
    }

    @Test(.enabled(if: SharedData.isThere, "\(SharedData.absent)"))
    func `the refunds in real orders are mirrored, each payment once however often it is told`() throws {
        var (orders, refunds, payments) = (0, 0, 0)
        for file in try Self.files("order") {
            for body in try Self.resources(file) {
                let told = body["refunds"]?.arrayValue ?? []
                let statements = try Self.refunds("orders/updated", body.serializedBytes)
                #expect(statements.count == told.count, "\(file)")
                var state = OrderState()
                for _ in 1...2 { for refund in statements { state.apply(refund, receivedAt: Self.receivedAt) } }
                #expect(state.refunds.values.allSatisfy { $0.state == .succeeded }, "\(file)")
                #expect(state.refundTransactions.count == statements.reduce(0) { $0 + $1.transactions.count })
                orders += 1
                refunds += statements.count
                payments += state.refundTransactions.count
            }
        }
        // Two of the refunds went back by two payments each.
        #expect(orders > 25 && refunds >= 25 && payments == refunds + 2)
    }

    @Test(.enabled(if: SharedData.isThere, "\(SharedData.absent)"))
    func `Shopify's own test webhook is a refund without times, transactions and money`() throws {
        let body = try SharedData.bytes("webhooks/shopify/refunds__create.json")
        let statement = try #require(try Self.refunds("refunds/create", body).first)
        #expect(statement.externalID == "890088186047892319" && statement.recordedAt == nil)
        var state = OrderState()
        state.apply(statement, receivedAt: Self.receivedAt)
        let refund = try #require(state.refunds[statement.externalID])
        #expect(refund.state == .recorded && refund.amount == nil && refund.recordedAt == Self.receivedAt)
        let authorization = try SharedData.bytes("webhooks/shopify/order_transactions__create.json")
        #expect(try Self.transaction(String(decoding: authorization, as: UTF8.self)) == nil)
    }
}
