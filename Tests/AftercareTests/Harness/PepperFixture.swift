import Crypto

@testable import Aftercare

enum PepperFixture {
    static let pepper = Pepper(SymmetricKey(data: Array(repeating: UInt8(1), count: 32)))
}
