extension Shopify {
    /// A shop's domain as Shopify knows it, in lower case; nil for anything else.
    static func shopDomain(_ text: String) -> String? {
        let domain = text.lowercased()
        let suffix = ".myshopify.com"
        guard domain.hasSuffix(suffix), (1...255).contains(domain.utf8.count) else { return nil }
        let name = domain.utf8.dropLast(suffix.utf8.count)
        guard let first = name.first, let last = name.last, first != UInt8(ascii: "-"), last != UInt8(ascii: "-"),
            name.count <= 63, name.allSatisfy(isAllowed)
        else { return nil }
        return domain
    }

    private static func isAllowed(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"): true
        default: false
        }
    }
}
