import Curl

/// How a connector reaches its shop: one request, one answer of whatever status, or why there was none.
struct ShopTransport: Sendable {
    let outbound: Outbound
    /// Where a shop's address, such as `https://shop.example/wp`, is reached: there. Tests name their doubles.
    var origin: @Sendable (String) -> String = { $0 }
    var deadline = Duration.seconds(30)
    /// What is known of the shops' limits: of each, whoever asks it.
    let shopifyBudgets = ShopifyBudgets()

    /// Why a shop gave no answer.
    struct Silence: Error, Hashable, Sendable {
        let failure: PullFailure
        /// The shop may have got the request, and done what it says.
        let mayHaveArrived: Bool

        init(_ failure: PullFailure, mayHaveArrived: Bool) {
            (self.failure, self.mayHaveArrived) = (failure, mayHaveArrived)
        }

        fileprivate init(_ failure: Outbound.Failure) {
            switch failure {
            case .refused(let refusal):
                self.init(.unavailable("the shop's address \(refusal)"), mayHaveArrived: false)
            case .transfer(let error):
                self.init(PullFailure(error), mayHaveArrived: error.mayHaveArrived)
            }
        }
    }

    func send(_ request: HTTPClient.Request) async throws(Silence) -> HTTPClient.Response {
        do throws(Outbound.Failure) {
            return try await outbound.send(request, deadline: deadline)
        } catch {
            throw Silence(error)
        }
    }
}

extension TransferError {
    fileprivate var mayHaveArrived: Bool {
        switch self {
        case .invalidRequest, .notConnected, .untrusted: false
        case .timedOut(let isSent): isSent
        case .cancelled, .shutDown, .connectionLost, .responseTooLarge: true
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
