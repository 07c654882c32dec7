import FoundationEssentials
import Testing
import Time

@testable import Aftercare

@Suite struct `Rendered messages` {
    private func context(
        customer: String? = "Ada",
        store: String = "Demo Shop",
        number: String? = "#1001",
        delivered: String? = "2026-05-04T22:30:00Z",
        refund: OrderFacts.Refund? = nil
    ) throws -> RenderContext {
        RenderContext(
            customerName: customer,
            storeName: store,
            orderNumber: number,
            deliveredAt: try delivered.map(Instant.at),
            refund: refund,
            bankTime: "5 to 10 business days",
            asOf: try .at("2026-05-05T07:05:59Z"),
            zone: try #require(Zone("Europe/Berlin"))
        )
    }

    @Test func `a follow-up says what is known, as of when, what happens next, and who reads the reply`() throws {
        let text = try render(.followUp, context())
        #expect(text.subject == "Your order #1001: is everything all right?")
        #expect(
            text.body == """
                Hello Ada,

                your order #1001 from Demo Shop was delivered on 5 May 2026. That is what we know as of \
                5 May 2026, 09:05 (Europe/Berlin).

                What happens next: if everything is all right, nothing, and you need not do anything. If something \
                is missing, damaged or not what you expected, reply to this message and say what is wrong.

                A person at Demo Shop reads every reply.

                This message was sent automatically, once for this delivery.
                """
        )
    }

    @Test func `what is not known is left out`() throws {
        let text = try render(.followUp, context(customer: "  ", number: nil, delivered: nil))
        #expect(text.subject == "Your order: is everything all right?")
        #expect(text.body.hasPrefix("Hello,\n\nyour order from Demo Shop was delivered. That is what"))
    }

    @Test(arguments: [
        "{{store_name}}", "{{{as_of}}}", "{{#has_customer_name}}", "{{=<% %>=}}", "{{> follow_up}}",
        "{{% CONTENT_TYPE:HTML}}", "%{{!", "<b>&\"'</b>",
    ])
    func `a name that looks like a template or like HTML stays the text it is`(_ name: String) throws {
        let text = try render(.followUp, context(customer: name, store: name, number: name))
        #expect(text.body.hasPrefix("Hello \(name),\n"))
        #expect(text.body.contains("A person at \(name) reads every reply."))
        #expect(text.subject == "Your order \(name): is everything all right?")
    }

    @Test(arguments: ["A\r\nBcc: b@example.com", "A\nB", "A\u{2028}B", "A\u{0}B", "A\u{202E}B", "A\u{85}B"])
    func `a name stays on its line`(_ name: String) throws {
        let plain = try render(.followUp, context())
        let text = try render(.followUp, context(customer: name, number: name))
        #expect(text.body.split(separator: "\n").count == plain.body.split(separator: "\n").count)
        #expect(text.subject.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.properties.generalCategory != .format })
    }

    @Test func `a very long name is cut`() throws {
        let text = try render(.followUp, context(customer: String(repeating: "x", count: 5000)))
        #expect(text.body.hasPrefix("Hello \(String(repeating: "x", count: 80)),\n"))
    }

    @Test func `every template can be rendered`() throws {
        for template in MessageTemplate.allCases {
            let text = try render(template, context())
            #expect(!text.subject.isEmpty && !text.body.isEmpty)
            #expect(!text.subject.contains("{{") && !text.body.contains("{{"))
        }
    }
}
