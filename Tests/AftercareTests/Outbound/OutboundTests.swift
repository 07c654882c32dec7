import Curl
import Foundation
import Support
import Synchronization
import Testing

@testable import Aftercare

/// What the program reaches of the addresses that tenants name. OWASP API7.
@Suite(.timeLimit(.minutes(2))) struct OutboundTests {
    private func outbound(_ names: [String: [String]], allowing: Bool = false) -> Outbound {
        let resolver = Resolver { (names[$0] ?? []).compactMap { IPAddress($0) } }
        return Outbound(resolver: resolver, allowsPrivateAddresses: allowing)
    }

    @Test(arguments: [
        ("https://shop.example/hook", ["93.184.216.34"], nil as Outbound.Refusal?),
        ("https://shop.example:8443/hook", ["2606:2800:220:1::1"], nil),
        ("https://shop.example/hook", [], .unresolved),
        ("https://shop.example/hook", ["10.0.0.1"], .notPublic(.private)),
        // One of them is enough: whoever connects may take any.
        ("https://shop.example/hook", ["93.184.216.34", "169.254.169.254"], .notPublic(.linkLocal)),
        ("https://shop.example/hook", ["93.184.216.34", "::1"], .notPublic(.loopback)),
        ("https://shop.example/hook", ["::ffff:127.0.0.1"], .notPublic(.embedded)),
        ("http://shop.example/hook", ["93.184.216.34"], .notHTTPS),
        ("https://shop.example:22/hook", ["93.184.216.34"], .port(22)),
        ("https://user@shop.example/hook", ["93.184.216.34"], .notAnAddress),
    ])
    func `an address is looked at before it is used`(
        _ url: String,
        _ addresses: [String],
        _ refusal: Outbound.Refusal?
    ) async {
        let outbound = outbound(["shop.example": addresses])
        do throws(Outbound.Refusal) {
            let address = try await outbound.vet(url)
            #expect(refusal == nil && address == addresses.first)
        } catch {
            #expect(error == refusal)
        }
    }

    @Test(arguments: ["https://127.0.0.1/", "https://[::1]/", "https://169.254.169.254/latest", "https://10.1.2.3/"])
    func `one that is written out is refused before anybody is asked`(_ url: String) {
        #expect(throws: Outbound.Refusal.self) { try Outbound().check(url) }
        #expect(throws: Never.self) { try Outbound(allowsPrivateAddresses: true).check(url) }
    }

    // Decimal, octal, hexadecimal and short forms are names to us, and what they mean is what the resolver says.
    @Test(arguments: [
        "https://2130706433/", "https://0x7f.1/", "https://0177.0.0.1/", "https://127.1/", "https://localhost/",
    ])
    func `one that is disguised is refused by what it means`(_ url: String) async {
        await #expect(throws: Outbound.Refusal.notPublic(.loopback)) { try await Outbound().vet(url) }
    }

    // DNS rebinding: the name means another machine at the second look, and there is none.
    @Test func `what was looked at is what is connected to`() async throws {
        try await LoopbackReceiver.run { receiver in
            let asked = Mutex(0)
            let resolver = Resolver { _ in
                let before = asked.withLock { count in
                    defer { count += 1 }
                    return count
                }
                return [IPAddress(before == 0 ? "127.0.0.1" : "192.0.2.1")].compactMap { $0 }
            }
            let outbound = Outbound(resolver: resolver, allowsPrivateAddresses: true)
            let url = "http://rebinding.example:\(receiver.port)/hook"
            let answer = try await outbound.send(HTTPClient.Request("POST", url, body: [1]))
            #expect(answer.status == 204 && asked.withLock { $0 } == 1)
            #expect(receiver.requests.first?.header("Host") == "rebinding.example:\(receiver.port)")
        }
    }

    @Test func `a redirect is an answer, and is not followed`() async throws {
        try await LoopbackReceiver.run { _, _ in
            .status(307, headers: [("Location", "http://169.254.169.254/latest/meta-data")])
        } _: { receiver in
            let answer = try await outbound([:], allowing: true).send(HTTPClient.Request("POST", receiver.url()))
            #expect(answer.status == 307 && receiver.requests.count == 1)
        }
    }

    @Test func `a private address is refused unless it is allowed, and nothing reaches it`() async throws {
        try await LoopbackReceiver.run { receiver in
            let names = ["shop.example": ["127.0.0.1"]]
            let url = "https://shop.example:8443/"
            await #expect(throws: Outbound.Failure.refused(.notPublic(.loopback))) {
                try await outbound(names).send(HTTPClient.Request("POST", url))
            }
            await #expect(throws: Outbound.Failure.refused(.notHTTPS)) {
                try await outbound(names).send(HTTPClient.Request("POST", receiver.url()))
            }
            #expect(receiver.requests.isEmpty)
        }
    }

    @Test func `a receiver that says nothing, or too much, is given up`() async throws {
        try await LoopbackReceiver.run { request, _ in
            request.path == "/silent" ? .silence : .status(200, body: String(repeating: "a", count: 5000))
        } _: { receiver in
            let outbound = outbound([:], allowing: true)
            await #expect(throws: Outbound.Failure.transfer(.timedOut(requestSent: true))) {
                try await outbound.send(
                    HTTPClient.Request("POST", receiver.url("/silent")),
                    deadline: .milliseconds(300)
                )
            }
            await #expect(throws: Outbound.Failure.transfer(.responseTooLarge(limit: 4096))) {
                try await outbound.send(
                    HTTPClient.Request("POST", receiver.url("/long"), maximumResponseBytes: 4096)
                )
            }
        }
    }

    @Test func `a resolver that does not answer holds nobody up`() async throws {
        let gate = DispatchSemaphore(value: 0)
        let resolver = Resolver { _ in
            gate.wait()
            return []
        }
        #expect(await resolver.addresses(of: "slow.example", within: .milliseconds(50)) == nil)
        gate.signal()
        // Asked at once for what needs no asking.
        #expect(await resolver.addresses(of: "192.0.2.1", within: .zero)?.map(\.description) == ["192.0.2.1"])
    }
}
