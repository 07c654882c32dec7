import CCurl
import Glibc

/// One HTTP exchange: the request on its way out, the response as far as it has come.
final class HTTPTransfer: Transfer, @unchecked Sendable {  // handed over at submission, then the loop thread's alone
    private static let maximumHeaderBytes = 256 << 10

    private let request: HTTPClient.Request
    private let deadline: Duration
    private let authorities: String?
    private var continuation: CheckedContinuation<Result<HTTPClient.Response, TransferError>, Never>?

    private var uploaded = 0
    private var attempts = 0
    private var headers: [(name: String, value: String)] = []
    private var headerBytes = 0
    private var headerBlockEnded = false
    private var body: [UInt8] = []
    private var tooLarge: Int?

    init(
        _ request: HTTPClient.Request,
        deadline: Duration,
        authorities: String?,
        _ continuation: CheckedContinuation<Result<HTTPClient.Response, TransferError>, Never>
    ) {
        self.request = request
        self.deadline = deadline
        self.authorities = authorities
        self.continuation = continuation
    }

    func configure(_ easy: EasyHandle) throws(TransferError) {
        easy.set(CURLOPT_URL, request.url)
        easy.set(CURLOPT_PROTOCOLS_STR, "http,https")
        easy.set(CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1)
        easy.set(CURLOPT_PATH_AS_IS, 1)
        easy.set(CURLOPT_FOLLOWLOCATION, 0)
        easy.set(deadline: deadline)
        if let authorities { easy.set(CURLOPT_CAINFO, authorities) }
        if let address = request.pinnedAddress {
            // CONNECT_TO and not RESOLVE: that one writes into the DNS cache all transfers share, and a connection is
            // then reused by name. Empty host and port match whatever libcurl reads out of the URL.
            let literal = address.utf8.contains(UInt8(ascii: ":")) ? "[\(address)]" : address
            easy.set(CURLOPT_CONNECT_TO, list: ["::\(literal):"])
        }
        setMethod(easy)
        easy.set(CURLOPT_HTTPHEADER, list: headerLines)

        let context = Unmanaged.passUnretained(self).toOpaque()
        easy.set(CURLOPT_WRITEDATA, context: context)
        easy.set(CURLOPT_WRITEFUNCTION) { bytes, size, count, context in
            HTTPTransfer.of(context).receive(bytes, size * count)
        }
        easy.set(CURLOPT_HEADERDATA, context: context)
        easy.set(CURLOPT_HEADERFUNCTION) { bytes, size, count, context in
            HTTPTransfer.of(context).receiveHeader(bytes, size * count)
        }
        easy.set(CURLOPT_PREREQDATA, context: context)
        easy.set { context, _, _, _, _ in
            HTTPTransfer.of(context).mayAttempt() ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT
        }
    }

    private func setMethod(_ easy: EasyHandle) {
        // NOBODY first, then POSTFIELDS, which makes it a POST and leaves that flag alone; CURLOPT_POST would clear it.
        if request.method == "HEAD" { easy.set(CURLOPT_NOBODY, 1) }
        if !request.body.isEmpty || ["POST", "PUT", "PATCH"].contains(request.method) {
            easy.set(CURLOPT_POSTFIELDS, context: nil)
            easy.set(CURLOPT_POSTFIELDSIZE_LARGE, offset: request.body.count)
            easy.set(CURLOPT_READDATA, context: Unmanaged.passUnretained(self).toOpaque())
            easy.set(CURLOPT_READFUNCTION) { buffer, size, count, context in
                HTTPTransfer.of(context).provide(buffer, size * count)
            }
        }
        easy.set(CURLOPT_CUSTOMREQUEST, request.method)
    }

    private var headerLines: [String] {
        // "Name:" takes libcurl's own header away, "Name;" sends an empty one.
        var lines = request.headers.map { name, value in value.isEmpty ? "\(name);" : "\(name): \(value)" }
        let given = Set(request.headers.map { $0.0.lowercased() })
        for name in ["Accept", "Content-Type", "Expect", "User-Agent"] where !given.contains(name.lowercased()) {
            lines.append("\(name):")
        }
        return lines
    }

    private static func of(_ context: UnsafeMutableRawPointer?) -> HTTPTransfer {
        guard let context else { preconditionFailure("libcurl dropped a callback's context") }
        return Unmanaged<HTTPTransfer>.fromOpaque(context).takeUnretainedValue()
    }

    /// libcurl silently sends again when a reused connection dies before the first response byte. That is right only
    /// where a second execution does no harm.
    private func mayAttempt() -> Bool {
        attempts += 1
        uploaded = 0
        return attempts == 1 || (request.body.isEmpty && HTTPTransfer.safeMethods.contains(request.method))
    }

    private static let safeMethods: Set<String> = ["GET", "HEAD", "OPTIONS", "TRACE"]

