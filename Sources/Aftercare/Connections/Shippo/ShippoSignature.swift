import Crypto
import FoundationEssentials
import HTTPTypes
import Observability

/// How Shippo proves that a webhook is its own; both ways are of its own documentation.
///
/// - `?token=<secret>` in the address that the merchant registers. It is what every account can do: signing has to be
///   asked for at Shippo and is set up by its people.
/// - `Shippo-Auth-Signature: t=<seconds>,v1=<hex>` where it has been: HMAC-SHA256 over `<seconds>.<body>`.
///
/// The secret is the connection's in both, and either will do: an account that signs may have its token left over. An old
/// `t` is no reason to refuse. What was told before changes nothing, and Shippo's own retries come late.
enum ShippoSignature {
    static func isValid(_ fields: HTTPFields, target: String, of body: [UInt8], secrets: [Secret<[UInt8]>]) -> Bool {
        if let header = fields[name], isValid(header, of: body, secrets: secrets) { return true }
        return isToken(target, among: secrets)
    }

    static func isValid(_ header: String, of body: [UInt8], secrets: [Secret<[UInt8]>]) -> Bool {
        guard header.utf8.count <= 255 else { return false }
        var parts: [Substring: Substring] = [:]
        for part in header.split(separator: ",") {
            let pair = part.split(separator: "=", maxSplits: 1)
            guard pair.count == 2 else { return false }
            parts[pair[0].drop { $0 == " " }] = pair[1]
        }
        guard let time = parts["t"], let claimed = parts["v1"].flatMap({ Hexadecimal.decode($0) }) else { return false }
        return BodySignature.isValid(Data(claimed), of: Array(time.utf8) + [UInt8(ascii: ".")] + body, secrets: secrets)
    }

    /// Compared by a hash of both, so that how long it takes tells nothing. A plus is a plus: no secret has a space.
    private static func isToken(_ target: String, among secrets: [Secret<[UInt8]>]) -> Bool {
        guard let query = target.firstIndex(of: "?") else { return false }
        for pair in target[target.index(after: query)...].split(separator: "&") where pair.hasPrefix("token=") {
            guard let token = QueryParameters.decode(pair.dropFirst(6), plusIsSpace: false) else { return false }
            let key = SymmetricKey(data: Array("shippo".utf8))
            let claimed = HMAC<SHA256>.authenticationCode(for: Array(token.utf8), using: key)
            var isValid = false
            for secret in secrets {
                if HMAC<SHA256>.isValidAuthenticationCode(claimed, authenticating: secret.reveal(), using: key) {
                    isValid = true
                }
            }
            return isValid
        }
        return false
    }

    private static let name = HTTPField.Name("Shippo-Auth-Signature") ?? .authorization
}
