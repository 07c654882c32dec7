import Schema
import Testing

/// Rules for the SQL in the program's text, each with an example it must refuse.
@Suite struct SQLLiteralTests {
    /// A rule for one file: what breaks it.
    struct Lint: Sendable, CustomTestStringConvertible {
        let name: String
        let faults: @Sendable (SwiftSource) -> [String]
        let bad: [SwiftSource]
        let good: [SwiftSource]

        var testDescription: String { name }
    }

    @Test(arguments: lints) func `the sources keep the rule`(_ lint: Lint) throws {
        let sources = try Self.sources.get()
        #expect(sources.count > 50)
        for source in sources { #expect(lint.faults(source) == [], "\(source.path)") }
    }

    @Test(arguments: lints) func `the rule notices what breaks it, and nothing else`(_ lint: Lint) {
        for source in lint.bad { #expect(!lint.faults(source).isEmpty, "\(source)") }
        for source in lint.good { #expect(lint.faults(source) == [], "\(source)") }
    }

    @Test func `the reader finds literals in literals, and none in comments`() {
        let text = ##"""
            // "no"
            let a = "one \(f("two")) three"
            let b = """
                SELECT \(x ? "four" : "five") -- said "so"
                """
            let c = #"six "raw" \n"#
            /* "no" */
            """##
        let found = SwiftSource(path: "A.swift", text: text).literals.map { $0.split(separator: "\n").joined() }
        #expect(found.contains("one $ three") && found.contains("two") && found.contains("four"))
        #expect(found.contains(#"six "raw" \n"#) && !found.contains { $0.contains("no") })
    }

    @Test func `every migration's table is known as a tenant's, but two`() {
        #expect(Self.tenantTables.isSuperset(of: ["tenants", "orders", "jobs", "runs"]))
        #expect(!Self.tenantTables.contains("sign_in_emails"))
    }

    private static let sources = Result {
        try SwiftSource.files(below: "Sources") + SwiftSource.files(below: "sql")
    }

    /// From the migrations' text.
    static let tenantTables: Set<String> = {
        let sql = Migration.all.map(\.sql).joined(separator: "\n")
        let names = sql.matches(of: #/CREATE TABLE (\w+)/#).map { String($0.1) }
        return Set(names).subtracting(["sign_in_emails", "schema_migrations"])
    }()

    /// Cross tenants, and ask the server for its time.
    private static let queueFiles: Set<String> = ["QueueStore.swift", "TenantQueueStore.swift"]

    private static func isStore(_ name: String) -> Bool { name.contains(#/Store(\+\w+)?\.swift$/#) }

    private static func store(_ statement: String, _ name: String = "ThingStore.swift") -> SwiftSource {
        SwiftSource(path: "Sources/Aftercare/Things/\(name)", text: "let statement: SQL = \"\"\"\n\(statement)\n\"\"\"")
    }

    static let lints = statementLints + citusLints + placeLints

    private static let statementLints = [
        Lint(
            name: "the server's time decides what is due and is never written",
            faults: { source in
                guard source.path.hasPrefix("Sources/") else { return [] }
                return source.statements.flatMap { statement in
                    statement.matches(of: #/\bnow\(\)/#.wordBoundaryKind(.simple)).compactMap { match in
                        let before = statement[..<match.range.lowerBound]
                        let clause = before.matches(of: #/\b(SET|VALUES|WHERE|SELECT)\b/#.wordBoundaryKind(.simple))
                            .last.map { String($0.1) }
                        let isCompared = before.contains(#/[<>]=?\s*$/#)
                        let isFine = isCompared && (clause == "WHERE" || clause == "SELECT")
                        return isFine && queueFiles.contains(source.name) ? nil : statement
                    }
                }
            },
            bad: [
                store("INSERT INTO orders (tenant_id, created_at) VALUES ($, now())"),
                store("UPDATE jobs SET run_at = now() WHERE tenant_id = $", "QueueStore.swift"),
                store("INSERT INTO jobs (tenant_id, run_at) SELECT tenant_id, now() FROM fired", "QueueStore.swift"),
                store("SELECT id FROM orders WHERE tenant_id = $ AND created_at < now()"),
            ],
            good: [store("SELECT id FROM jobs WHERE tenant_id = $ AND run_at <= now()", "QueueStore.swift")]
        ),
        Lint(
            name: "times and ids are bound, settings are SET LOCAL, zones are ours",
            faults: { source in
                let banned = #/gen_random_uuid|set_config|AT TIME ZONE|\brandom\(\)|uuid_generate|ON DELETE SET NULL/#
                    .wordBoundaryKind(.simple)
                let clocks = #/clock_timestamp|statement_timestamp|transaction_timestamp|CURRENT_TIMESTAMP|LOCALTIME/#
                return source.literals.filter {
                    $0.contains(banned) || (source.name != "DatabaseClock.swift" && $0.contains(clocks))
                }
            },
            bad: [
                store("INSERT INTO orders (tenant_id, id) VALUES ($, gen_random_uuid())"),
                store("SELECT set_config('app.tenant', $, true)"),
                store("SELECT due_at AT TIME ZONE 'UTC' FROM schedule"),
                store("SELECT clock_timestamp()"),
                store("ALTER TABLE a ADD FOREIGN KEY (b) REFERENCES c ON DELETE SET NULL"),
            ],
            good: [store("SELECT clock_timestamp()", "DatabaseClock.swift")]
        ),
        Lint(
            name: "a job is never dropped because there seems to be one already",
            faults: { source in
                source.statements.flatMap { statement in
                    statement.split(separator: "INSERT INTO ").dropFirst()
                        .filter { $0.contains(#/^jobs\b/#.wordBoundaryKind(.simple)) && $0.contains(#/DO\s+NOTHING/#) }
                        .map(String.init)
                }
            },
            bad: [store("INSERT INTO jobs (tenant_id, id) VALUES ($, $) ON CONFLICT (tenant_id, id) DO NOTHING")],
            good: [
                store(
                    "WITH a AS (INSERT INTO fired (tenant_id) VALUES ($) ON CONFLICT DO NOTHING) INSERT INTO jobs SELECT $"
                )
            ]
        ),
        Lint(
            name: "a statement about a tenant's table says which tenant",
            faults: { source in
                source.statements.filter { statement in
                    let names = statement.matches(of: #/\b(FROM|JOIN|INTO|UPDATE)\s+(\w+)/#.wordBoundaryKind(.simple))
                        .map { String($0.2) }
                    guard names.contains(where: tenantTables.contains) else { return false }
                    let isBound = statement.contains(
                        #/\btenant_id\s*=\s*(\$|\w)|\(tenant_id\b|USING \(tenant_id/#.wordBoundaryKind(.simple)
                    )
                    return queueFiles.contains(source.name) ? !statement.contains("tenant_id") : !isBound
                }
            },
            bad: [
                store("SELECT tenant_id, name FROM orders WHERE id = $"), store("DELETE FROM sessions WHERE id = $"),
                store("UPDATE orders SET name = $ WHERE id = $"),
                store("SELECT id FROM jobs WHERE run_at <= now()", "QueueStore.swift"),
            ],
            good: [
                store("SELECT name FROM orders WHERE tenant_id = $ AND id = $"),
                store("SELECT user_id FROM sign_in_emails WHERE email_normalized = $"),
                store("INSERT INTO orders (tenant_id, id) VALUES ($, $)"),
            ]
        ),
    ]

    private static let citusLints = [
        Lint(
            name: "rows that are locked are skipped within one tenant",
            faults: { source in
                guard source.name != "QueueStore.swift" else { return [] }
                return source.statements.filter { statement in
                    let isOfOneTenant = statement.contains(#/\btenant_id\s*=\s*\$/#.wordBoundaryKind(.simple))
                    return statement.contains("SKIP LOCKED") && !isOfOneTenant
                }
            },
            bad: [store("SELECT id FROM schedule WHERE tenant_id > $ FOR UPDATE SKIP LOCKED")],
            good: [
                store("SELECT id FROM schedule WHERE tenant_id = $ FOR UPDATE SKIP LOCKED"),
                store("SELECT id FROM jobs WHERE tenant_id > $ FOR UPDATE SKIP LOCKED", "QueueStore.swift"),
            ]
        ),
        Lint(
            name: "a session keeps no setting, and a row its tenant",
            faults: { source in
                source.literals.filter { literal in
                    literal.contains(#/^\s*SET (?!LOCAL\b)(SESSION |[a-z_.]+ (=|TO) )/#)
                        || literal.contains(#/\bSET (\w+ = [^,]+,\s*)*tenant_id =/#)
                }
            },
            bad: [
                store("SET app.tenant = 'x'"), store("SET SESSION app.tenant = 'x'"),
                store("SET statement_timeout TO 5"),
                store("UPDATE orders SET tenant_id = $ WHERE tenant_id = $"),
                store("UPDATE orders SET version = version + 1, tenant_id = $ WHERE tenant_id = $"),
            ],
            good: [
                store("SET LOCAL app.tenant = 'x'"), store("UPDATE orders SET name = $ WHERE tenant_id = $"),
            ]
        ),
    ]

    private static let placeLints = [
        Lint(
            name: "only the migrator takes advisory locks",
            faults: { source in
                guard source.path != "sql/Migrator.swift" else { return [] }
                return source.literals.filter { $0.contains("advisory") && $0.contains("pg_") }
            },
            bad: [store("SELECT pg_advisory_xact_lock(1)")],
            good: [SwiftSource(path: "sql/Migrator.swift", text: #""SELECT pg_try_advisory_xact_lock(1)""#)]
        ),
        Lint(
            name: "SQL stands in files called Store",
            faults: { source in
                guard source.path.hasPrefix("Sources/Aftercare/"), !isStore(source.name) else { return [] }
                return source.statements
            },
            bad: [
                store("SELECT id FROM orders WHERE tenant_id = $", "OrderRoutes.swift"),
                store("DELETE FROM orders", "Store2.swift"),
                store("UPDATE orders\n   SET a = $", "Deliver.swift"), store("INSERT INTO orders", "Restore.swift"),
            ],
            good: [
                store("SELECT id FROM orders WHERE tenant_id = $", "OrderStore.swift"),
                store("SELECT id FROM orders WHERE tenant_id = $", "OrderStore+Save.swift"),
                store("Select a store from the list", "StoreRoutes.swift"),
            ]
        ),
        Lint(
            name: "decisions, readers and values touch neither database nor network",
            faults: { source in
                let pure =
                    #/(^Decide|Mirror|^OrderChange|^Order(Risk|Conflict(\+(Parcels|Money|Returns|Evidence))?|Assessment|Unknown)|^KnownTimes|^Money|^Render\w*|^MailMessage|^Plan|^Policy|^Workflow|^Shopify\w*|^WooCommerce\w*|^BodyReader|^Understanding|^Put(Order|Return|Dispute|Shipment|Tracking(ByNumber)?|Refund|Risk|Customer|Stock)(\+Stamp|Reader|Entry)?|^Import(Chunks|Lines)?|^EasyPostTracker|^AfterShip\w*|^ShippoTrack|^TrackerReader|^Tracker|^Tracking(Update|Match|Number|Finding)|^Carrier\w*|^Command(Question|Parameters|\+State)?)\.swift$/#
                guard source.path.hasPrefix("Sources/Aftercare/"), source.name.contains(pure) else { return [] }
                var allowed: Set = ["FoundationEssentials", "Time", "JSON", "Crypto", "Mustache"]
                // Names and values of headers, no network.
                if source.name.hasSuffix("Headers.swift") { allowed.insert("HTTPTypes") }
                // These ask the shop.
                if source.name.contains(#/^(WooCommerceREST|Shopify(Admin|Answer|Budget))/#) {
                    allowed.formUnion(["Curl", "Observability", "Synchronization"])
                }
                return source.imports.filter { !allowed.contains($0) }
            },
            bad: [
                SwiftSource(path: "Sources/Aftercare/Orders/OrderMirror.swift", text: "import Postgres\nimport Time"),
                SwiftSource(path: "Sources/Aftercare/A/Decide.swift", text: "public import Hummingbird"),
                SwiftSource(path: "Sources/Aftercare/A/ShopifyOrder.swift", text: "@preconcurrency import Jobs"),
            ],
            good: [
                SwiftSource(path: "Sources/Aftercare/A/Money.swift", text: "import FoundationEssentials\nimport Time")
            ]
        ),
        Lint(
            name: "all of Foundation is imported where its rest is needed",
            faults: { source in
                // Time zone data; signals and child processes of `aftercare dev`; a build plugin; the command line.
                let allowed: Set = [
                    "Sources/Time/Zone.swift", "Sources/EmbedSQL/EmbedSQL.swift",
                    "Sources/AftercareCommand/AftercareCommand.swift",
                    // Unicode's form NFKD of a secret.
                    "Sources/Aftercare/Connections/EasyPost/EasyPostSignature.swift",
                    "Sources/Aftercare/Development/Development.swift",
                    "Sources/Aftercare/Development/DevelopmentFile.swift",
                    "Sources/Aftercare/Development/PrivateCluster.swift",
                ]
                return allowed.contains(source.path) ? [] : source.imports.filter { $0 == "Foundation" }
            },
            bad: [SwiftSource(path: "Sources/Aftercare/Orders/Order.swift", text: "import Foundation")],
            good: [SwiftSource(path: "Sources/Aftercare/Orders/Order.swift", text: "import FoundationEssentials")]
        ),
        Lint(
            name: "one file asks Foundation about local time",
            faults: { source in
                guard source.path != "Sources/Time/Zone.swift" else { return [] }
                return source.text.split(separator: "\n").filter { line in
                    let code = line.drop { $0 == " " }
                    return !code.hasPrefix("//")
                        && code.contains(#/\b(Calendar|DateComponents|TimeZone)\b/#.wordBoundaryKind(.simple))
                }.map(String.init)
            },
            bad: [
                SwiftSource(path: "Sources/Time/LocalDate.swift", text: "let calendar = Calendar(identifier: .iso8601)")
            ],
            good: [SwiftSource(path: "Sources/Time/LocalDate.swift", text: "    // Not a Calendar's")]
        ),
    ]
}
