import Crypto

enum SymmetricKeyFixture {
    static let pepper = SymmetricKey(data: Array(repeating: UInt8(1), count: 32))
}
