import Crypto
import FoundationEssentials
import Observability

/// The one secret a deployment is given; every key the program uses is derived from it, each for one purpose.
struct MasterKey: Sendable {
    /// Under which credentials are hashed: a stolen database cannot be searched for a known key.
    let pepper: Pepper
    /// Signs paging cursors.
    let cursors: SymmetricKey
    private let seals: SymmetricKey
    /// What the former key gave, while it is replaced: it opens what is sealed under it, and seals nothing.
    let formerPepper: Pepper?
    private let formerSeals: SymmetricKey?

    /// - Parameters:
    ///   - secret: at least 32 random bytes.
    ///   - previous: the secret before, while one replaces the other.
    init(_ secret: Secret<[UInt8]>, previous: Secret<[UInt8]>? = nil) {
        pepper = Pepper(Self.derive("credential pepper", from: secret))
        cursors = Self.derive("cursors", from: secret)
        seals = Self.derive("sealed columns", from: secret)
        formerPepper = previous.map { Pepper(Self.derive("credential pepper", from: $0)) }
        formerSeals = previous.map { Self.derive("sealed columns", from: $0) }
    }

    private static func derive(_ purpose: String, from secret: Secret<[UInt8]>) -> SymmetricKey {
        HKDF<SHA256>.deriveKey(
            inputKeyMaterial: SymmetricKey(data: secret.reveal()),
            info: Array("aftercare \(purpose)".utf8),
            outputByteCount: 32
        )
    }

    // MARK: Sealing

    /// Which field a sealed value belongs to. It is authenticated with the value: moved to another row or column, a
    /// value no longer opens.
    struct Place {
        let tenant: UUID
        let column: String
        let row: UUID

        fileprivate var authenticated: [UInt8] { Array("\(tenant)|\(column)|\(row)".utf8) }
    }

    struct SealBroken: Error {}

    /// AES-256-GCM: a version byte, the nonce, the ciphertext and the tag.
    func seal(_ value: [UInt8], for place: Place) throws -> [UInt8] {
        let box = try AES.GCM.seal(value, using: seals, authenticating: place.authenticated)
        guard let combined = box.combined else { throw SealBroken() }
        return [1] + combined
    }

    func open(_ sealed: [UInt8], for place: Place) throws -> Secret<[UInt8]> {
        do {
            return try open(sealed, for: place, under: seals)
        } catch {
            guard let formerSeals else { throw error }
            return try open(sealed, for: place, under: formerSeals)
        }
    }

    private func open(_ sealed: [UInt8], for place: Place, under key: SymmetricKey) throws -> Secret<[UInt8]> {
        guard sealed.first == 1 else { throw SealBroken() }
        let box = try AES.GCM.SealedBox(combined: sealed.dropFirst())
        return Secret(Array(try AES.GCM.open(box, using: key, authenticating: place.authenticated)))
    }

    // MARK: Replacing the key

    /// Whether there may be something left that is sealed under another key than this one.
    var isReplacing: Bool { formerSeals != nil }

    /// The same, sealed under this key; nil where it is already.
    func reseal(_ sealed: [UInt8], for place: Place) throws -> [UInt8]? {
        if (try? open(sealed, for: place, under: seals)) != nil { return nil }
        return try seal(open(sealed, for: place).reveal(), for: place)
    }
}
