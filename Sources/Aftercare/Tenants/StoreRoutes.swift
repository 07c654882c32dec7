import FoundationEssentials
import HTTPTypes
import JSON
import Jobs
import Postgres
import Time

/// `/v1/stores`.
struct StoreRoutes {
    let environment: Environment

    var routes: [Route] {
        [
            Route(.post, "/v1/stores", .holder(of: .storesWrite), body: .json, create),
            Route(.get, "/v1/stores", .holder(of: .storesRead), query: Page.parameters, list),
            Route(.get, "/v1/stores/{store_id}", .holder(of: .storesRead), get),
            Route(.patch, "/v1/stores/{store_id}", .holder(of: .storesWrite), body: .mergePatch, update),
        ]
    }

    private struct NewStore {
        let name: String
        let platform: Store.Platform
        let zone: Zone
        let currency: String
        let locale: String
        let mode: Store.Mode
        let mailFrom: String?
        let escalationEmail: String?

        init(_ body: inout FieldReader) throws(FieldErrors) {
            (name, platform, zone, currency, locale, mode, mailFrom, escalationEmail) = try body.finish(
                body.required("name", .string(1...200)),
                body.required("platform", .choice()),
                body.required("time_zone", .zone),
                body.required("currency", .currency),
                body.optional("locale", .locale).map { $0 ?? "en" },
                body.optional("mode", .choice()).map { $0 ?? .live },
                body.optional("mail_from", .mailAddress),
                body.optional("escalation_email", .mailAddress)
            )
        }
    }

    @Sendable private func create(_ call: Call) async throws -> Reply {
        let new = try call.decode(NewStore.init)
        return try await environment.access.write(call) { transaction, principal in
            // A key of one store cannot make another.
            guard principal.store == nil else {
                throw Problem.lacking([.storesWrite], "This key is bound to one store: use one of the tenant.")
            }
            let now = environment.clock.now()
            let store = Store(
                id: .new(),
                tenant: principal.tenant,
                name: new.name,
                platform: new.platform,
                zone: new.zone,
                currency: new.currency,
                locale: new.locale,
                mode: new.mode,
                testClock: nil,
                mailFrom: new.mailFrom,
                escalationEmail: new.escalationEmail,
                version: 1,
                createdAt: now,
                updatedAt: now
            )
            transaction.add(TenantStore.insert(store))
            for statement in WorkflowCatalogue.install(for: store, now: now) { transaction.add(statement) }
            transaction.add(JobStore.schedule(Retention.scheduled(for: store, after: now), now: now))
            return .created(at: "/v1/stores/\(store.id)", version: store.version) { write(store, to: &$0) }
        }
    }

    @Sendable private func list(_ call: Call) async throws -> Reply {
        let page = try Page(call, key: environment.masterKey.cursors)
        let (_, rows) = try await environment.access.read(call) { [TenantStore.stores(page, tenant: $0.tenant)] }
        let stores = try rows[0].map(TenantStore.decode)
        return page.reply(stores, position: { ($0.createdAt, $0.id.uuid) }, write)
    }

    @Sendable private func get(_ call: Call) async throws -> Reply {
        let id = try call.id("store_id", StoreKind.self)
        let (_, rows) = try await environment.access.find(call) { [TenantStore.store(id, tenant: $0.tenant)] }
        guard let row = rows[0].first else { throw Problem.notFound }
        let store = try TenantStore.decode(row)
        return call.unlessMatching(version: store.version, .json(version: store.version) { write(store, to: &$0) })
    }

    private struct Changes {
        let name: String?
        let zone: Zone?
        let locale: String?
        let mailFrom: Patch<String>
        let escalationEmail: Patch<String>

        init(_ body: inout FieldReader) throws(FieldErrors) {
            (name, zone, locale, mailFrom, escalationEmail) = try body.finish(
                body.change("name", .string(1...200)),
                body.change("time_zone", .zone),
                body.change("locale", .locale),
                body.patch("mail_from", .mailAddress),
                body.patch("escalation_email", .mailAddress)
            )
        }
    }

