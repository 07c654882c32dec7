import Testing

@testable import Aftercare

// research: SSRF. OWASP API7.
@Suite struct `An IP address` {
    static let kinds: [(String, IPAddress.Kind)] = [
        ("0.0.0.0", .unspecified), ("0.255.255.255", .unspecified), ("1.0.0.0", .global), ("1.1.1.1", .global),
        ("9.255.255.255", .global), ("10.0.0.0", .private), ("10.255.255.255", .private), ("11.0.0.0", .global),
        ("100.63.255.255", .global), ("100.64.0.0", .shared), ("100.127.255.255", .shared), ("100.128.0.0", .global),
        ("127.0.0.1", .loopback), ("127.255.255.255", .loopback), ("128.0.0.0", .global),
        ("169.253.255.255", .global), ("169.254.0.0", .linkLocal), ("169.254.169.254", .linkLocal),
        ("169.255.0.0", .global), ("172.15.255.255", .global), ("172.16.0.0", .private),
        ("172.31.255.255", .private), ("172.32.0.0", .global), ("192.0.0.1", .reserved), ("192.0.1.0", .global),
        ("192.0.2.1", .documentation), ("192.88.99.1", .reserved), ("192.167.255.255", .global),
        ("192.168.0.1", .private), ("192.169.0.0", .global), ("198.17.255.255", .global),
        ("198.18.0.0", .benchmarking), ("198.19.255.255", .benchmarking), ("198.20.0.0", .global),
        ("198.51.100.1", .documentation), ("203.0.113.1", .documentation), ("223.255.255.255", .global),
        ("224.0.0.1", .multicast), ("239.255.255.255", .multicast), ("240.0.0.1", .reserved),
        ("255.255.255.255", .reserved),
        ("::", .unspecified), ("::1", .loopback), ("::2", .embedded), ("::127.0.0.1", .embedded),
        ("::ffff:127.0.0.1", .embedded), ("::ffff:a9fe:a9fe", .embedded), ("::ffff:8.8.8.8", .embedded),
        ("64:ff9b::a9fe:a9fe", .embedded), ("64:ff9b:1::1", .embedded), ("64:ff9c::1", .reserved),
        ("100::1", .reserved), ("2001::1", .embedded), ("2001:2::1", .benchmarking), ("2001:10::1", .reserved),
        ("2001:1ff:ffff::1", .reserved), ("2001:200::1", .global), ("2001:4860:4860::8888", .global),
        ("2001:db8::1", .documentation), ("2002:a9fe:a9fe::", .embedded), ("2003::1", .global),
        ("2a00:1450::1", .global), ("3fff::1", .documentation), ("3fff:1000::1", .global), ("4000::1", .reserved),
        ("5f00::1", .reserved), ("fc00::1", .uniqueLocal), ("fdff::1", .uniqueLocal), ("fe80::1", .linkLocal),
        ("febf::1", .linkLocal), ("fec0::1", .reserved), ("ff02::1", .multicast),
    ]

    @Test(arguments: kinds) func `is of its kind`(_ text: String, _ kind: IPAddress.Kind) {
        #expect(IPAddress(text)?.kind == kind)
    }

    @Test func `has every kind in the table of blocks, and every block is one`() {
        #expect(IPAddress.special.count == IPAddress.specialTexts.count)
        #expect(Set(Self.kinds.map(\.1)) == Set(IPAddress.Kind.allCases))
    }

    @Test(arguments: [
        "", "1", "1.2.3", "0x7f.0.0.1", "1.2.3.4 ", "1.2.3.4.5", "1.2.3.256", "[::1]", "fe80::1%eth0", ":::",
    ])
    func `is written in the usual form alone`(_ text: String) {
        #expect(IPAddress(text) == nil)
    }

    @Test(arguments: ["192.0.2.1", "2001:db8::1", "::1", "::ffff:10.0.0.1"])
    func `is written as it is read`(_ text: String) {
        #expect(IPAddress(text)?.description == text)
    }
}

@Suite struct `An address on the web` {
    static let good: [(String, Bool, String, Int)] = [
        ("https://shop.example", true, "shop.example", 443),
        ("HTTPS://Shop.Example/Hook?a=b&c=%2F", true, "shop.example", 443),
        ("https://shop.example:8443/", true, "shop.example", 8443),
        ("http://shop.example?x", false, "shop.example", 80),
        ("https://127.0.0.1/", true, "127.0.0.1", 443), ("https://2130706433/", true, "2130706433", 443),
        ("https://[::1]:8443/x", true, "::1", 8443), ("https://shop_1.example.", true, "shop_1.example.", 443),
    ]

    @Test(arguments: good) func `is read`(_ url: String, _ isSecure: Bool, _ host: String, _ port: Int) throws {
        let address = try #require(WebAddress(url))
        #expect(address.isSecure == isSecure && address.host == host && address.port == port)
    }

    @Test(arguments: [
        "", "shop.example", "ftp://shop.example", "https:/shop.example", "https://", "https:///x", "https://?x",
        "https://user@shop.example/", "https://user:secret@shop.example/", "https://shop.example#x",
        "https://shop.example:0/", "https://shop.example:65536/", "https://shop.example:/", "https://a:1:2/",
        "https://shop.example\\@10.0.0.1/", "https://sho%70.example/", "https://sh op.example/",
        "https://shöp.example/",
        "https://.example/", "https://shop..example/", "https://[::1/", "https://[::1]x/", "https://[127.0.0.1]/",
        "https://[fe80::1%25eth0]/", "https://shop.example/\u{0}", "https://shop.example/\n",
        "https://shop.example/" + String(repeating: "a", count: 2000),
    ])
    func `is no other text`(_ url: String) { #expect(WebAddress(url) == nil) }
}
