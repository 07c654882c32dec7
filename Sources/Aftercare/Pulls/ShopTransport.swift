import Curl

/// How a connector reaches its shop: one request, one answer of whatever status, or why there was none.
///
/// The host is the merchant's to name, so nothing is sent before its address was vetted, and then to that address only.
struct ShopTransport: Sendable {
    let client: HTTPClient
    /// Where a shop's address, such as `https://shop.example/wp`, is reached: there. Tests name their doubles.
    var origin: @Sendable (String) -> String = { $0 }
    /// The one address to connect to for a URL; nil leaves it to the system's resolver. Refuses what nobody outside may
    /// make us reach.
    var vet: @Sendable (String) async throws(PullFailure) -> String? = { _ in nil }
    var deadline = Duration.seconds(30)
    /// What is known of the shops' limits: of each, whoever asks it.
    let shopifyBudgets = ShopifyBudgets()

    func send(_ request: HTTPClient.Request) async throws(PullFailure) -> HTTPClient.Response {
        var request = request
        request.pinnedAddress = try await vet(request.url)
        do throws(TransferError) {
            return try await client.send(request, deadline: deadline)
        } catch {
            throw PullFailure(error)
        }
    }
}

extension PullFailure {
    /// Without the texts of libcurl, which may tell a tenant of our network.
    init(_ error: TransferError) {
        self =
            switch error {
            case .responseTooLarge(let limit): .unreadable("more than \(limit) bytes")
            case .invalidRequest: .unavailable("not an address that can be asked")
            case .cancelled, .shutDown: .unavailable("stopped")
            case .notConnected: .unavailable("no connection")
            case .untrusted: .unavailable("no certificate that can be trusted")
            case .timedOut: .unavailable("no answer in time")
            case .connectionLost: .unavailable("the connection broke")
            }
    }
}
