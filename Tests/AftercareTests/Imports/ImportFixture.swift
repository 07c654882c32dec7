import Foundation
import JSON
import Postgres
import Support
import Time

@testable import Aftercare

extension TestTenant {
    /// Sends a file and does not wait for what becomes of it.
    func upload(
        _ file: [UInt8],
        store: StoreID? = nil,
        as token: String? = nil,
        headers: [(String, String)] = []
    ) async throws -> Answer {
        try await server.send(
            "POST",
            "/v1/stores/\(store ?? self.store)/imports",
            token: token ?? owner,
            headers: [("Content-Type", "application/x-ndjson")] + headers,
            raw: file
        )
    }

    /// Sends a file, and waits until all of it is done.
    func importFile(_ file: [UInt8], within limit: Duration = .seconds(60)) async throws -> JSON {
        let begun = try await upload(file)
        guard begun.status == 202, let location = begun.header("Location") else { throw Unexpected(begun) }
        var answer = begun
        try await eventually(within: limit) {
            answer = try await get(location)
            return answer["state"] == "succeeded" || answer["state"] == "failed"
        }
        return answer.json
    }

    func importOrders(_ orders: [JSON]) async throws -> JSON { try await importFile(ImportFile.lines(orders)) }

    /// Everything there is of the tenant's orders, but for ids and times that are made anew each time: what two ways to
    /// the same mirror have to agree in.
    func mirror() async throws -> [String: [String]] { try await ImportFile.mirror(of: id, in: server.database) }

    func count(_ statement: SQL) async throws -> Int {
        guard let row = try await rows(statement).first else { return 0 }
        return try row.decode(Int.self)
    }
}

enum ImportFile {
    static func lines(_ orders: [JSON]) -> [UInt8] { orders.flatMap { $0.serializedBytes + [ImportChunks.lineFeed] } }

    /// What became of an import's lines.
    static func tally(_ json: JSON) -> [String: Int] {
        var tally: [String: Int] = [:]
        for name in ["created", "updated", "unchanged", "stale", "rejected"] {
            if let count = json[name]?.int64Value, count > 0 { tally[name] = Int(count) }
        }
        return tally
    }

    /// How each table's row is told by the shop's own ids.
    private static let tables = [
        "orders": "orders AS part JOIN orders AS owner ON owner.id = part.id",
        "order_lines": "order_lines AS part JOIN orders AS owner ON owner.id = part.order_id",
        "shipments": "shipments AS part JOIN orders AS owner ON owner.id = part.order_id",
        "tracking_events":
            "tracking_events AS part JOIN shipments ON shipments.id = part.shipment_id"
            + " JOIN orders AS owner ON owner.id = shipments.order_id",
        "refunds": "refunds AS part JOIN orders AS owner ON owner.id = part.order_id",
        "refund_transactions": "refund_transactions AS part JOIN orders AS owner ON owner.id = part.order_id",
        "facts": "facts AS part JOIN orders AS owner ON owner.id = part.order_id",
    ]

    private static let madeAnew = """
        '{tenant_id,store_id,id,order_id,shipment_id,customer_id,created_at,updated_at,recorded_at,received_at,
          source_received_at}'
        """

    /// What a row of these tables is told by beside its own columns.
    private static let told = [
        // What the shop recorded a refund at is told, and not made anew.
        "refunds": "jsonb_build_object('recorded_at', part.recorded_at)",
        "orders": """
        coalesce((SELECT jsonb_build_object('customer', coalesce(customers.external_id, customers.email_normalized))
                    FROM customers
                   WHERE customers.tenant_id = part.tenant_id AND customers.id = part.customer_id), '{}')
        """,
    ]

    static func mirror(of tenant: TenantID, in database: MigratedDatabase) async throws -> [String: [String]] {
        var mirror: [String: [String]] = [:]
        for (name, rows) in tables {
            let found = try await database.superuser.execute(
                """
                SELECT owner.external_id || ' ' || (to_jsonb(part) - \(unsafe: madeAnew)::text[]
                                                    || \(unsafe: told[name] ?? "'{}'")::jsonb)::text
                  FROM \(unsafe: rows)
                 WHERE part.tenant_id = \(tenant.uuid)
                 ORDER BY 1
                """
            )
            mirror[name] = try found.decode(String.self)
        }
        return mirror
    }

    /// The columns of each table that are NULL in all of a tenant's rows.
    static func emptyColumns(of tenant: TenantID, in database: MigratedDatabase) async throws -> [String: Set<String>] {
        var columns: [String: Set<String>] = [:]
        for name in tables.keys {
            let found = try await database.superuser.execute(
                """
                SELECT field.key
                  FROM \(unsafe: name) AS part, jsonb_each(to_jsonb(part)) AS field
                 WHERE part.tenant_id = \(tenant.uuid)
                 GROUP BY field.key
                HAVING bool_and(field.value = 'null')
                """
            )
            columns[name] = Set(try found.decode(String.self))
        }
        return columns.filter { !$0.value.isEmpty }
    }
}
