/// HTTP/1.1 over libcurl: keep-alive, no redirects, no proxies, no cookies, TLS always verified.
///
/// It puts on the wire what the request says and nothing else besides `Host`, `Content-Length` and `Connection`
/// handling: the path is not normalised, no `Accept`, `User-Agent` or `Expect` is added.
public final class HTTPClient: Sendable {
    private let loop: TransferLoop
    private let trustedAuthorities: String?

    /// - Parameter trustedAuthorities: path of a PEM file to trust instead of the system's roots.
    public init(on loop: TransferLoop = TransferLoop(), trustedAuthorities: String? = nil) {
        self.loop = loop
        self.trustedAuthorities = trustedAuthorities
    }

    public struct Request: Sendable {
        /// Any HTTP token. `HEAD` expects no response body; every method may carry a request body.
        public var method: String
        /// Absolute, `http` or `https`. Sent as written: dot segments and percent signs are left alone.
        public var url: String
        /// In the order given. Line breaks are refused. A name may occur more than once.
        public var headers: [(String, String)]
        /// Empty means none, except that POST, PUT and PATCH then say `Content-Length: 0`.
        public var body: [UInt8]
        /// The largest response body accepted, in bytes.
        public var maximumResponseBytes: Int
        /// The one IP address to connect to, whatever the URL's host resolves to; `Host`, SNI and the certificate check
        /// keep the URL's host. An address vetted once is thus the address used.
        public var pinnedAddress: String?

        public init(
            _ method: String = "GET",
            _ url: String,
            headers: [(String, String)] = [],
            body: [UInt8] = [],
            maximumResponseBytes: Int = 1 << 20,
            pinnedAddress: String? = nil
        ) {
            self.method = method
            self.url = url
            self.headers = headers
            self.body = body
            self.maximumResponseBytes = maximumResponseBytes
            self.pinnedAddress = pinnedAddress
        }
    }

    public struct Response: Sendable {
        /// The final status: interim 1xx answers are passed over.
        public var status: Int
        /// In the order received, names as received. Trailers are dropped.
        public var headers: [(name: String, value: String)]
        public var body: [UInt8]

        /// The first header of that name, in any case.
        public subscript(name: String) -> String? { all(name).first }

        /// Every header of that name, in any case.
        public func all(_ name: String) -> [String] {
            let wanted = name.lowercased()
            return headers.filter { $0.name.lowercased() == wanted }.map(\.value)
        }
    }

    /// Sends `request` and reads the whole answer, whatever its status.
    ///
    /// A request is sent once. Only GET, HEAD, OPTIONS and TRACE are repeated, on a fresh connection, when a reused one
    /// turns out to be dead; any other method then throws `.connectionLost`, because the server may have acted.
    ///
    /// - Parameter deadline: for everything, name resolution and connecting included. Elapsed, it is `.timedOut`.
    public func send(_ request: Request, deadline: Duration = .seconds(10)) async throws(TransferError) -> Response {
        guard deadline > .zero else { throw .timedOut(requestSent: false) }
        try request.validate()
        let outcome = await loop.run { continuation in
            HTTPTransfer(request, deadline: deadline, authorities: trustedAuthorities, continuation)
        }
        return try outcome.get()
    }
}
