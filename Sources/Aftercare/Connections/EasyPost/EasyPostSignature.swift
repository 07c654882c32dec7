import Foundation
import HTTPTypes
import Observability

/// EasyPost's signature: `X-Hmac-Signature: hmac-sha256-hex=<hex>`, over the body's bytes as they came.
///
/// The key is the secret in Unicode's form NFKD, which takes all of Foundation: an `é` is signed as `e` and an accent.
enum EasyPostSignature {
    static func isValid(_ fields: HTTPFields, of body: [UInt8], secrets: [Secret<[UInt8]>]) -> Bool {
        isValid(fields[name], of: body, secrets: secrets)
    }

    static func isValid(_ header: String?, of body: [UInt8], secrets: [Secret<[UInt8]>]) -> Bool {
        let scheme = "hmac-sha256-hex="
        guard let header, header.lowercased().hasPrefix(scheme),
            let claimed = Hexadecimal.decode(header.dropFirst(scheme.count))
        else { return false }
        return BodySignature.isValid(Data(claimed), of: body, secrets: secrets.map(normalized))
    }

    private static let name = HTTPField.Name("X-Hmac-Signature") ?? .authorization

    private static func normalized(_ secret: Secret<[UInt8]>) -> Secret<[UInt8]> {
        let bytes = secret.reveal()
        guard let text = String(validating: bytes, as: UTF8.self) else { return secret }
        return Secret(Array(text.decomposedStringWithCompatibilityMapping.utf8))
    }
}
