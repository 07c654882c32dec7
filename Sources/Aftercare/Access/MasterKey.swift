import Crypto
import FoundationEssentials
import Observability

/// The one secret a deployment is given; every key the program uses is derived from it, each for one purpose.
struct MasterKey: Sendable {
    /// Under which credentials are hashed: a stolen database cannot be searched for a known key.
    let pepper: SymmetricKey
    /// Signs paging cursors.
    let cursors: SymmetricKey
    private let seals: SymmetricKey

    /// - Parameter secret: at least 32 random bytes.
    init(_ secret: Secret<[UInt8]>) {
        let master = SymmetricKey(data: secret.reveal())
        func derive(_ purpose: String) -> SymmetricKey {
            HKDF<SHA256>.deriveKey(
                inputKeyMaterial: master,
                info: Array("aftercare \(purpose)".utf8),
                outputByteCount: 32
            )
        }
        pepper = derive("credential pepper")
        cursors = derive("cursors")
        seals = derive("sealed columns")
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
        guard sealed.first == 1 else { throw SealBroken() }
        let box = try AES.GCM.SealedBox(combined: sealed.dropFirst())
        return Secret(Array(try AES.GCM.open(box, using: seals, authenticating: place.authenticated)))
    }
}
