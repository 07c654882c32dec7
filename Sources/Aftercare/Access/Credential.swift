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

    /// The store the credential claims to be bound to; the look-up checks the claim.
    var store: StoreID? { if case .apiKey(_, let store) = subject { store } else { nil } }

    init?(token: Substring, pepper: SymmetricKey) {
        let parts = token.split(separator: "_", omittingEmptySubsequences: false)
        guard token.utf8.count <= 200, let last = parts.last, last.utf8.count == Token.secretLength + 6,
            Token.checksum(token.dropLast(6)) == last.suffix(6)
        else { return nil }
        func id<Kind>(_ part: Int, _: Kind.Type = Kind.self) -> ID<Kind>? { ID("\(Kind.prefix)_\(parts[part])") }
        guard parts.count >= 4, let tenant: TenantID = id(1) else { return nil }
        switch (parts[0], parts.count) {
        case ("ack", 4):
            guard let key: APIKeyID = id(2) else { return nil }
            subject = .apiKey(key, store: nil)
        case ("acs", 5):
            guard let store: StoreID = id(2), let key: APIKeyID = id(3) else { return nil }
            subject = .apiKey(key, store: store)
        case ("acu", 4):
            guard let session: SessionID = id(2) else { return nil }
            subject = .session(session)
        default:
            return nil
        }
        self.tenant = tenant
        hash = Token.hash(token, pepper: pepper)
    }

    /// Compares in constant time.
    func matches(_ stored: [UInt8]) -> Bool {
        var difference: UInt8 = stored.count == hash.count ? 0 : 1
        for (a, b) in zip(hash, stored) { difference |= a ^ b }
        return difference == 0
    }
}

/// A new token: the text, shown once, and what is stored of it.
struct Token: Sendable {
    let text: Secret<String>
    let hash: [UInt8]
    /// The last four characters.
    let hint: String

    fileprivate static let secretLength = 30
    private static let digits = Array("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".utf8)

    init(tenant: TenantID, subject: Credential.Subject, pepper: SymmetricKey) {
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
        text += Self.checksum(text[...])
        hash = Self.hash(text[...], pepper: pepper)
        hint = String(text.suffix(4))
        self.text = Secret(text)
    }

    fileprivate static func hash(_ token: Substring, pepper: SymmetricKey) -> [UInt8] {
        Array(HMAC<SHA256>.authenticationCode(for: Array(token.utf8), using: pepper))
    }

    /// CRC-32 (IEEE) in 6 digits of base62: scanners of leaked secrets can tell a real key from a look-alike.
    fileprivate static func checksum(_ text: Substring) -> String {
        var crc = UInt32.max
        for byte in text.utf8 {
            crc ^= UInt32(byte)
            for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0xEDB8_8320 : crc >> 1 }
        }
        var rest = ~crc
        var checksum: [UInt8] = []
        for _ in 0..<6 {
            checksum.append(digits[Int(rest % 62)])
            rest /= 62
        }
        return String(decoding: checksum.reversed(), as: UTF8.self)
    }
}
