import JSON
import Postgres
import Support
import Testing

@testable import Aftercare

extension TestTenant {
    /// A ticket over the API.
    func openTicket(_ changes: [(String, JSON)] = [], as token: String? = nil) async throws -> Answer {
        var body: JSON = ["store_id": .string(store.description), "subject": "The tent has a hole"]
        for (name, value) in changes { body = body.with(name, value) }
        let opened = try await send("POST", "/v1/tickets", body, as: token)
        guard opened.status == 201 else { throw Unexpected(opened) }
        return opened
    }

    /// An order that was delivered yesterday; its follow-up is planned.
    func deliveredOrder(_ number: Int = 1001) async throws -> OrderID {
        let demo = DemoOrder(self, number: number)
        for topic in DemoOrder.topics { try await demo.post(topic) }
        try await settle()
        return try #require(try await demo.order()["id"]?.stringValue.flatMap { OrderID($0) })
    }

    /// The rows of a list, newest first.
    func list(_ path: String) async throws -> [JSON] {
        let answer = try await get(path)
        guard let rows = answer["data"]?.arrayValue else { throw Unexpected(answer) }
        return rows
    }

    func ticket(_ id: JSON?) async throws -> Answer {
        try await get("/v1/tickets/\(try #require(id?.stringValue))")
    }

    /// As a worker carries out what was decided: the order is held for as long.
    func execute(_ question: Question, _ plan: Plan) async throws {
        let environment = server.environment
        let store = try #require(try await rows(TenantStore.store(store, tenant: id)).first.map(TenantStore.decode))
        try await environment.pool.withTransaction(settings) { transaction in
            let order = question.facts.order.uuid
            _ = try await transaction.query(
                "SELECT id FROM orders WHERE tenant_id = \(id.uuid) AND id = \(order) FOR UPDATE"
            )
            let customer = Execute.Customer(email: nil, name: nil)
            try Execute(environment: environment, store: store, customer: customer, now: environment.clock.now())
                .add([(question, plan)], to: transaction)
        }
        environment.wakeWorker()
    }

    /// What delivery adds to the transaction that settles a message.
    func end(_ message: MessageID, as state: Message.State, attempt: Int = 1) async throws {
        let environment = server.environment
        let statements = EscalationStore.messageEnded(
            message,
            as: state,
            attempt: attempt,
            detail: "421 the line\r\nbroke",
            tenant: id,
            now: environment.clock.now()
        )
        _ = try await environment.pool.transaction(settings, statements)
        environment.wakeWorker()
    }
}
