import Crypto
import CryptoExtras
import FoundationEssentials

/// Passwords under scrypt, in the form `$scrypt$ln=15,r=8,p=3$<salt>$<hash>`.
///
/// scrypt takes a quarter of a second and 32 MiB by design. It runs on two threads of its own, never on Swift's
/// cooperative ones, and only so many callers may wait: past that they are told to come back.
final class Passwords: Sendable {
    private let threads: WorkThreads
    private let cost: Cost
    /// What an unknown user's password is compared with, so that the answer takes as long.
    private let decoy: String

    /// scrypt's parameters: N = 2^ln, r, p.
    struct Cost: Hashable, Sendable {
        var ln = 15
        var r = 8
        var p = 3
        /// For tests, which sign in many people: the same code, a thousandth of the work.
        static let cheap = Cost(ln: 5, r: 8, p: 1)
    }

    init(cost: Cost = Cost(), maximumWaiting: Int = 32) throws {
        self.cost = cost
        threads = WorkThreads(count: 2, maximumWaiting: maximumWaiting)
        decoy = try Self.hash("decoy", cost)
    }

    func hash(_ password: String) async throws -> String {
        let cost = cost
        return try await threads.run { try Self.hash(password, cost) }
    }

    /// Whether the password is the stored one; always false, and as slow, without a stored one.
    func verify(_ password: String, against stored: String?) async throws -> Bool {
        let decoy = decoy
        return try await threads.run { try Self.verify(password, stored ?? decoy) && stored != nil }
    }

    private static func hash(_ password: String, _ cost: Cost) throws -> String {
        var salt = [UInt8](repeating: 0, count: 16)
        for index in salt.indices { salt[index] = UInt8.random(in: .min ... .max) }
        let hash = try derive(password, salt, cost)
        return "$scrypt$ln=\(cost.ln),r=\(cost.r),p=\(cost.p)$\(Base64URL.encode(salt))$\(Base64URL.encode(hash))"
    }

    private static func verify(_ password: String, _ stored: String) throws -> Bool {
        let parts = stored.split(separator: "$")
        guard parts.count == 4, parts[0] == "scrypt", let salt = Base64URL.decode(parts[2].utf8),
            let expected = Base64URL.decode(parts[3].utf8)
        else { return false }
        let numbers = parts[1].split(separator: ",").compactMap { $0.split(separator: "=").last.flatMap { Int($0) } }
        guard numbers.count == 3 else { return false }
        let hash = try derive(password, salt, Cost(ln: numbers[0], r: numbers[1], p: numbers[2]))
        var difference: UInt8 = hash.count == expected.count ? 0 : 1
        for (a, b) in zip(hash, expected) { difference |= a ^ b }
        return difference == 0
    }

    private static func derive(_ password: String, _ salt: [UInt8], _ cost: Cost) throws -> [UInt8] {
        let key = try KDF.Scrypt.deriveKey(
            from: Array(password.utf8),
            salt: salt,
            outputByteCount: 32,
            rounds: 1 << cost.ln,
            blockSize: cost.r,
            parallelism: cost.p
        )
        return key.withUnsafeBytes { Array($0) }
    }
}
