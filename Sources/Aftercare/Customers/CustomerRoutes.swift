import FoundationEssentials
import HTTPTypes
import JSON
import Postgres
import Time

/// `/v1/customers`.
struct CustomerRoutes {
    let environment: Environment

    private static let filters: Set<String> = ["store_id", "email"]

    var routes: [Route] {
        [
            Route(
                .get,
                "/v1/customers",
                .holder(of: .customersRead),
                query: Page.parameters.union(Self.filters),
                list
            ),
            Route(.get, "/v1/customers/{customer_id}", .holder(of: .customersRead), get),
        ]
    }

    @Sendable private func list(_ call: Call) async throws -> Reply {
        let page = try Page(call, filters: Self.filters, key: environment.masterKey.cursors)
        let filter = CustomerStore.Filter(
            store: try call.query.id("store_id"),
            email: call.query["email"].map { MailAddress.normalized($0) }
        )
        let (_, rows) = try await environment.access.read(call) {
            [CustomerStore.customers(page, filter, tenant: $0.tenant)]
        }
        let customers = try rows[0].map(CustomerStore.decode)
        return page.reply(customers, position: { ($0.createdAt, $0.id.uuid) }, write)
    }

    @Sendable private func get(_ call: Call) async throws -> Reply {
        let id = try call.id("customer_id", CustomerKind.self)
        let (_, rows) = try await environment.access.find(call) { [CustomerStore.customer(id, tenant: $0.tenant)] }
        guard let mirrored = try rows[0].first.map(CustomerStore.decode) else { throw Problem.notFound }
        let reply = Reply.json(version: mirrored.version) { write(mirrored, to: &$0) }
        return call.unlessMatching(version: mirrored.version, reply)
    }

    func write(_ mirrored: MirroredCustomer, to object: inout JSONObjectWriter) {
        let values = mirrored.customer.values
        object.member("id", mirrored.id)
        object.member("store_id", mirrored.store)
        object.member("source", mirrored.source)
        object.member("external_id", mirrored.externalID)
        object.member("email", values.email)
        object.member("name", values.name)
        object.member("locale", values.locale)
        object.member("marketing_state", values.marketing?.rawValue)
        object.member("marketing_state_raw", values.marketingRaw)
        object.member("marketing_state_at", values.marketingAt)
        object.member("is_deleted", values.isDeleted)
        object.member("is_vip", values.isVIP)
        object.member("vip_since", values.vipSince)
        object.member("vip_reason", values.vipReason)
        object.member("merged_into_id", mirrored.mergedInto)
        object.member("as_of", mirrored.asOf)
        object.member("version", mirrored.version)
        object.member("created_at", mirrored.createdAt)
        object.member("updated_at", mirrored.updatedAt)
    }
}
