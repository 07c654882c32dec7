/// An absolute address on the web, in the one plain form that every reader takes for the same host and port.
struct WebAddress: Hashable, Sendable {
    let isSecure: Bool
    /// In lower case; of an IPv6 address without its brackets.
    let host: String
    let port: Int

    static let maximumLength = 2000

    /// Nil for what is no such address: another scheme, a user's name, a fragment, characters that URLs do not have.
    init?(_ url: String) {
        guard url.utf8.count <= Self.maximumLength, url.utf8.allSatisfy(Self.isPlain) else { return nil }
        let lowered = url.lowercased()
        let scheme = ["https://", "http://"].first { lowered.hasPrefix($0) }
        guard let scheme else { return nil }
        isSecure = scheme == "https://"
        let rest = lowered.dropFirst(scheme.utf8.count)
        let authority = rest.prefix { $0 != "/" && $0 != "?" }
        guard let (host, port) = Self.split(authority), Self.isHost(host, bracketed: authority.hasPrefix("[")) else {
            return nil
        }
        self.host = String(host)
        guard let port else {
            self.port = isSecure ? 443 : 80
            return
        }
        guard (1...5).contains(port.utf8.count), port.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            let number = Int(port), (1...65_535).contains(number)
        else { return nil }
        self.port = number
    }

    /// Visible ASCII without what RFC 3986 allows nowhere, a fragment, or a backslash, which some take for a slash.
    private static func isPlain(_ byte: UInt8) -> Bool {
        (0x21...0x7E).contains(byte) && !"\"#<>\\^`{|}".utf8.contains(byte)
    }

    private static func split(_ authority: Substring) -> (host: Substring, port: Substring?)? {
        if authority.hasPrefix("[") {
            guard let end = authority.firstIndex(of: "]") else { return nil }
            let host = authority[authority.index(after: authority.startIndex)..<end]
            let rest = authority[authority.index(after: end)...]
            if rest.isEmpty { return (host, nil) }
            return rest.hasPrefix(":") ? (host, rest.dropFirst()) : nil
        }
        let parts = authority.split(separator: ":", omittingEmptySubsequences: false)
        return parts.count <= 2 ? (parts[0], parts.count == 2 ? parts[1] : nil) : nil
    }

    /// Letters, digits, hyphens, dots and underscores, or an IPv6 address in brackets. Nothing percent-encoded.
    private static func isHost(_ host: Substring, bracketed: Bool) -> Bool {
        if bracketed { return host.contains(":") && IPAddress(host) != nil }
        return (1...253).contains(host.utf8.count) && !host.hasPrefix(".") && !host.contains("..")
            && host.utf8.allSatisfy { byte in
                switch byte {
                case 0x61...0x7A, 0x30...0x39, 0x2D, 0x2E, 0x5F: true
                default: false
                }
            }
    }
}
