import FoundationEssentials
import Jobs
import Postgres
import Time

/// Applies what a source said of its customers, within a transaction.
struct ApplyCustomer {
    let place: CustomerStore.Place
    let now: Instant

    struct Outcome {
        /// Whom it told of.
        var customer: CustomerID?
        /// Whether they had their data erased, so that what told of them must not be kept either.
        var isRedacted = false
        /// What enqueues and so comes last.
        var last: [SQL] = []
    }

    /// Or the reason why nothing was done.
    func apply(_ change: CustomerChange, in transaction: Transaction) async throws -> Result<Outcome, Refusal> {
        switch change {
        case .statement(let statement, let externalID):
            let held = try await CustomerStore.hold(externalID, at: place, now: now, in: transaction)
            let (customer, last) = apply(statement, to: held, externalID, in: transaction)
            return .success(Outcome(customer: held.id, isRedacted: customer.isRedacted, last: last))
        case .merger(let merged, let kept):
            return try await merge(merged, into: kept, in: transaction)
        }
    }

    /// Gives the customer as they are then, and what enqueues and so comes last.
    func apply(
        _ statement: CustomerStatement,
        to held: CustomerStore.Held,
        _ externalID: String,
        in transaction: Transaction
    ) -> (customer: Customer, last: [SQL]) {
        var customer = held.customer
        customer.apply(statement)
        if let save = CustomerStore.save(customer, over: held, now: now) { transaction.add(save) }
        if customer.values.isDeleted {
            transaction.add(CustomerStore.forgetAddresses(of: held.id, tenant: place.tenant, now: now))
        }
        guard let email = CustomerStore.normalized(customer.values.email) else { return (customer, []) }
        // What they ordered as a guest was theirs all along.
        transaction.add(CustomerStore.reserve(email, externalID, at: place, now))
        transaction.add(CustomerStore.takeIn(email, externalID, at: place, now))
        return (customer, [CustomerStore.moves(ofGuest: email, at: place, now)])
    }

    struct Refusal: Error {
        let reason: IgnoredReason
    }

    /// Both are held in the order of their ids, so that two mergers of the same do not wait for each other. Whoever the
    /// kept one leads to by now is the one to go on with.
    private func merge(
        _ merged: String,
        into kept: String,
        in transaction: Transaction
    ) async throws -> Result<Outcome, Refusal> {
        guard merged != kept else { return .failure(Refusal(reason: .mergesInCircle)) }
        var held: [String: CustomerStore.Held] = [:]
        for id in [merged, kept].sorted() {
            let customer = try await CustomerStore.hold(id, at: place, now: now, in: transaction)
            if let save = CustomerStore.save(customer.customer, over: customer, now: now) { transaction.add(save) }
            held[id] = customer
        }
        guard let loser = held[merged], let winner = held[kept] else { return .success(Outcome()) }
        // It leads somewhere already, by this very word or by an earlier one: that is for good.
        guard loser.mergedInto == nil else { return .success(Outcome()) }
        var target = winner.id
        var next = winner.mergedInto
        while let known = next {
            target = known
            let rows = try await transaction.query(CustomerStore.lockTarget(known, tenant: place.tenant))
            next = try rows[0].first?.decode(UUID?.self).map { CustomerID($0) }
        }
        guard target != loser.id else { return .failure(Refusal(reason: .mergesInCircle)) }
        transaction.add(CustomerStore.merge(loser.id, into: target, tenant: place.tenant, now: now))
        let job = RepointOrders.job(into: target, tenant: place.tenant, store: place.store, now: now)
        return .success(Outcome(customer: loser.id, last: [JobStore.enqueue(job, now: now)]))
    }
}
