/// Why a transfer gave no answer. Texts come from libcurl: they are for logs and operators, never for a tenant.
public enum TransferError: Error, Equatable {
    /// The request cannot be put on the wire as asked; nothing was sent.
    case invalidRequest(String)
    /// The calling task was cancelled. The peer may have received the request.
    case cancelled
    /// The loop was shut down before or during the transfer.
    case shutDown
    /// No name, no route, refused, or a broken TLS handshake: nothing of the request was sent.
    case notConnected(String)
    /// The peer's certificate is not trusted; nothing of the request was sent.
    case untrusted(String)
    /// The deadline passed. `requestSent` is false only when the peer cannot have seen the request.
    case timedOut(requestSent: Bool)
    /// The connection broke, or answered nonsense, after the request was (at least partly) sent.
    case connectionLost(String)
    /// The response's body or header block outgrew what the request allows.
    case responseTooLarge(limit: Int)
}
