import FoundationEssentials
import HTTPTypes
import JSON
import Postgres
import Time

/// `PUT /v1/stores/{store_id}/customers/by-external-id/{external_id}` for accounts of shops we have no connector for, and
/// `PATCH /v1/customers/{customer_id}`: who is a VIP, as a person says.
struct PutCustomerRoutes {
    let environment: Environment

    var routes: [Route] {
        [
            Route(
                .put,
                "/v1/stores/{store_id}/customers/by-external-id/{external_id}",
                .holder(of: .customersWrite),
                body: .json,
                put
            ),
            Route(.patch, "/v1/customers/{customer_id}", .holder(of: .customersWrite), body: .mergePatch, update),
        ]
    }

    private var customers: CustomerRoutes { CustomerRoutes(environment: environment) }

    @Sendable private func put(_ call: Call) async throws -> Reply {
        let store = try call.id("store_id", StoreKind.self)
        let externalID = try call.externalID()
        let body = try call.decode(PutCustomer.init)
        let reply = try await environment.access.write(call) { transaction, principal in
            let now = environment.clock.now()
            let shop = try await PutChecks.store(store, of: principal.tenant, in: transaction)
            try PutChecks.times([.asOf(body.asOf)], in: shop, now: now)
            let place = CustomerStore.Place(
                tenant: principal.tenant,
                store: store,
                source: CustomerStore.Place.api
            )
            let held = try await CustomerStore.hold(externalID, at: place, now: now, in: transaction)
            let isThere = held.version > 0
            try PutChecks.match(call, version: held.version, isThere: isThere, "customer")
            let apply = ApplyCustomer(place: place, now: now)
            let (customer, last) = apply.apply(body.statement, to: held, externalID, in: transaction)
            let mirrored = try await read(held.id, of: principal.tenant, in: transaction)
            // They enqueue, and so come last.
            for statement in last { transaction.add(statement) }
            let outcome = body.outcome(isThere ? held.customer : nil, customer)
            return .put(outcome, at: "/v1/customers/\(mirrored.id)", version: mirrored.version) { object in
                object.object("customer") { customers.write(mirrored, to: &$0) }
            }
        }
        environment.wakeWorker()
        return reply
    }

    private func read(
        _ id: CustomerID,
        of tenant: TenantID,
        in transaction: Transaction
    ) async throws -> MirroredCustomer {
        let rows = try await transaction.query(CustomerStore.customer(id, tenant: tenant))
        guard let mirrored = try rows[0].first.map(CustomerStore.decode) else {
            throw UnreadableRow(table: "customers")
        }
        return mirrored
    }

    // MARK: A person's word

    private struct Changes {
        let isVIP: Bool
        let reason: Patch<String>

        init(_ body: inout FieldReader) throws(FieldErrors) {
            let (isVIP, reason) = (body.required("is_vip", .bool), body.patch("vip_reason", .word))
            if isVIP == false, case .some(.value) = reason {
                body.report("vip_reason", .unknownValue, PutCustomer.onlyOfVIPs)
            }
            (self.isVIP, self.reason) = try body.finish(isVIP, reason)
        }
    }

    @Sendable private func update(_ call: Call) async throws -> Reply {
        let id = try call.id("customer_id", CustomerKind.self)
        let changes = try call.decode(Changes.init)
        return try await environment.access.write(call) { transaction, principal in
            let now = environment.clock.now()
            guard let held = try await CustomerStore.hold(id, tenant: principal.tenant, in: transaction) else {
                throw Problem.notFound
            }
            try call.checkMatch(version: held.version)
            let shop = try await PutChecks.store(held.place.store, of: principal.tenant, in: transaction)
            var customer = held.customer
            if let statement = Self.statement(changes, of: held.customer, at: shop.now(now)) {
                customer.apply(statement)
                if let save = CustomerStore.save(customer, over: held, now: now) { transaction.add(save) }
            }
            let mirrored = try await read(id, of: principal.tenant, in: transaction)
            return .json(version: mirrored.version) { customers.write(mirrored, to: &$0) }
        }
    }

    /// After all that was said so far: what a person says now counts. Nil where it is nothing new.
    private static func statement(_ changes: Changes, of known: Customer, at now: Instant) -> CustomerStatement? {
        var values = known.values
        values.vipSince = changes.isVIP ? values.vipSince ?? now : nil
        values.vipReason = changes.isVIP ? changes.reason.applied(to: values.vipReason) : nil
        guard values != known.values else { return nil }
        let last = known.provenance.newest?.at.map { $0 + .microseconds(1) } ?? now
        let json: JSON = ["is_vip": .bool(changes.isVIP), "reason": values.vipReason.map { .string($0) } ?? nil]
        return CustomerStatement(stamp: Stamp(at: max(now, last), json: json), told: [.vip], values: values)
    }
}
