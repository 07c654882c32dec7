import HTTPTypes
import Observability
import Time

/// All that differs between providers. Each question is one switch; the answers are in the provider's folder.
extension Connection.Provider {
    // MARK: Connecting

    /// The account as it is kept, whatever way it was written; nil for what names none.
    func account(_ text: String) -> String? {
        switch self {
        case .shopify: Shopify.shopDomain(text)
        case .wooCommerce: WooCommerce.siteURL(text)
        case .easypost, .aftership, .shippo: Connection.accountName(text)
        }
    }

    /// What an account has to be, for whoever wrote another thing.
    var accountFormat: String {
        switch self {
        case .shopify: "a shop's domain such as demo.myshopify.com"
        case .wooCommerce: "a shop's address such as https://shop.example"
        case .easypost, .aftership, .shippo: "a name of yours for the account, such as main"
        }
    }

    /// Whether we make the webhook secret, to be set at the provider, or the provider does.
    var secretIsOurs: Bool {
        switch self {
        case .shopify, .easypost, .aftership, .shippo: false
        // One that a person types is guessed too easily, and the shop's default is made of a user's name; some
        // characters are signed with otherwise than they are shown.
        case .wooCommerce: true
        }
    }

    // MARK: Receiving

    /// Whether it only tries the address: answered, and nothing is kept. Not signed, so nothing may come of it.
    func isPing(_ fields: HTTPFields, body: [UInt8]) -> Bool {
        switch self {
        case .shopify, .easypost, .aftership, .shippo: false
        case .wooCommerce: WooCommerce.isPing(fields, body: body)
        }
    }

    /// - Parameter target: the path as it was asked for, query and all: a provider may prove itself there.
    func isSigned(_ fields: HTTPFields, target: String, body: [UInt8], secrets: [Secret<[UInt8]>]) -> Bool {
        switch self {
        case .shopify: BodySignature.isValid(base64: fields.shopify("hmac-sha256"), of: body, secrets: secrets)
        case .wooCommerce: BodySignature.isValid(base64: fields.wooCommerce("signature"), of: body, secrets: secrets)
        case .easypost: EasyPostSignature.isValid(fields, of: body, secrets: secrets)
        case .aftership: BodySignature.isValid(base64: fields[.aftershipSignature], of: body, secrets: secrets)
        case .shippo: ShippoSignature.isValid(fields, target: target, of: body, secrets: secrets)
        }
    }

    func headers(_ fields: HTTPFields) -> InboundEvent.Headers {
        switch self {
        case .shopify: .shopify(fields)
        case .wooCommerce: .wooCommerce(fields)
        // The topic is a member of the body, which is read later.
        case .easypost, .aftership, .shippo: InboundEvent.Headers(topic: "")
        }
    }

    /// What a repeated delivery is told by.
    func fingerprint(of headers: InboundEvent.Headers, body: [UInt8]) -> [UInt8] {
        switch self {
        case .shopify, .easypost, .aftership, .shippo: headers.fingerprint(of: body)
        case .wooCommerce: WooCommerce.fingerprint(of: headers, body: body)
        }
    }

    // MARK: Applying

    /// Reads an event. Pure.
    func understand(_ event: InboundEvent, body: [UInt8]) throws(Poison) -> Understanding {
        switch event.via {
        case .webhook: return try understand(webhook: event, body: body)
        case .pull:
            // A newer version of the program stored it.
            guard let topic = PullTopic(rawValue: event.headers.topic) else { return .ignored(.unknownTopic) }
            return try understand(pulled: topic, body: body, askedAt: event.receivedAt)
        }
    }

    /// Reads what the shop answered when it was asked. Pure.
    func understand(pulled topic: PullTopic, body: [UInt8], askedAt: Instant) throws(Poison) -> Understanding {
        switch self {
        case .shopify: try Shopify.understand(pulled: topic, body: body, askedAt: askedAt)
        case .wooCommerce: try WooCommerce.understand(pulled: topic, body: body, askedAt: askedAt)
        // Nobody asks these.
        case .easypost, .aftership, .shippo: .ignored(.unknownTopic)
        }
    }

    private func understand(webhook event: InboundEvent, body: [UInt8]) throws(Poison) -> Understanding {
        let (topic, receivedAt) = (event.headers.topic, event.receivedAt)
        return switch self {
        case .shopify:
            try Shopify.understand(topic: topic, body: body, receivedAt: receivedAt, saidAt: event.saidAt)
        case .wooCommerce: try WooCommerce.understand(topic: topic, body: body, receivedAt: receivedAt)
        case .easypost: try EasyPostTracker.understand(body, receivedAt: receivedAt)
        case .aftership: try AfterShipTracking.understand(body, receivedAt: receivedAt)
        case .shippo: try ShippoTrack.understand(body, receivedAt: receivedAt)
        }
    }
}
