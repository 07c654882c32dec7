import FoundationEssentials

/// The notices about refunds. Each says what state the money is in, as of when, what happens next, and what a person
/// does about it; and none says that money has moved before its transaction has succeeded.
extension MessageTemplate {
    static let refundRecordedSource = refundSource(
        subject: "We have recorded your refund of \(refund)",
        """
        {{store_name}} has recorded a refund of {{refund_amount}} for your order{{#has_order_number}} \
        {{order_number}}{{/has_order_number}} on {{refund_recorded_on}}. \
        {{#has_refund_moved}}{{refund_moved}} of it was sent, the rest is on its way.{{/has_refund_moved}}\
        {{^has_refund_moved}}The payment provider has not confirmed yet that the money was sent.\
        {{/has_refund_moved}} That is what we know as of {{as_of}}.

        What happens next: the payment provider sends the money back the way you paid. It usually takes {{bank_time}} \
        until it shows in your account. You need not do anything.

        No person has to do anything for this. If something is wrong with it, reply to this message: a person at \
        {{store_name}} reads every reply.
        """
    )

    static let refundSucceededSource = refundSource(
        subject: "Your refund of \(refund) was sent",
        """
        your refund of {{refund_amount}} for your order{{#has_order_number}} {{order_number}}{{/has_order_number}} \
        from {{store_name}} was sent{{#has_refund_moved_on}} on {{refund_moved_on}}{{/has_refund_moved_on}}. That is \
        what we know as of {{as_of}}.

        What happens next: the money goes back the way you paid. Your bank may take {{bank_time}} until it shows in \
        your account. You need not do anything.

        No person has to do anything for this. If the money has not arrived by then, reply to this message: a person \
        at {{store_name}} reads every reply.
        """
    )

    static let refundFailedSource = refundSource(
        subject: "Your refund of \(refund) could not be sent yet",
        """
        {{store_name}} has recorded a refund of {{refund_amount}} for your order{{#has_order_number}} \
        {{order_number}}{{/has_order_number}}, and the payment provider refused to send \
        {{#has_refund_moved}}{{refund_outstanding}} of it. {{refund_moved}} was sent.{{/has_refund_moved}}\
        {{^has_refund_moved}}it. The money was not sent.{{/has_refund_moved}} That is what we know as of {{as_of}}.

        What happens next: a person at {{store_name}} looks at it and finds another way. You need not do anything, \
        and you lose nothing by waiting.

        If you have a question, or another account now, reply to this message: the same people read every reply.
        """
    )

    static let refundDelayedSource = refundSource(
        subject: "Your refund of \(refund) takes longer than usual",
        """
        {{store_name}} recorded a refund of {{refund_amount}} for your order{{#has_order_number}} \
        {{order_number}}{{/has_order_number}} on {{refund_recorded_on}}, and the payment provider has still not \
        confirmed that {{#has_refund_moved}}{{refund_outstanding}} of it{{/has_refund_moved}}\
        {{^has_refund_moved}}the money{{/has_refund_moved}} was sent. That is what we know as of {{as_of}}.

        What happens next: a person at {{store_name}} asks what holds it up. Once the money is sent, your bank may \
        take {{bank_time}} until it shows in your account. You need not do anything.

        If you have a question, reply to this message: a person at {{store_name}} reads every reply.
        """
    )

    private static let refund = "{{refund_amount}}{{#has_order_number}} for order {{order_number}}{{/has_order_number}}"

    private static func refundSource(subject: String, _ text: String) -> Result<TemplateSource, any Error> {
        Result {
            try TemplateSource(
                subject: subject,
                body: """
                    Hello{{#has_customer_name}} {{customer_name}}{{/has_customer_name}},

                    \(text)

                    This message was sent automatically, once for this refund.
                    """
            )
        }
    }
}
