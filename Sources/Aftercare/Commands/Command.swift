import FoundationEssentials
import Time

/// Something a shop is asked to do with one order. None of them moves money: what is to be paid back is paid back in the
/// shop.
struct Command: Sendable {
    enum Kind: String, CaseIterable, Sendable {
        case cancelOrder = "cancel_order"
        case changeShippingAddress = "change_shipping_address"
        case createReturn = "create_return"

        /// Whether the mirror can show that it was done. It keeps no addresses.
        var isSeenInMirror: Bool {
            switch self {
            case .cancelOrder, .createReturn: true
            case .changeShippingAddress: false
            }
        }
    }

    /// A person's word on a command of which nobody knew whether it was carried out.
    typealias Resolution = PersonsWord<Verdict>

    enum Verdict: String, CaseIterable, Sendable {
        case verified, failed
        /// Send it again, though the shop may have it.
        case requested

        var event: State.Event {
            switch self {
            case .verified: .shown
            case .failed: .failed
            case .requested: .retried
            }
        }
    }

    /// One try to tell the shop.
    struct Attempt: Sendable {
        enum Outcome: String, CaseIterable, Sendable {
            case accepted
            /// The shop certainly did nothing.
            case refused
            /// It may have.
            case unknown
        }

        let number: Int
        let startedAt: Instant
        /// Both absent while it runs, and where the program was interrupted.
        let endedAt: Instant?
        let outcome: Outcome?
        let detail: String?
    }

    /// From the request, from the shop's word that it was done, and from a person's to send it again: how long is waited
    /// for what comes next.
    static let patience = Duration.seconds(86_400)

    let id: CommandID
    let store: StoreID
    let order: OrderID
    /// Nil where it goes to the store's webhook endpoint.
    let connection: ConnectionID?
    let run: RunID?
    let kind: Kind
    /// Nil once it was erased.
    let parameters: CommandParameters?
    private(set) var state: State
    /// Why it ended, or is in doubt.
    private(set) var reason: CommandReason?
    private(set) var detail: String?
    /// The shop's id of what it did.
    private(set) var reference: String?
    /// `usr_…`, `key_…` or `run_…`.
    let requestedBy: String
    private(set) var attempts: Int
    private(set) var deadline: Instant
    private(set) var acknowledgedAt: Instant?
    private(set) var endedAt: Instant?
    private(set) var resolution: Resolution?
    private(set) var version: Int64
    let createdAt: Instant
    private(set) var updatedAt: Instant
}

extension Command {
    /// A new one.
    init(
        _ parameters: CommandParameters,
        of order: Order,
        through channel: CommandChannel,
        by requester: String,
        now: Instant
    ) {
        id = .new()
        store = order.store
        self.order = order.id
        connection = if case .connection(let id) = channel { id } else { nil }
        run = nil
        kind = parameters.kind
        self.parameters = parameters
        state = .requested
        requestedBy = requester
        attempts = 0
        deadline = now + Self.patience
        version = 1
        (createdAt, updatedAt) = (now, now)
    }

    var channel: CommandChannel { connection.map { .connection($0) } ?? .webhook }

    /// Whether it can be seen that it was done, by whoever says so: in the mirror, or in the shop itself.
    var canBeSeen: Bool { kind.isSeenInMirror || connection != nil }

    // MARK: What happens to it

    /// A try begins: from here on the shop may have it.
    mutating func begin(at now: Instant) -> Bool {
        guard move(.marked, at: now) else { return false }
        attempts += 1
        (reason, detail) = (nil, nil)
        return true
    }

    /// False, and nothing changes, where its state knows no such thing.
    mutating func apply(
        _ event: State.Event,
        because reason: CommandReason? = nil,
        detail: String? = nil,
        reference: String? = nil,
        at now: Instant
    ) -> Bool {
        guard move(event, at: now) else { return false }
        self.reason = reason
        // Once erased, nothing that anybody wrote comes back.
        self.detail = parameters == nil ? nil : detail?.singleLine(limit: 500)
        self.reference = reference ?? self.reference
        if event == .acknowledged {
            acknowledgedAt = now
            deadline = now + Self.patience
        }
        return true
    }

    /// A person's word. Sent again, it has as long as a new one.
    mutating func resolve(_ resolution: Resolution) -> Bool {
        guard state == .unknown, move(resolution.verdict.event, at: resolution.at) else { return false }
        (self.resolution, reason, detail) = (resolution, .resolved, nil)
        if resolution.verdict == .requested { (reason, deadline) = (nil, resolution.at + Self.patience) }
        return true
    }

    private mutating func move(_ event: State.Event, at now: Instant) -> Bool {
        guard let next = state.after(event) else { return false }
        // Of what was never sent nobody can say more than that it will not be.
        guard attempts > 0 || event == .marked || event == .refused || event == .failed else { return false }
        state = next
        version += 1
        updatedAt = now
        endedAt = next.isFinal ? now : nil
        return true
    }
}

/// By which way commands reach a shop.
enum CommandChannel: Hashable, Sendable {
    case webhook
    case connection(ConnectionID)

    /// The order's connector where that can carry it out, else the store's endpoint; nil where neither can.
    init?(
        for parameters: CommandParameters,
        _ connection: (id: ConnectionID, provider: Connection.Provider)?,
        _ endpoint: CommandEndpoint?
    ) {
        if let connection, connection.provider.carries(parameters) {
            self = .connection(connection.id)
        } else if let endpoint, endpoint.takes(parameters.kind) {
            self = .webhook
        } else {
            return nil
        }
    }
}

enum CommandKind: IDKind { static let prefix = "cmd" }
typealias CommandID = ID<CommandKind>
