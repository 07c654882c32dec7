import Curl

/// How a connector reaches its shop: one request, one answer of whatever status, or why there was none.
struct ShopTransport: Sendable {
    let outbound: Outbound
    /// Where a shop's address, such as `https://shop.example/wp`, is reached: there. Tests name their doubles.
    var origin: @Sendable (String) -> String = { $0 }
    var deadline = Duration.seconds(30)
    /// What is known of the shops' limits: of each, whoever asks it.
    let shopifyBudgets = ShopifyBudgets()

    func send(_ request: HTTPClient.Request) async throws(PullFailure) -> HTTPClient.Response {
        do throws(Outbound.Failure) {
            return try await outbound.send(request, deadline: deadline)
        } catch {
            switch error {
            case .refused(let refusal): throw .unavailable("the shop's address \(refusal)")
            case .transfer(let error): throw PullFailure(error)
            }
        }
    }
}

extension ShopTransport {
    /// Why something that must not be done twice got no answer.
    enum Silence: Error, Hashable, Sendable {
        /// The shop certainly does not have it.
        case notSent(String)
        case perhapsSent(String)
    }

    /// As `send`, for what changes something in the shop.
    func tell(_ request: HTTPClient.Request) async throws(Silence) -> HTTPClient.Response {
        do throws(Outbound.Failure) {
            return try await outbound.send(request, deadline: deadline)
        } catch {
            switch error {
            case .refused(let refusal): throw .notSent("the shop's address \(refusal)")
            case .transfer(let error): throw Silence(error)
            }
        }
    }
}

extension ShopTransport.Silence {
    fileprivate init(_ error: TransferError) {
        let words = PullFailure(error).detail ?? "no answer"
        switch error {
        case .invalidRequest, .notConnected, .untrusted, .timedOut(requestSent: false): self = .notSent(words)
        case .cancelled, .shutDown, .timedOut, .connectionLost, .responseTooLarge: self = .perhapsSent(words)
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
