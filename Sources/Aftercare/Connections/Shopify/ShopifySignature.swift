import Crypto
import FoundationEssentials
import Observability

/// Shopify's signature: base64 of HMAC-SHA256 over the body's bytes as they came, under the connection's secret.
///
/// Only the body is signed. The topic and every other header are claims.
enum ShopifySignature {
    /// - Parameters:
    ///   - header: what the request says the signature is.
    ///   - secrets: those that count now; after a rotation the one before is among them for a while.
    static func isValid(_ header: String?, body: [UInt8], secrets: [Secret<[UInt8]>]) -> Bool {
        guard let header, header.utf8.count <= 100, let claimed = Data(base64Encoded: header) else { return false }
        var isValid = false
        // Every secret is tried and each comparison takes the same time, so that none tells anything.
        for secret in secrets {
            let key = SymmetricKey(data: secret.reveal())
            if HMAC<SHA256>.isValidAuthenticationCode(claimed, authenticating: body, using: key) { isValid = true }
        }
        return isValid
    }
}