    @Sendable private func update(_ call: Call) async throws -> Reply {
        let id = try call.id("store_id", StoreKind.self)
        let changes = try call.decode(Changes.init)
        return try await environment.access.write(call) { transaction, principal in
            let rows = try await transaction.query(TenantStore.lock(id, tenant: principal.tenant))
            guard let row = rows[0].first else { throw Problem.notFound }
            var store = try TenantStore.decode(row)
            try call.checkMatch(version: store.version)
            store.name = changes.name ?? store.name
            store.zone = changes.zone ?? store.zone
            store.locale = changes.locale ?? store.locale
            store.mailFrom = changes.mailFrom.applied(to: store.mailFrom)
            store.escalationEmail = changes.escalationEmail.applied(to: store.escalationEmail)
            store.version += 1
            store.updatedAt = environment.clock.now()
            transaction.add(TenantStore.update(store))
            return .json(version: store.version) { write(store, to: &$0) }
        }
    }

    private func write(_ store: Store, to object: inout JSONObjectWriter) {
        object.member("id", store.id)
        object.member("name", store.name)
        object.member("platform", store.platform.rawValue)
        object.member("time_zone", store.zone.identifier)
        object.member("currency", store.currency)
        object.member("locale", store.locale)
        object.member("mode", store.mode.rawValue)
        object.member("test_clock", store.testClock)
        object.member("mail_from", store.mailFrom)
        object.member("escalation_email", store.escalationEmail)
        object.member("version", store.version)
        object.member("created_at", store.createdAt)
        object.member("updated_at", store.updatedAt)
    }
}

extension FieldRule<Zone> {
    static var zone: Self {
        .parsed("an IANA time zone such as Europe/Berlin", length: 1...64) { Zone($0) }
    }
}

extension FieldRule<String> {
    static var currency: Self {
        .parsed("an ISO 4217 currency such as EUR", length: 3...3) { text in
            text.utf8.count == 3 && text.utf8.allSatisfy { (0x41...0x5A).contains($0) } ? text : nil
        }
    }

    static var locale: Self {
        .parsed("a language and perhaps a country, such as en or de-AT", length: 2...6) { text in
            let parts = text.split(separator: "-", omittingEmptySubsequences: false)
            guard let language = parts.first, (2...3).contains(language.utf8.count), parts.count <= 2,
                language.utf8.allSatisfy({ (0x61...0x7A).contains($0) }),
                parts.dropFirst().allSatisfy({ $0.utf8.count == 2 && $0.utf8.allSatisfy { (0x41...0x5A).contains($0) } }
                )
            else { return nil }
            return text
        }
    }

    /// One bare address, as an SMTP envelope takes it. Control characters and line breaks never get past here.
    static var mailAddress: Self {
        .parsed("an e-mail address such as help@shop.example", length: 3...320) { text in
            MailAddress.isValid(text) ? text : nil
        }
    }
}

/// E-mail addresses, as far as this program has to understand them.
enum MailAddress {
    static func isValid(_ text: String) -> Bool {
        guard let at = text.lastIndex(of: "@"), at != text.startIndex else { return false }
        let domain = text[text.index(after: at)...]
        return (1...255).contains(domain.utf8.count) && text.unicodeScalars.allSatisfy(isAllowed)
    }

    /// The form two spellings of one address share: trimmed and lower case. Plus tags are kept, they are other
    /// mailboxes to some providers.
    static func normalized(_ text: String) -> String { String(text.trimmingSpaces).lowercased() }

    private static func isAllowed(_ scalar: Unicode.Scalar) -> Bool {
        scalar.value > 0x20 && scalar.value != 0x7F
            && !["<", ">", "(", ")", ",", ";", ":", "\"", "\\", "[", "]"]
                .contains(scalar)
    }
}
