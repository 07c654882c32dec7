import FoundationEssentials
import Mustache
import Time

/// What a message's text is made of. Customers' words among it are data: a name that looks like a template or like a
/// header stays the text it is.
struct RenderContext: Hashable, Sendable {
    let customerName: String?
    let storeName: String
    let orderNumber: String?
    let deliveredAt: Instant?
    /// The refund it is about, and how long the customer's bank takes, in the store's words.
    let refund: OrderFacts.Refund?
    let bankTime: String
    /// When what the message says was last known to be so.
    let asOf: Instant
    let zone: Zone

    fileprivate var values: [String: Any] {
        var values: [String: Any] = [
            "store_name": storeName.singleLine(limit: 100),
            "as_of": zone.local(at: asOf).written + " (\(zone.identifier))",
            "bank_time": bankTime.singleLine(limit: 100),
        ]
        let optional = [
            "customer_name": customerName?.singleLine(limit: 80),
            "order_number": orderNumber?.singleLine(limit: 40),
            "delivered_on": deliveredAt.map { zone.local(at: $0).date.written },
            "refund_amount": refund?.amount?.written,
            "refund_moved": refund?.moved?.written,
            "refund_outstanding": refund?.outstanding?.written,
            "refund_recorded_on": refund.map { zone.local(at: $0.recordedAt).date.written },
            "refund_moved_on": refund?.movedAt.map { zone.local(at: $0).date.written },
        ]
        for (name, value) in optional {
            guard let value, !value.isEmpty else { continue }
            values[name] = value
            values["has_\(name)"] = true
        }
        return values
    }
}

struct RenderedText: Hashable, Sendable {
    let subject: String
    let body: String
}

/// Renders a message as plain text. The same context always gives the same text.
func render(_ template: MessageTemplate, _ context: RenderContext) throws -> RenderedText {
    let source = try template.source.get()
    let values = context.values
    return RenderedText(
        subject: source.subject.render(values).singleLine(limit: 200),
        body: source.body.render(values)
    )
}

/// A message's text before it is anybody's.
struct TemplateSource: Sendable {
    let subject: MustacheTemplate
    let body: MustacheTemplate

    init(subject: String, body: String) throws {
        // The text goes into plain mail: nothing is to be escaped as HTML is.
        self.subject = try MustacheTemplate(string: "{{% CONTENT_TYPE:TEXT}}" + subject)
        self.body = try MustacheTemplate(string: "{{% CONTENT_TYPE:TEXT}}" + body)
    }
}

extension MessageTemplate {
    fileprivate var source: Result<TemplateSource, any Error> {
        switch self {
        case .followUp: Self.followUpSource
        case .refundRecorded: Self.refundRecordedSource
        case .refundSucceeded: Self.refundSucceededSource
        case .refundFailed: Self.refundFailedSource
        case .refundDelayed: Self.refundDelayedSource
        }
    }

    /// What every message has to say: the present state, what is known and as of when, what happens next, and whether
    /// a person is there.
    private static let followUpSource = Result {
        try TemplateSource(
            subject: "Your order{{#has_order_number}} {{order_number}}{{/has_order_number}}: is everything all right?",
            body: """
                Hello{{#has_customer_name}} {{customer_name}}{{/has_customer_name}},

                your order{{#has_order_number}} {{order_number}}{{/has_order_number}} from {{store_name}} was \
                delivered{{#has_delivered_on}} on {{delivered_on}}{{/has_delivered_on}}. That is what we know as of \
                {{as_of}}.

                What happens next: if everything is all right, nothing, and you need not do anything. If something \
                is missing, damaged or not what you expected, reply to this message and say what is wrong.

                A person at {{store_name}} reads every reply.

                This message was sent automatically, once for this delivery.
                """
        )
    }
}

extension LocalDate {
    /// `8 March 2026`.
    fileprivate var written: String { "\(day) \(LocalDate.months[month - 1]) \(year)" }

    private static let months = [
        "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
        "December",
    ]
}

extension LocalDateTime {
    /// `8 March 2026, 10:00`.
    fileprivate var written: String {
        "\(date.written), \(LocalTimeOfDay(hour: time.hour, minute: time.minute) ?? time)"
    }
}