    private func provide(_ buffer: UnsafeMutablePointer<CChar>?, _ capacity: Int) -> Int {
        guard let buffer else { return Int(CURL_READFUNC_ABORT) }
        let count = min(capacity, request.body.count - uploaded)
        request.body.withUnsafeBytes { bytes in
            UnsafeMutableRawBufferPointer(start: buffer, count: count)
                .copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[uploaded..<uploaded + count]))
        }
        uploaded += count
        return count
    }

    private func receive(_ bytes: UnsafeMutablePointer<CChar>?, _ count: Int) -> Int {
        guard let bytes else { return 0 }
        guard body.count + count <= request.maximumResponseBytes else {
            tooLarge = request.maximumResponseBytes
            return stopReceiving
        }
        body.append(contentsOf: UnsafeRawBufferPointer(start: bytes, count: count))
        return count
    }

    private func receiveHeader(_ bytes: UnsafeMutablePointer<CChar>?, _ count: Int) -> Int {
        guard let bytes else { return 0 }
        headerBytes += count
        guard headerBytes <= HTTPTransfer.maximumHeaderBytes else {
            tooLarge = HTTPTransfer.maximumHeaderBytes
            return stopReceiving
        }
        let line = String(decoding: UnsafeRawBufferPointer(start: bytes, count: count), as: UTF8.self)
        if line.hasPrefix("HTTP/"), body.isEmpty {
            // A new block: what came before was an interim answer.
            headers.removeAll()
            headerBlockEnded = false
        } else if line == "\r\n" || line == "\n" {
            headerBlockEnded = true
        } else if !headerBlockEnded, let colon = line.firstIndex(of: ":") {
            headers.append((String(line[..<colon]), trimmed(line[line.index(after: colon)...])))
        }
        return count
    }

    func finished(_ easy: EasyHandle, _ code: CURLcode) -> Bool {
        if code == CURLE_OK {
            let status = easy.long(CURLINFO_RESPONSE_CODE)
            resume(.success(.init(status: status, headers: headers, body: body)))
        } else {
            resume(.failure(error(easy, code)))
        }
        return false
    }

    private func error(_ easy: EasyHandle, _ code: CURLcode) -> TransferError {
        if let tooLarge { return .responseTooLarge(limit: tooLarge) }
        switch code {
        case CURLE_OPERATION_TIMEDOUT: return .timedOut(requestSent: attempts > 0)
        case CURLE_URL_MALFORMAT, CURLE_SSL_CACERT_BADFILE: return .invalidRequest(easy.text(code))
        // Also what libcurl calls an answer that is not HTTP.
        case CURLE_UNSUPPORTED_PROTOCOL where attempts == 0: return .invalidRequest(easy.text(code))
        case CURLE_PEER_FAILED_VERIFICATION: return .untrusted(easy.text(code))
        default: return attempts > 0 ? .connectionLost(easy.text(code)) : .notConnected(easy.text(code))
        }
    }

    func fail(_ error: TransferError) { resume(.failure(error)) }

    private func resume(_ result: Result<HTTPClient.Response, TransferError>) {
        continuation?.resume(returning: result)
        continuation = nil
    }

    // An HTTP exchange leaves the connection to libcurl from first to last.
    var interest: Interest { Interest(socket: -1, writing: false, deadline: .now) }
    func advance(_ easy: EasyHandle) -> Bool { false }
}

/// What a callback returns to stop the transfer: any count other than the one it was given.
private let stopReceiving = 0

private func trimmed(_ text: Substring) -> String {
    var text = text
    while let last = text.unicodeScalars.last, last.properties.isWhitespace { text.unicodeScalars.removeLast() }
    while let first = text.unicodeScalars.first, first.properties.isWhitespace { text.unicodeScalars.removeFirst() }
    return String(text)
}

extension HTTPClient.Request {
    /// Refuses what would change the message's framing or reach another place than the URL says.
    func validate() throws(TransferError) {
        guard isToken(method) else { throw .invalidRequest("method") }
        guard !url.utf8.contains(where: { $0 <= 0x20 || $0 == 0x7F }) else { throw .invalidRequest("url") }
        for (name, value) in headers {
            guard isToken(name) else { throw .invalidRequest("header name") }
            guard !value.utf8.contains(where: { ($0 < 0x20 && $0 != 0x09) || $0 == 0x7F }) else {
                throw .invalidRequest("header value of \(name)")
            }
        }
        if let pinnedAddress, !isAddress(pinnedAddress) { throw .invalidRequest("pinned address") }
    }

    private func isToken(_ text: String) -> Bool {
        let marks = Set("!#$%&'*+-.^_`|~".utf8)
        return !text.isEmpty
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
                    UInt8(ascii: "A")...UInt8(ascii: "Z"):
                    true
                default: marks.contains(byte)
                }
            }
    }

    private func isAddress(_ text: String) -> Bool {
        var address = in6_addr()
        return inet_pton(AF_INET, text, &address) == 1 || inet_pton(AF_INET6, text, &address) == 1
    }
}
