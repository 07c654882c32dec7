extension WooCommerce {
    /// The address of a shop, `https://shop.example` or `https://example.com/shop`: in lower case up to the path, and
    /// without a slash at its end. Nil for anything else.
    static func siteURL(_ text: String) -> String? {
        let scheme = "https://"
        guard text.utf8.count <= 255, text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }),
            text.lowercased().hasPrefix(scheme)
        else { return nil }
        let rest = text.dropFirst(scheme.count)
        let authority = rest.prefix { $0 != "/" }.lowercased()
        var path = rest.dropFirst(authority.count)
        while path.last == "/" { path.removeLast() }
        let parts = authority.split(separator: ":", omittingEmptySubsequences: false)
        guard let host = parts.first, isHost(host), parts.count <= 2, path.utf8.allSatisfy(isOfPath) else { return nil }
        guard parts.count == 2, parts[1] != "443" else { return "\(scheme)\(host)\(path)" }
        guard let port = UInt16(parts[1]), port > 0 else { return nil }
        return "\(scheme)\(host):\(port)\(path)"
    }

    private static func isHost(_ host: Substring) -> Bool {
        host.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { label in
            (1...63).contains(label.utf8.count) && label.first != "-" && label.last != "-"
                && label.utf8.allSatisfy { isLetterOrDigit($0) || $0 == UInt8(ascii: "-") }
        }
    }

    private static func isLetterOrDigit(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
        default: false
        }
    }

    /// Neither a query nor a fragment: webhooks and the API are below the address.
    private static func isOfPath(_ byte: UInt8) -> Bool {
        isLetterOrDigit(byte | 0x20) || "/-._~%".utf8.contains(byte)
    }
}
