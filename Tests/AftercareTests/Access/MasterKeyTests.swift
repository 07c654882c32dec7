import FoundationEssentials
import Observability
import Testing

@testable import Aftercare

@Suite struct MasterKeyTests {
    private let key = MasterKey(Secret(Array(repeating: 7, count: 32)))
    private let place = MasterKey.Place(tenant: .v7(), column: "connections.secret", row: .v7())

    @Test func `a sealed value opens in its place`() throws {
        let sealed = try key.seal(Array("hush".utf8), for: place)
        #expect(try key.open(sealed, for: place).reveal() == Array("hush".utf8))
        #expect(try key.seal(Array("hush".utf8), for: place) != sealed)
    }

    @Test func `a sealed value does not open anywhere else`() throws {
        let sealed = try key.seal(Array("hush".utf8), for: place)
        let elsewhere = [
            MasterKey.Place(tenant: .v7(), column: place.column, row: place.row),
            MasterKey.Place(tenant: place.tenant, column: "connections.previous", row: place.row),
            MasterKey.Place(tenant: place.tenant, column: place.column, row: .v7()),
        ]
        for place in elsewhere { #expect(throws: (any Error).self) { try key.open(sealed, for: place) } }
        let other = MasterKey(Secret(Array(repeating: 8, count: 32)))
        #expect(throws: (any Error).self) { try other.open(sealed, for: place) }
    }

    @Test func `a changed or cut value does not open`() throws {
        let sealed = try key.seal(Array("hush".utf8), for: place)
        for index in sealed.indices {
            var changed = sealed
            changed[index] ^= 1
            #expect(throws: (any Error).self) { try key.open(changed, for: place) }
        }
        for count in 0..<sealed.count {
            #expect(throws: (any Error).self) { try key.open(Array(sealed.prefix(count)), for: place) }
        }
    }
}
