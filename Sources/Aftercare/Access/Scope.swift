/// What a credential may do. API keys hold any set of these; people hold the set of their role.
enum Scope: String, CaseIterable, Sendable {
    case storesRead = "stores:read"
    case storesWrite = "stores:write"
    case connectionsRead = "connections:read"
    case connectionsWrite = "connections:write"
    /// What shops are asked with.
    case credentialsWrite = "credentials:write"
    case ordersRead = "orders:read"
    case ordersWrite = "orders:write"
    /// Have an order compared with its shop.
    case ordersRefresh = "orders:refresh"
    case commandsRead = "commands:read"
    case commandsWrite = "commands:write"
    /// For the shop's own program, which says what it did.
    case commandsAcknowledge = "commands:acknowledge"
    case customersRead = "customers:read"
    case customersWrite = "customers:write"
    case eventsRead = "inbound_events:read"
    case eventsWrite = "inbound_events:write"
    case workflowsRead = "workflows:read"
    case runsRead = "runs:read"
    case messagesRead = "messages:read"
    case messagesWrite = "messages:write"
    case ticketsRead = "tickets:read"
    case ticketsWrite = "tickets:write"
    case operationsRead = "operations:read"
    case testClockWrite = "test_clock:write"
    case usersRead = "users:read"
    case usersWrite = "users:write"
    case keysRead = "api_keys:read"
    case keysWrite = "api_keys:write"
    case privacyRead = "privacy:read"
    case privacyWrite = "privacy:write"
}

extension Scope {
    private static let byName = Dictionary(uniqueKeysWithValues: allCases.map { ($0.rawValue, $0) })

    /// As the initializer with a raw value, which compares with one case after the other.
    init?(name: String) {
        guard let scope = Self.byName[name] else { return nil }
        self = scope
    }
}

/// A person's role. Each may do what the one before may, and more.
enum Role: String, CaseIterable, Sendable {
    case viewer, agent, author, approver, owner

    var scopes: Set<Scope> { Self.scopesByRole[self] ?? [] }

    private static let scopesByRole = Dictionary(uniqueKeysWithValues: allCases.map { ($0, $0.grantedScopes) })

    private var grantedScopes: Set<Scope> {
        switch self {
        case .viewer:
            [
                .storesRead, .connectionsRead, .ordersRead, .customersRead, .eventsRead, .workflowsRead, .runsRead,
                .messagesRead, .ticketsRead, .operationsRead, .commandsRead,
            ]
        case .agent:
            Role.viewer.grantedScopes.union([.ordersRefresh, .commandsWrite, .messagesWrite, .ticketsWrite])
        // An approver releases other people's changes, which is not there yet.
        case .author, .approver:
            Role.agent.grantedScopes.union([
                .storesWrite, .connectionsWrite, .ordersWrite, .customersWrite, .eventsWrite, .testClockWrite,
                .usersRead, .keysRead,
            ])
        case .owner:
            Set(Scope.allCases)
        }
    }
}
