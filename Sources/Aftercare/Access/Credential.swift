import Crypto
import FoundationEssentials
import Observability

/// A bearer token, taken apart.
///
/// ```
/// ack_<tenant>_<key>_<secret><checksum>              an API key of the whole tenant
/// acs_<tenant>_<store>_<key>_<secret><checksum>      an API key bound to a store
/// acu_<tenant>_<session>_<secret><checksum>          a person's session
/// ```
///
/// The ids are the 26 characters of a TypeID, the secret 30 characters of base62 (178 bits), the checksum the CRC-32
/// of all before it in 6. It begins with its tenant, so that looking it up, and reading what it asks for under row
/// level security, is one round trip; and a mistyped or made-up one is refused without any.
struct Credential: Hashable, Sendable {
    enum Subject: Hashable, Sendable {
        case apiKey(APIKeyID, store: StoreID?)
        case session(SessionID)
    }

    let tenant: TenantID
    let subject: Subject
    /// HMAC-SHA-256 of the whole token. The token itself is not kept.
    let hash: [UInt8]
    /// The same under the former key, while that is replaced.
    let formerHash: [UInt8]?

    /// The store the credential claims to be bound to; the look-up checks the claim.
    var store: StoreID? { if case .apiKey(_, let store) = subject { store } else { nil } }

    init?(token: Substring, pepper: Pepper, formerPepper: Pepper? = nil) {
        guard token.utf8.count <= 200 else { return nil }
        // A string's bytes are copied as one piece, a part's one by one.
        let bytes = Array(String(token).utf8)
        guard let (kind, ids) = Token.parts(of: bytes),
            Token.checksum(bytes.dropLast(Token.checksumLength)).elementsEqual(bytes.suffix(Token.checksumLength)),
            let tenant = TenantID(digits: ids[0])
        else { return nil }
        switch (kind, ids.count) {
        case ("ack", 2):
            guard let key = APIKeyID(digits: ids[1]) else { return nil }
            subject = .apiKey(key, store: nil)
        case ("acs", 3):
            guard let store = StoreID(digits: ids[1]), let key = APIKeyID(digits: ids[2]) else { return nil }
            subject = .apiKey(key, store: store)
        case ("acu", 2):
            guard let session = SessionID(digits: ids[1]) else { return nil }
            subject = .session(session)
        default:
            return nil
        }
        self.tenant = tenant
        hash = pepper.hash(bytes)
        formerHash = formerPepper?.hash(bytes)
    }

    /// Compares in constant time.
    func matches(_ stored: [UInt8]) -> Bool {
        Self.isSame(hash, stored) || formerHash.map { Self.isSame($0, stored) } ?? false
    }

    private static func isSame(_ hash: [UInt8], _ stored: [UInt8]) -> Bool {
        var difference: UInt8 = stored.count == hash.count ? 0 : 1
        for (a, b) in zip(hash, stored) { difference |= a ^ b }
        return difference == 0
    }
}

/// Hashes tokens.
struct Pepper: Sendable {
    /// With the key in it: working that in takes half of the time of a short text's hash.
    private let keyed: HMAC<SHA256>

    init(_ key: SymmetricKey) { keyed = HMAC(key: key) }

    func hash(_ token: [UInt8]) -> [UInt8] {
        var hash = keyed
        hash.update(data: token)
        // The code is a sequence too, but one that gives its bytes one by one.
        return hash.finalize().withUnsafeBytes { Array($0) }
    }
}

/// A new token: the text, shown once, and what is stored of it.
struct Token: Sendable {
    let text: Secret<String>
    let hash: [UInt8]
    /// The last four characters.
    let hint: String

    fileprivate static let secretLength = 30
    static let checksumLength = 6
    private static let digits = Array("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".utf8)

    init(tenant: TenantID, subject: Credential.Subject, pepper: Pepper) {
        func part(_ id: ID<some IDKind>) -> Substring { id.description.suffix(26) }
        var text =
            switch subject {
            case .apiKey(let key, nil): "ack_\(part(tenant))_\(part(key))_"
            case .apiKey(let key, let store?): "acs_\(part(tenant))_\(part(store))_\(part(key))_"
            case .session(let session): "acu_\(part(tenant))_\(part(session))_"
            }
        for _ in 0..<Self.secretLength {
            let digit = Self.digits[Int.random(in: 0..<62)]
            text.unicodeScalars.append(Unicode.Scalar(digit))
        }
        text += String(decoding: Self.checksum(Array(text.utf8)[...]), as: UTF8.self)
        hash = pepper.hash(Array(text.utf8))
        hint = String(text.suffix(4))
        self.text = Secret(text)
    }

    /// What stands before the first underscore, and each id's digits; nil if the text is no token by its form, which
    /// has every part at its place.
    fileprivate static func parts(of text: [UInt8]) -> (kind: String, ids: [ArraySlice<UInt8>])? {
        let (kindLength, idLength) = (3, 26)
        let (begin, end) = (kindLength + 1, text.count - secretLength - checksumLength)
        guard end > begin, (end - begin).isMultiple(of: idLength + 1), text[kindLength] == UInt8(ascii: "_") else {
            return nil
        }
        var ids: [ArraySlice<UInt8>] = []
        for start in stride(from: begin, to: end, by: idLength + 1) {
            guard text[start + idLength] == UInt8(ascii: "_") else { return nil }
            ids.append(text[start..<start + idLength])
        }
        return (String(decoding: text[..<kindLength], as: UTF8.self), ids)
    }

    /// CRC-32 (IEEE) in digits of base62: scanners of leaked secrets can tell a real key from a look-alike.
    static func checksum(_ text: ArraySlice<UInt8>) -> [UInt8] {
        var crc = UInt32.max
        for byte in text { crc = crc >> 8 ^ remainders[Int(UInt8(truncatingIfNeeded: crc) ^ byte)] }
        var rest = ~crc
        var checksum = [UInt8](repeating: 0, count: checksumLength)
        for place in checksum.indices.reversed() {
            checksum[place] = digits[Int(rest % 62)]
            rest /= 62
        }
        return checksum
    }

    /// What each byte leaves of the CRC.
    private static let remainders: [UInt32] = (0..<256).map { byte in
        (0..<8).reduce(UInt32(byte)) { crc, _ in crc & 1 == 1 ? crc >> 1 ^ 0xEDB8_8320 : crc >> 1 }
    }
}
