/// Whether a shop and a tracking provider mean the same carrier. Each writes names in its own way (`USPS`, `usps`,
/// `U.S. Postal Service`), and shops write what they like (`Other`, `Standard shipping`).
enum Carrier {
    /// Only two carriers that are both known, and differ, are no match: a number is long, and that one store has two
    /// parcels of one number in one season is far less likely than a name we have not heard.
    static func areCompatible(_ one: String?, _ other: String?) -> Bool {
        guard let one = one.flatMap(family), let other = other.flatMap(family), one != other else { return true }
        // Couriers that hand their parcels over to the post for the last mile, under one number.
        return one == "usps" && handsOver.contains(other) || other == "usps" && handsOver.contains(one)
    }

    /// As a part of a key: one word for each way to write a name.
    static func normalized(_ name: String?) -> String {
        String(String.UnicodeScalarView((name ?? "").lowercased().unicodeScalars.filter(isPlain).prefix(100)))
    }

    /// The carrier a name begins with; nil for one that is not known.
    static func family(_ name: String) -> String? {
        let name = normalized(name)
        return families.first { $0.prefixes.contains { name.hasPrefix($0) } }?.name
    }

    private static func isPlain(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "a"..."z", "0"..."9": true
        default: false
        }
    }

    private static let handsOver: Set = ["amazon", "dhl", "fedex", "ontrac", "ups"]

    /// Where a name begins as two of them do, the first counts.
    private static let families: [(name: String, prefixes: [String])] = [
        ("usps", ["usps", "uspostal", "unitedstatespostal"]),
        ("ups", ["ups", "unitedparcel"]),
        ("fedex", ["fedex", "federalexpress"]),
        ("dhl", ["dhl", "deutschepost"]),
        ("royalmail", ["royalmail", "parcelforce"]),
        ("canadapost", ["canadapost", "postescanada"]),
        ("australiapost", ["australiapost", "auspost", "startrack"]),
        ("laposte", ["laposte", "colissimo", "chronopost"]),
        ("evri", ["evri", "hermes", "myhermes"]),
        ("austrianpost", ["austrianpost", "osterreichischepost", "postat"]),
        ("swisspost", ["swisspost", "postch"]),
        ("correos", ["correos"]),
        ("dpd", ["dpd"]),
        ("gls", ["gls"]),
        ("postnl", ["postnl"]),
        ("bpost", ["bpost"]),
        ("ontrac", ["ontrac", "lasership"]),
        ("amazon", ["amazon"]),
    ]
}
