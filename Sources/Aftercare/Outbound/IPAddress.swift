import Glibc

/// An IP address: 4 bytes of version 4, or 16 of version 6.
struct IPAddress: Hashable, Sendable {
    let bytes: [UInt8]

    /// - Parameter bytes: 4 or 16 of them.
    init?(bytes: [UInt8]) {
        guard bytes.count == 4 || bytes.count == 16 else { return nil }
        self.bytes = bytes
    }

    /// From the usual form alone: `10.0.0.1`, `fe80::1`. Not the many others that resolvers take, such as `0x7f.1`.
    init?(_ text: some StringProtocol) {
        var buffer = [UInt8](repeating: 0, count: 16)
        if inet_pton(AF_INET, String(text), &buffer) == 1 {
            bytes = Array(buffer[..<4])
        } else if inet_pton(AF_INET6, String(text), &buffer) == 1 {
            bytes = buffer
        } else {
            return nil
        }
    }

    /// What an address is for, by IANA's registries of special ones.
    enum Kind: String, CaseIterable, Sendable {
        /// A host somewhere on the Internet.
        case global
        case unspecified, loopback
        case linkLocal = "link_local"
        /// Of a company's or a home's own network.
        case `private`
        /// Of a provider's own network, behind its translation (100.64.0.0/10).
        case shared
        case uniqueLocal = "unique_local"
        case multicast, documentation, benchmarking, reserved
        /// Holds another address, of version 4, which somebody on the way would go to instead.
        case embedded
    }

    var kind: Kind {
        for block in Self.special where block.contains(self) { return block.kind }
        // What is global unicast, 2000::/3, is given out; the rest is for other things or for later.
        return bytes.count == 4 || bytes[0] & 0xE0 == 0x20 ? .global : .reserved
    }
}

extension IPAddress: CustomStringConvertible {
    var description: String {
        var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        let family = bytes.count == 4 ? AF_INET : AF_INET6
        guard inet_ntop(family, bytes, &text, socklen_t(text.count)) != nil else { return "?" }
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

// MARK: Blocks

extension IPAddress {
    /// The addresses whose first `length` bits are those of `network`.
    struct Block: Sendable {
        let network: IPAddress
        let length: Int
        let kind: Kind

        init?(_ text: String, _ kind: Kind) {
            let parts = text.split(separator: "/")
            guard parts.count == 2, let network = IPAddress(parts[0]), let length = Int(parts[1]) else { return nil }
            (self.network, self.length, self.kind) = (network, length, kind)
        }

        func contains(_ address: IPAddress) -> Bool {
            guard address.bytes.count == network.bytes.count else { return false }
            let (whole, rest) = (length / 8, length % 8)
            guard address.bytes[..<whole] == network.bytes[..<whole] else { return false }
            return rest == 0 || (address.bytes[whole] ^ network.bytes[whole]) >> (8 - rest) == 0
        }
    }

    static let specialTexts: [(block: String, kind: Kind)] = [
        ("0.0.0.0/8", .unspecified), ("10.0.0.0/8", .private), ("100.64.0.0/10", .shared), ("127.0.0.0/8", .loopback),
        // Where clouds answer a machine's questions about itself: 169.254.169.254.
        ("169.254.0.0/16", .linkLocal), ("172.16.0.0/12", .private), ("192.0.0.0/24", .reserved),
        ("192.0.2.0/24", .documentation), ("192.88.99.0/24", .reserved), ("192.168.0.0/16", .private),
        ("198.18.0.0/15", .benchmarking), ("198.51.100.0/24", .documentation), ("203.0.113.0/24", .documentation),
        ("224.0.0.0/4", .multicast), ("240.0.0.0/4", .reserved),
        ("::/128", .unspecified), ("::1/128", .loopback),
        // Mapped, compatible, translated (twice), by 6to4, by Teredo.
        ("::ffff:0:0/96", .embedded), ("::/96", .embedded), ("64:ff9b::/96", .embedded),
        ("64:ff9b:1::/48", .embedded), ("2002::/16", .embedded), ("2001::/32", .embedded),
        ("2001:db8::/32", .documentation), ("3fff::/20", .documentation), ("2001:2::/48", .benchmarking),
        // The other assignments to protocols.
        ("2001::/23", .reserved), ("fc00::/7", .uniqueLocal), ("fe80::/10", .linkLocal), ("ff00::/8", .multicast),
    ]

    /// The first that contains an address says what it is.
    static let special: [Block] = specialTexts.compactMap { Block($0.block, $0.kind) }
}
