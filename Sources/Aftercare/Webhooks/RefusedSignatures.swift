import FoundationEssentials
import Logging
import Postgres
import Synchronization
import Time

/// How many webhooks of each connection had a wrong signature since this was last written down.
///
/// Anybody who knows a connection's address can send such, as many as they like. So none leaves a row, only a number; and
/// only connections that exist are counted, which are as many as tenants made.
final class RefusedSignatures: Sendable {
    struct Connection: Hashable, Sendable {
        let tenant: TenantID
        let store: StoreID
        let id: ConnectionID
    }

    private let counts = Mutex<[Connection: Int]>([:])
    /// Connections that are remembered at once.
    private static let maximum = 10_000

    func note(_ id: ConnectionID, of store: StoreID, tenant: TenantID) {
        let connection = Connection(tenant: tenant, store: store, id: id)
        counts.withLock { counts in
            guard counts[connection] != nil || counts.count < Self.maximum else { return }
            counts[connection, default: 0] += 1
        }
    }

    func take() -> [Connection: Int] {
        counts.withLock { counts in
            defer { counts = [:] }
            return counts
        }
    }
}

extension Environment {
    /// One short transaction for each connection. What cannot be written is forgotten: it is a hint and no record.
    func writeRefusedSignatures() async {
        for (connection, count) in refusedSignatures.take() {
            do {
                _ = try await pool.transaction(
                    settings(for: connection.tenant.uuid),
                    ConnectionHealthStore.addRefused(count, of: connection, now: clock.now())
                )
            } catch {
                logger.warning(
                    "could not count wrong signatures",
                    metadata: ["connection": "\(connection.id)", "error": "\(String(reflecting: error))"]
                )
            }
        }
    }
}
