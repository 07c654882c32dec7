import Crypto
import FoundationEssentials
import Observability
import Time

/// Webhooks as Standard Webhooks 1.0.0 signs them, with a secret that both sides know (`v1`).
enum StandardWebhook {
    /// The three headers. Every secret signs: while one is replaced, receivers know the old one or the new one.
    ///
    /// - Parameters:
    ///   - id: what a receiver knows a repeated delivery by; the same for each try.
    ///   - instant: of this try.
    static func headers(
        id: String,
        at instant: Instant,
        body: [UInt8],
        secrets: [Secret<[UInt8]>]
    ) -> [(String, String)] {
        let seconds = instant.microseconds / 1_000_000
        let signatures = secrets.map { signature(id: id, seconds: seconds, body: body, secret: $0) }
        return [
            ("webhook-id", id), ("webhook-timestamp", "\(seconds)"),
            ("webhook-signature", signatures.joined(separator: " ")),
        ]
    }

    static func signature(id: String, seconds: Int64, body: [UInt8], secret: Secret<[UInt8]>) -> String {
        let code = HMAC<SHA256>.authenticationCode(
            for: Array("\(id).\(seconds).".utf8) + body,
            using: SymmetricKey(data: secret.reveal())
        )
        return "v1," + Data(code).base64EncodedString()
    }

    // MARK: Secrets

    private static let prefix = "whsec_"

    static func newSecret() -> Secret<[UInt8]> { Secret((0..<32).map { _ in UInt8.random(in: .min ... .max) }) }

    /// As it is shown, once: `whsec_…`.
    static func text(of secret: Secret<[UInt8]>) -> String { prefix + Data(secret.reveal()).base64EncodedString() }

    static func secret(_ text: String) -> Secret<[UInt8]>? {
        guard text.hasPrefix(prefix), let bytes = Data(base64Encoded: String(text.dropFirst(prefix.count))) else {
            return nil
        }
        return Secret(Array(bytes))
    }
}
