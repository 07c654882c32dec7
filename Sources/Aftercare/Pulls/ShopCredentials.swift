import FoundationEssentials
import JSON
import Observability

/// What a merchant gives us to ask the shop with.
enum ShopCredentials: Sendable {
    /// The access token of a custom app for Shopify's Admin API.
    case shopify(accessToken: Secret<String>)
    /// A key pair of WooCommerce's REST API; `read` is enough to ask, commands take `read_write`.
    case wooCommerce(consumerKey: String, consumerSecret: Secret<String>)

    /// Where they are kept, sealed.
    static func place(of connection: ConnectionID, tenant: TenantID) -> MasterKey.Place {
        MasterKey.Place(tenant: tenant.uuid, column: "connections.credentials", row: connection.uuid)
    }

    // MARK: As they are sealed

    private enum Member { static let (token, key, secret) = ("access_token", "consumer_key", "consumer_secret") }

    var bytes: [UInt8] {
        let json: JSON =
            switch self {
            case .shopify(let token): .object([Member.token: .string(token.reveal())])
            case .wooCommerce(let key, let secret):
                .object([Member.key: .string(key), Member.secret: .string(secret.reveal())])
            }
        return json.serializedBytes
    }

    init?(_ opened: Secret<[UInt8]>) {
        guard let json = try? JSON(parsing: opened.reveal()) else { return nil }
        if let token = json[Member.token]?.stringValue {
            self = .shopify(accessToken: Secret(token))
        } else if let key = json[Member.key]?.stringValue, let secret = json[Member.secret]?.stringValue {
            self = .wooCommerce(consumerKey: key, consumerSecret: Secret(secret))
        } else {
            return nil
        }
    }
}

extension Connection.Provider {
    /// Reads the credentials it takes out of a body; nil for whoever is asked nothing.
    var credentials: ((inout FieldReader) throws(FieldErrors) -> ShopCredentials)? {
        switch self {
        case .shopify:
            { (body) throws(FieldErrors) in
                let token = try body.finish(body.required("access_token", .visible))
                return .shopify(accessToken: Secret(token))
            }
        case .wooCommerce:
            { (body) throws(FieldErrors) in
                let (key, secret) = try body.finish(
                    body.required("consumer_key", .visible),
                    body.required("consumer_secret", .visible)
                )
                return .wooCommerce(consumerKey: key, consumerSecret: Secret(secret))
            }
        case .easypost, .aftership, .shippo: nil
        }
    }
}

extension FieldRule<String> {
    /// What goes into a header of ours must not be able to end it.
    fileprivate static var visible: Self {
        .parsed("1 to 255 visible ASCII characters", length: 1...255) { text in
            text.utf8.allSatisfy { (0x21...0x7E).contains($0) } ? text : nil
        }
    }
}
