import CCurl

/// One mail transaction on the loop: libcurl up to the sign-in (`CONNECT_ONLY`), then `SMTPDialogue` over its connection.
///
/// libcurl's own SMTP upload is no use here. It waits for the reply to the end of the message, and for that to QUIT,
/// blocking its thread, and so all transfers.
final class SMTPTransfer: Transfer, @unchecked Sendable {  // handed over at submission, then the loop thread's alone
    private let mail: SMTPClient.Envelope
    private let server: SMTPClient.Server
    private let duration: Duration
    private let deadline: ContinuousClock.Instant
    private var continuation: CheckedContinuation<Result<SMTPClient.Outcome, TransferError>, Never>?

    private var socket: curl_socket_t = -1
    /// Nil until libcurl has connected and signed in.
    private var dialogue: SMTPDialogue?
    private var parser = SMTPReplyParser()
    private var outgoing: [UInt8] = []
    private var sent = 0
    private var uploading = false
    /// While libcurl talks: what the server can do, and its last reply.
    private var capabilities: Set<String> = []
    private var lastReply: SMTPReply?

    init(
        _ mail: SMTPClient.Envelope,
        through server: SMTPClient.Server,
        deadline: Duration,
        _ continuation: CheckedContinuation<Result<SMTPClient.Outcome, TransferError>, Never>
    ) {
        self.mail = mail
        self.server = server
        self.duration = deadline
        self.deadline = .now + deadline
        self.continuation = continuation
    }

    func configure(_ easy: EasyHandle) throws(TransferError) {
        let scheme =
            switch server.security {
            case .tls: "smtps"
            case .none, .startTLS: "smtp"
            }
        let host = server.host.utf8.contains(UInt8(ascii: ":")) ? "[\(server.host)]" : server.host
        easy.set(CURLOPT_URL, "\(scheme)://\(host):\(server.port)/\(server.greetingName)")
        easy.set(CURLOPT_PROTOCOLS_STR, "smtp,smtps")
        easy.set(CURLOPT_CONNECT_ONLY, 1)
        easy.set(deadline: duration)
        if case .startTLS = server.security { easy.set(CURLOPT_USE_SSL, Int(CURLUSESSL_ALL.rawValue)) }
        if let authorities = server.trustedAuthorities { easy.set(CURLOPT_CAINFO, authorities) }
        if let username = server.username, let password = server.password {
            easy.set(CURLOPT_USERNAME, username)
            easy.set(CURLOPT_PASSWORD, password)
        }
        easy.set(CURLOPT_HEADERDATA, context: Unmanaged.passUnretained(self).toOpaque())
        easy.set(CURLOPT_HEADERFUNCTION) { bytes, size, count, context in
            guard let context, let bytes else { return 0 }
            let line = String(decoding: UnsafeRawBufferPointer(start: bytes, count: size * count), as: UTF8.self)
            Unmanaged<SMTPTransfer>.fromOpaque(context).takeUnretainedValue().heard(line)
            return size * count
        }
    }

