import FoundationEssentials
import Postgres

/// Tenant transactions for so many seconds, by 32 tasks over 8 connections: `reads.sql` as our client sends it, each on its
/// own (`--by transaction`) or together with others of the same moment (`--by look-up`), as the product reads single rows.
func measureClient(_ options: Options) async throws {
    let pool = Pool(
        Pool.Settings(
            connection: ConnectionSettings(url: try options.string("url"), applicationName: "aftercare-bench"),
            maximumConnections: try options.int("connections", 8)
        )
    )
    guard let tenant = UUID(uuidString: try options.string("tenant")) else { throw Misuse("--tenant is no UUID") }
    let seconds = try options.int("seconds")
    let taskCount = try options.int("tasks", 32)
    let by = try options.string("by")
    guard let way = ReadingWay(rawValue: by) else { throw Misuse("--by \(by) is neither transaction nor look-up") }

    // Connecting and preparing are not measured, as they are not by pgbench.
    let begin = ContinuousClock.now + .milliseconds(500)
    let end = begin + .seconds(seconds)
    let total = try await withThrowingTaskGroup(of: Int.self) { group in
        for task in 0..<taskCount {
            group.addTask {
                var numbers = Numbers(seed: UInt64(task))
                var count = 0
                while true {
                    try await readOneOrder(numbers.next(), tenant, pool, way)
                    let now = ContinuousClock.now
                    if now >= end { break }
                    if now >= begin { count += 1 }
                }
                return count
            }
        }
        return try await group.reduce(0, +)
    }
    print(total / seconds)
    await pool.shutDown()
}

private enum ReadingWay: String {
    case transaction
    case lookUp = "look-up"
}

private func readOneOrder(_ number: Int, _ tenant: UUID, _ pool: Pool, _ way: ReadingWay) async throws {
    let statement: SQL = """
        SELECT id, external_id, number, email, total, currency, status, payload, updated_at
          FROM bench_orders
         WHERE tenant_id = \(tenant) AND id = ('00000000-0000-0000-0001-' || lpad(\(String(number)), 12, '0'))::uuid
        """
    let settings = [LocalSetting("app.tenant", tenant)]
    let answers =
        switch way {
        case .transaction: try await pool.transaction(settings, statement)
        case .lookUp: try await pool.lookUp(settings, [statement])
        }
    guard let row = answers[0].first, try row("number", as: String.self) == "#\(number)" else {
        throw Misuse("order \(number) is not there")
    }
}

/// Order numbers from 1 to 10,000: cheap, because the system's generator is a system call for each.
struct Numbers {
    private var state: UInt64

    init(seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 | 1 }

    mutating func next() -> Int {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return Int(state % 10_000) + 1
    }
}
