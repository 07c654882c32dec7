import FoundationEssentials
import Observability
import Time

/// A store's account at a provider that tells us about its orders.
struct Connection: Sendable {
    enum Provider: String, CaseIterable, Sendable {
        case shopify
        case wooCommerce = "woocommerce"
        /// These tell of parcels by their numbers, and know no order.
        case easypost, aftership, shippo

        static let trackers: [Provider] = [.easypost, .aftership, .shippo]
    }
    enum State: String, CaseIterable, Sendable { case active, disabled }

    /// Why it is disabled.
    enum StateReason: String, CaseIterable, Sendable {
        /// The shop took the app out: nothing comes any more until it is put in again.
        case appUninstalled = "app_uninstalled"
        case disabledByUser = "disabled_by_user"
    }

    let id: ConnectionID
    let tenant: TenantID
    let store: StoreID
    let provider: Provider
    /// The provider's name for the account, such as `demo.myshopify.com`.
    let account: String
    private(set) var state: State
    private(set) var stateReason: StateReason?
    /// Nil where it never changed.
    private(set) var stateChangedAt: Instant?
    /// Since when we have what it takes to ask the shop; nil where we have not.
    var credentialsSetAt: Instant?
    var version: Int64
    let createdAt: Instant
    var updatedAt: Instant

    init(
        id: ConnectionID,
        tenant: TenantID,
        store: StoreID,
        provider: Provider,
        account: String,
        state: State,
        stateReason: StateReason? = nil,
        stateChangedAt: Instant? = nil,
        credentialsSetAt: Instant? = nil,
        version: Int64,
        createdAt: Instant,
        updatedAt: Instant
    ) {
        self.id = id
        self.tenant = tenant
        self.store = store
        self.provider = provider
        self.account = account
        self.state = state
        self.stateReason = stateReason
        self.stateChangedAt = stateChangedAt
        self.credentialsSetAt = credentialsSetAt
        self.version = version
        self.createdAt = createdAt
        self.updatedAt = updatedAt
    }

    // MARK: In use or not

    /// Puts it to use. True if it was not.
    mutating func activate(at now: Instant) -> Bool {
        guard state != .active else { return false }
        (state, stateReason, stateChangedAt) = (.active, nil, now)
        return true
    }

    /// Takes it out of use. True if it was in use; the reason of one that was not stays.
    mutating func disable(because reason: StateReason, at now: Instant) -> Bool {
        guard state != .disabled else { return false }
        (state, stateReason, stateChangedAt) = (.disabled, reason, now)
        return true
    }

    /// Whether it was at this time as it is now. A shop that took the app out and put it in again may still tell of the
    /// former, hours late.
    func wasTheSame(at instant: Instant) -> Bool { instant >= stateChangedAt ?? createdAt }

    /// Where the provider sends its webhooks.
    func webhookURL(_ publicURL: String) -> String { "\(publicURL)/v1/hooks/\(tenant)/\(id)" }

    // MARK: The secret

    /// Where the webhook secret is kept, sealed.
    static func place(of id: ConnectionID, tenant: TenantID) -> MasterKey.Place {
        MasterKey.Place(tenant: tenant.uuid, column: "connections.secret", row: id.uuid)
    }

    /// A secret of our own: 40 letters and digits, which no shop's program reads as anything else.
    static func newSecret() -> Secret<[UInt8]> {
        let characters = Array("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".utf8)
        return Secret((0..<40).map { _ in characters[Int.random(in: characters.indices)] })
    }

    /// Secrets as providers make them, or merchants at EasyPost in any language: 8 to 255 visible characters.
    static func isSecret(_ text: String) -> Bool {
        (8...255).contains(text.unicodeScalars.count) && text.unicodeScalars.allSatisfy(isVisible)
    }

    private static func isVisible(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .spaceSeparator, .surrogate,
            .unassigned:
            false
        default: true
        }
    }

    /// A name that the merchant chooses, to tell accounts apart: 1 to 255 characters, of which none is a control
    /// character.
    static func accountName(_ text: String) -> String? {
        let start = text.drop { $0.isWhitespace }
        let name = start.prefix(upTo: start.lastIndex { !$0.isWhitespace }.map(start.index(after:)) ?? start.startIndex)
        let isLegible = name.unicodeScalars.allSatisfy { $0.properties.generalCategory != .control }
        return name.isEmpty || !isLegible ? nil : String(name)
    }
}