    /// A line of the greeting, the EHLO reply or the sign-in.
    private func heard(_ line: String) {
        let line = line.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).first ?? ""
        guard let code = Int(line.prefix(3)) else { return }
        lastReply = SMTPReply(code: code, text: String(line))
        // 220 greets, and answers STARTTLS: what was promised before it no longer counts.
        if code == 220 { capabilities.removeAll() }
        if code == 250, let keyword = line.dropFirst(4).split(separator: " ").first {
            capabilities.insert(keyword.uppercased())
        }
    }

    func finished(_ easy: EasyHandle, _ code: CURLcode) -> Bool {
        guard code == CURLE_OK, let socket = easy.activeSocket else {
            let refusal = lastReply.flatMap { $0.code >= 400 ? $0 : nil }
            let text = refusal?.text ?? (code == CURLE_OPERATION_TIMEDOUT ? "timed out" : easy.text(code))
            let stage: SMTPClient.Refusal.Stage = code == CURLE_LOGIN_DENIED ? .authentication : .connection
            resume(.success(.refused(.init(stage: stage, isPermanent: false, code: refusal?.code, text: text))))
            return false
        }
        self.socket = socket
        let dialogue = SMTPDialogue(mail, capabilities: capabilities)
        self.dialogue = dialogue
        return perform(dialogue.opening(), easy) && advance(easy)
    }

    var interest: Interest { Interest(socket: socket, writing: sent < outgoing.count, deadline: deadline) }

    /// Reads before it writes, so that a server refusing in the middle of the message is heard.
    func advance(_ easy: EasyHandle) -> Bool {
        var moved = true
        while moved {
            guard read(easy) else { return false }
            switch write(easy) {
            case .success(let wrote): moved = wrote
            case .failure(let lost):
                // The server's reason may have arrived just before the connection broke.
                if read(easy) { conclude(.connectionLost(lost.text)) }
                return false
            }
        }
        if .now >= deadline {
            conclude(.timedOut)
            return false
        }
        return true
    }

    func fail(_ error: TransferError) {
        switch error {
        case .cancelled where dialogue != nil: conclude(.cancelled)
        case .shutDown where dialogue != nil: conclude(.shutDown)
        // Nothing has been said yet. libcurl not starting at all is the same to the mail as a server not answering.
        case .notConnected(let text):
            resume(.success(.refused(.init(stage: .connection, isPermanent: false, code: nil, text: text))))
        default: resume(.failure(error))
        }
    }

    /// Takes in all that has arrived. False when that ended the transaction.
    private func read(_ easy: EasyHandle) -> Bool {
        while true {
            var count = 0
            let code = withUnsafeTemporaryAllocation(byteCount: 4096, alignment: 1) { buffer in
                let code = curl_easy_recv(easy.pointer, buffer.baseAddress, buffer.count, &count)
                if code == CURLE_OK { parser.append(UnsafeRawBufferPointer(rebasing: buffer[..<count])) }
                return code
            }
            if code == CURLE_AGAIN { return true }
            guard code == CURLE_OK, count > 0 else {
                conclude(.connectionLost(code == CURLE_OK ? "the server closed the connection" : easy.text(code)))
                return false
            }
            do throws(SMTPReplyParser.Malformed) {
                while let reply = try parser.next() {
                    guard let move = dialogue?.handle(reply), perform(move, easy) else { return false }
                }
            } catch {
                conclude(.unreadableReply(error.text))
                return false
            }
        }
    }

    private struct Lost: Error {
        var text: String
    }

    /// Sends a part of what is due; false when there is nothing to send or the connection takes no more for now.
    private func write(_ easy: EasyHandle) -> Result<Bool, Lost> {
        guard sent < outgoing.count else { return .success(false) }
        let end = min(outgoing.count, sent + 64 << 10)
        let isEnd = uploading && end == outgoing.count
        var count = 0
        let code = outgoing[sent..<end].withUnsafeBytes {
            curl_easy_send(easy.pointer, $0.baseAddress, $0.count, &count)
        }
        // "Again" took nothing, and half a TLS record is nothing to the peer. After any other failure who knows.
        if code == CURLE_AGAIN { return .success(false) }
        sent += count
        if isEnd, code != CURLE_OK || sent == outgoing.count { dialogue?.offerEnd() }
        return code == CURLE_OK ? .success(count > 0) : .failure(Lost(text: easy.text(code)))
    }

    /// Returns false when the move was the last.
    private func perform(_ move: SMTPDialogue.Move, _ easy: EasyHandle) -> Bool {
        switch move {
        case .send(let bytes): (outgoing, sent, uploading) = (bytes, 0, false)
        case .upload(let bytes): (outgoing, sent, uploading) = (bytes, 0, true)
        case .finished(let outcome):
            resume(.success(outcome))
            // In the middle of the message it would be read as text; else a courtesy, and nobody waits for the answer.
            if sent == outgoing.count {
                var count = 0
                let quit = Array("QUIT\r\n".utf8)
                curl_easy_send(easy.pointer, quit, quit.count, &count)
            }
            return false
        }
        return true
    }

    private func conclude(_ doubt: SMTPClient.Doubt) {
        guard let dialogue else { return }
        resume(dialogue.lost(doubt))
    }

    private func resume(_ result: Result<SMTPClient.Outcome, TransferError>) {
        continuation?.resume(returning: result)
        continuation = nil
    }
}
