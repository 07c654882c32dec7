import Crypto
import FoundationEssentials
import Observability

/// HMAC-SHA256 over a body's bytes as they came, under the connection's secret.
///
/// Only the body is signed. The topic and every other header are claims.
enum BodySignature {
    /// - Parameters:
    ///   - header: what the request says the signature is, in base64.
    ///   - secrets: those that count now; after a rotation the one before is among them for a while.
    static func isValid(base64 header: String?, of body: [UInt8], secrets: [Secret<[UInt8]>]) -> Bool {
        guard let header, header.utf8.count <= 100, let claimed = Data(base64Encoded: header) else { return false }
        return isValid(claimed, of: body, secrets: secrets)
    }

    static func isValid(_ claimed: Data, of body: [UInt8], secrets: [Secret<[UInt8]>]) -> Bool {
        var isValid = false
        // Every secret is tried and each comparison takes the same time, so that none tells anything.
        for secret in secrets {
            let key = SymmetricKey(data: secret.reveal())
            if HMAC<SHA256>.isValidAuthenticationCode(claimed, authenticating: body, using: key) { isValid = true }
        }
        return isValid
    }
}
