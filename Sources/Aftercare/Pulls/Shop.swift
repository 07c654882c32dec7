import FoundationEssentials
import Observability
import Postgres
import Time

/// A connection that can be asked about its orders, with what it takes to ask.
struct Shop: Sendable {
    let connection: Connection
    let source: any OrderSource

    /// Why there is nobody to ask.
    enum Absence: Error { case noConnection, notInUse, noCredentials }

    /// - Parameter row: of `ConnectionStore.lock` or `ConnectionStore.asked`.
    init(_ row: Row?, _ environment: Environment) throws {
        guard let row else { throw Absence.noConnection }
        connection = try ConnectionStore.decode(row)
        guard let sealed: Bytea = try row("credentials") else { throw Absence.noCredentials }
        guard connection.state == .active else { throw Absence.notInUse }
        let place = ShopCredentials.place(of: connection.id, tenant: connection.tenant)
        let opened = try environment.masterKey.open(sealed.bytes, for: place)
        guard let credentials = ShopCredentials(opened),
            let source = connection.provider.source(
                account: connection.account,
                credentials,
                over: environment.shops
            )
        else { throw Absence.noCredentials }
        self.source = source
    }

    /// What the provider makes of a pulled body.
    func understand(_ topic: PullTopic, _ body: [UInt8], askedAt: Instant) throws(Poison) -> Understanding {
        try connection.provider.understand(pulled: topic, body: body, askedAt: askedAt)
    }

    func answer(_ order: PulledOrder, askedAt: Instant) -> PulledOrders.Answer {
        PulledOrders.answer(order) { (topic, body) throws(Poison) in
            try understand(topic, body, askedAt: askedAt)
        }
    }
}
