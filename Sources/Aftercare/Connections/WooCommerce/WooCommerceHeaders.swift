import HTTPTypes

extension HTTPFields {
    /// One of WooCommerce's headers: `X-WC-Webhook-Topic`.
    func wooCommerce(_ name: String) -> String? { HTTPField.Name("x-wc-webhook-" + name).flatMap { self[$0] } }
}

extension InboundEvent.Headers {
    static func wooCommerce(_ fields: HTTPFields) -> Self {
        Self(
            topic: fields.wooCommerce("topic").map(worthKeeping) ?? "",
            deliveryID: fields.wooCommerce("delivery-id").map(worthKeeping)
        )
    }
}

extension WooCommerce {
    /// What is posted when a webhook is made or saved: a form, `webhook_id=7`, without a signature. Only 200 will do.
    static func isPing(_ fields: HTTPFields, body: [UInt8]) -> Bool {
        let name = Array("webhook_id=".utf8)
        return fields.wooCommerce("signature") == nil && body.starts(with: name)
            && (1...20).contains(body.count - name.count)
            && body.dropFirst(name.count).allSatisfy { (0x30...0x39).contains($0) }
    }

    /// A delivery's id is made of the webhook and the second: two orders of one second have the same, and a repetition a
    /// second later has another. So it counts for nothing, but for what has no version of its own: an order that is
    /// deleted, restored and deleted again is deleted twice by the same bytes.
    static func fingerprint(of headers: InboundEvent.Headers, body: [UInt8]) -> [UInt8] {
        switch WooCommerceTopic(header: headers.topic)?.handling {
        case .deletion, .restoration:
            return headers.fingerprint(of: body)
        case .order, .ignored, nil:
            var headers = headers
            headers.deliveryID = nil
            return headers.fingerprint(of: body)
        }
    }
}
