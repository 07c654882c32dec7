import Curl

/// The way out to addresses that tenants name: a shop, a webhook's receiver.
///
/// Whoever names an address must not make us reach what they cannot reach themselves. So a name is resolved once, none
/// of its addresses may be anything but a host on the Internet, and the request goes to the address that was looked at,
/// whatever the name means a moment later. Redirects are not followed (`HTTPClient` never does), and only TLS is spoken.
struct Outbound: Sendable {
    let client: HTTPClient
    let resolver: Resolver
    /// `AFTERCARE_OUTBOUND_PRIVATE_ADDRESSES=allow`: for development and tests, and for who runs everything in a network
    /// of their own.
    let allowsPrivateAddresses: Bool

    init(client: HTTPClient = HTTPClient(), resolver: Resolver = Resolver(), allowsPrivateAddresses: Bool = false) {
        self.client = client
        self.resolver = resolver
        self.allowsPrivateAddresses = allowsPrivateAddresses
    }

    /// Why nothing was sent.
    enum Refusal: Error, Hashable, Sendable {
        case notAnAddress
        case notHTTPS
        /// Other than 443 and 8443.
        case port(Int)
        /// The name has no address, or it was not told in time.
        case unresolved
        case notPublic(IPAddress.Kind)
    }

    enum Failure: Error, Equatable, Sendable {
        case refused(Refusal)
        case transfer(TransferError)
    }

    // MARK: Checking

    private static let ports: Set<Int> = [443, 8443]

    /// All that can be said of an address without asking anybody.
    @discardableResult
    func check(_ url: String) throws(Refusal) -> WebAddress {
        guard let address = WebAddress(url) else { throw .notAnAddress }
        guard !allowsPrivateAddresses else { return address }
        guard address.isSecure else { throw .notHTTPS }
        guard Self.ports.contains(address.port) else { throw .port(address.port) }
        if let literal = IPAddress(address.host) { try refuse(literal) }
        return address
    }

    /// The IP address to connect to for this URL, as `HTTPClient.Request.pinnedAddress`. For one request: the next asks
    /// anew.
    func vet(_ url: String, within limit: Duration = .seconds(5)) async throws(Refusal) -> String {
        let address = try check(url)
        let addresses = await resolver.addresses(of: address.host, within: limit)
        guard let addresses, let first = addresses.first else { throw .unresolved }
        if !allowsPrivateAddresses {
            for address in addresses { try refuse(address) }
        }
        return first.description
    }

    private func refuse(_ address: IPAddress) throws(Refusal) {
        guard address.kind == .global else { throw .notPublic(address.kind) }
    }

    // MARK: Sending

    /// Sends a request whose address was vetted; `deadline` is for all of it.
    func send(
        _ request: HTTPClient.Request,
        deadline: Duration = .seconds(10)
    ) async throws(Failure) -> HTTPClient.Response {
        let end = ContinuousClock.now + deadline
        var request = request
        do throws(Refusal) {
            request.pinnedAddress = try await vet(request.url, within: min(deadline, .seconds(5)))
        } catch {
            throw .refused(error)
        }
        do throws(TransferError) {
            return try await client.send(request, deadline: ContinuousClock.now.duration(to: end))
        } catch {
            throw .transfer(error)
        }
    }
}

extension Outbound.Refusal: CustomStringConvertible {
    /// For whoever named the address: nothing of what a name resolves to.
    var description: String {
        switch self {
        case .notAnAddress: "is not an address such as https://shop.example/hook"
        case .notHTTPS: "has to begin with https://"
        case .port: "has to be reached at port 443 or 8443"
        case .unresolved: "has a host whose name cannot be resolved"
        case .notPublic: "has a host that is not on the public Internet"
        }
    }
}
