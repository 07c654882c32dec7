import FoundationEssentials
import Postgres
import Time

/// What a command is decided by, read in one round trip.
extension CommandStore {
    /// Whoever applies something to the order waits: what is decided by is so until the transaction ends.
    static func holdOrder(_ id: OrderID, tenant: TenantID) -> SQL {
        "SELECT id FROM orders WHERE tenant_id = \(tenant.uuid) AND id = \(id.uuid) FOR SHARE"
    }

    /// The order of a command. Before the command: whoever ends one may open a ticket about its order, and holds both.
    static func holdOrder(of command: CommandID, tenant: TenantID) -> SQL {
        """
        SELECT id
          FROM orders
         WHERE tenant_id = \(tenant.uuid)
           AND id = (SELECT order_id FROM commands WHERE tenant_id = \(tenant.uuid) AND id = \(command.uuid))
           FOR SHARE
        """
    }

    /// Known of the order, and by which ways it can be reached; the answers are for `decodeQuestion` and `decodeWays`.
    static func question(about order: OrderID, tenant: TenantID) -> [SQL] {
        OrderStore.whole(order, tenant: tenant) + [
            disputes(of: order, tenant: tenant), returns(of: order, tenant: tenant),
            PullStore.connection(for: order, tenant: tenant),
            CommandEndpointStore.endpoint(ofOrder: order, tenant: tenant),
        ]
    }

    private static func disputes(of order: OrderID, tenant: TenantID) -> SQL {
        """
        SELECT id
          FROM disputes
         WHERE tenant_id = \(tenant.uuid) AND order_id = \(order.uuid)
           AND status IN ('needs_response', 'under_review', 'unknown')
         LIMIT 1
        """
    }

    /// A row for each line, and one for a return without.
    private static func returns(of order: OrderID, tenant: TenantID) -> SQL {
        """
        SELECT known.external_id, known.state, known.created_at, line.order_line_external_id, line.quantity
          FROM returns AS known
          LEFT JOIN return_lines AS line
            ON line.tenant_id = \(tenant.uuid) AND line.return_id = known.id
         WHERE known.tenant_id = \(tenant.uuid) AND known.order_id = \(order.uuid)
         ORDER BY known.id
        """
    }

    /// The order's id in its shop.
    static func externalID(of order: OrderID, tenant: TenantID) -> SQL {
        "SELECT external_id FROM orders WHERE tenant_id = \(tenant.uuid) AND id = \(order.uuid)"
    }

    // MARK: Rows

    /// Nil if there is no such order.
    static func decodeQuestion(_ rows: ArraySlice<Rows>) throws -> CommandQuestion? {
        let rows = Array(rows)
        guard let order = try OrderStore.decodeWhole(rows) else { return nil }
        var returns: [CommandQuestion.KnownReturn] = []
        for index in 0..<rows[5].count {
            let (externalID, state, knownAt, orderLine, quantity) = try rows[5][index].decode(
                (String, String, Instant, String?, Int?).self
            )
            guard let state = ReturnState(rawValue: state) else { throw UnreadableRow(table: "returns") }
            if returns.last?.externalID != externalID {
                returns.append(.init(externalID: externalID, state: state, knownAt: knownAt, announced: [:]))
            }
            guard let orderLine, let quantity else { continue }
            returns[returns.count - 1].announced[orderLine, default: 0] += quantity
        }
        return CommandQuestion(order: order, hasOpenDispute: !rows[4].isEmpty, returns: returns)
    }

    /// The order's connection, and the store's endpoint, if there are such.
    static func decodeWays(
        _ rows: ArraySlice<Rows>
    ) throws -> (connection: (id: ConnectionID, provider: Connection.Provider)?, endpoint: CommandEndpoint?) {
        let rows = Array(rows)
        let connection = try rows[6].first.map { row in
            let (id, provider): (UUID, String) = try (row("id"), row("provider"))
            guard let provider = Connection.Provider(rawValue: provider) else {
                throw UnreadableRow(table: "connections")
            }
            return (id: ConnectionID(id), provider: provider)
        }
        return (connection, try rows[7].first.map(CommandEndpointStore.decode))
    }
}
