import Testing
import Time

@testable import Aftercare

@Suite struct `Refund notices` {
    private func text(
        _ template: MessageTemplate,
        _ state: RefundState,
        moved: Int64? = nil,
        amount: Money = Money(amount: 1990, currency: "EUR"),
        number: String? = "#1001"
    ) throws -> RenderedText {
        let context = RenderContext(
            customerName: "Ada",
            storeName: "Demo Shop",
            orderNumber: number,
            deliveredAt: nil,
            refund: OrderFacts.Refund(
                externalID: "3001",
                state: state,
                amount: amount,
                moved: moved.map { Money(amount: $0, currency: amount.currency) },
                recordedAt: try .at("2026-05-04T22:30:00Z"),
                movedAt: try moved.map { _ in try Instant.at("2026-05-05T06:00:00Z") }
            ),
            bankTime: "5 to 10 business days",
            asOf: try .at("2026-05-05T07:05:59Z"),
            zone: try #require(Zone("Europe/Berlin"))
        )
        return try render(template, context)
    }

    private let asOf = "That is what we know as of 5 May 2026, 09:05 (Europe/Berlin)."

    @Test func `recorded says how much, that it has not moved, how long it takes, and that nobody has to act`() throws {
        let text = try text(.refundRecorded, .pending)
        #expect(text.subject == "We have recorded your refund of EUR 19.90 for order #1001")
        #expect(
            text.body == """
                Hello Ada,

                Demo Shop has recorded a refund of EUR 19.90 for your order #1001 on 5 May 2026. The payment provider \
                has not confirmed yet that the money was sent. \(asOf)

                What happens next: the payment provider sends the money back the way you paid. It usually takes 5 to \
                10 business days until it shows in your account. You need not do anything.

                No person has to do anything for this. If something is wrong with it, reply to this message: a person \
                at Demo Shop reads every reply.

                This message was sent automatically, once for this refund.
                """
        )
    }

    @Test func `succeeded says when the money was sent, and what the bank may take`() throws {
        let text = try text(.refundSucceeded, .succeeded, moved: 1990)
        #expect(text.subject == "Your refund of EUR 19.90 for order #1001 was sent")
        #expect(
            text.body.contains("your refund of EUR 19.90 for your order #1001 from Demo Shop was sent on 5 May 2026.")
        )
        #expect(text.body.contains(asOf) && text.body.contains("Your bank may take 5 to 10 business days"))
    }

    @Test func `failed says that the money was refused, and that a person looks`() throws {
        let text = try text(.refundFailed, .failed)
        #expect(text.subject == "Your refund of EUR 19.90 for order #1001 could not be sent yet")
        #expect(text.body.contains("the payment provider refused to send it. The money was not sent. \(asOf)"))
        #expect(text.body.contains("a person at Demo Shop looks at it"))
        let partly = try self.text(.refundFailed, .failed, moved: 500)
        #expect(partly.body.contains("refused to send EUR 14.90 of it. EUR 5.00 was sent. \(asOf)"))
    }

    @Test func `delayed says since when, and that a person asks`() throws {
        let text = try text(.refundDelayed, .pending)
        #expect(text.subject == "Your refund of EUR 19.90 for order #1001 takes longer than usual")
        #expect(
            text.body.contains("on 5 May 2026, and the payment provider has still not confirmed that the money was")
        )
        #expect(text.body.contains(asOf) && text.body.contains("a person at Demo Shop asks what holds it up"))
    }

    @Test(arguments: [MessageTemplate.refundRecorded, .refundFailed, .refundDelayed])
    func `nothing says that money was sent before it was`(_ template: MessageTemplate) throws {
        let body = try text(template, .pending).body
        for claim in ["was sent on", "of it was sent", "has been sent", "EUR 19.90 was sent"] {
            #expect(!body.contains(claim))
        }
    }

    @Test(arguments: [
        MessageTemplate.refundRecorded, .refundSucceeded, .refundFailed, .refundDelayed,
    ])
    func `every notice reads well without an order number, and leaves no template behind`(
        _ template: MessageTemplate
    ) throws {
        for moved in [nil, 500] as [Int64?] {
            let text = try text(template, .pending, moved: moved, number: nil)
            #expect(!text.subject.contains("order") && !text.body.contains("  ") && !text.body.contains(" ."))
            #expect(!(text.subject + text.body).contains("{{") && text.body.contains(asOf))
            #expect(text.body.contains("What happens next") && text.body.contains("a person at Demo Shop"))
        }
    }

    @Test(arguments: [
        (Money(amount: 1990, currency: "EUR"), "EUR 19.90"), (Money(amount: 5, currency: "USD"), "USD 0.05"),
        (Money(amount: 600, currency: "JPY"), "JPY 600"), (Money(amount: 1234, currency: "KWD"), "KWD 1.234"),
        (Money(amount: 0, currency: "EUR"), "EUR 0.00"), (Money(amount: -1990, currency: "EUR"), "EUR -19.90"),
        (Money(amount: 123_456_789, currency: "EUR"), "EUR 1234567.89"),
        (Money(amount: .min, currency: "JPY"), "JPY -9223372036854775808"),
    ])
    func `money is written with its code and its currency's decimals`(_ money: Money, _ text: String) {
        #expect(money.written == text)
    }

    @Test func `money is summed within one currency only, and never beyond 64 bits`() {
        let (a, b) = (Money(amount: 1, currency: "EUR"), Money(amount: 2, currency: "EUR"))
        #expect(Money.sum([a, b]) == Money(amount: 3, currency: "EUR"))
        #expect(Money.sum([a, Money(amount: 2, currency: "USD")]) == nil)
        #expect(Money.sum([a, nil]) == nil && Money.sum([nil, a]) == nil && Money.sum([]) == nil)
        #expect(Money.sum([Money(amount: .max, currency: "EUR"), a]) == nil)
    }
}
