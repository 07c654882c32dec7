import FoundationEssentials
import JSON
import Observability
import Support
import Testing
import Time

@testable import Aftercare

@Suite struct StandardWebhookTests {
    @Test(.enabled(if: SharedData.isThere, "\(SharedData.absent)"))
    func `the published vectors are signed as they say`() throws {
        let vectors = try JSON(parsing: SharedData.bytes("signatures/vectors.json")).arrayValue ?? []
        var count = 0
        for vector in vectors where vector["scheme"] == "standard-webhooks" && vector["note"] == nil {
            let secret = try #require(vector["secret"]?.stringValue.flatMap { StandardWebhook.secret($0) })
            let signature = StandardWebhook.signature(
                id: try #require(vector["id"]?.stringValue),
                seconds: try #require(vector["timestamp"]?.int64Value),
                body: Array(try #require(vector["body"]?.stringValue).utf8),
                secret: secret
            )
            #expect((signature == vector["expected"]?.stringValue) == vector["valid"]?.boolValue, "\(vector)")
            count += 1
        }
        #expect(count >= 6)
    }

    @Test func `both secrets sign while one is replaced, and the id stays`() throws {
        let secrets = [StandardWebhook.newSecret(), StandardWebhook.newSecret()]
        let headers = StandardWebhook.headers(
            id: "cmd_1",
            at: Instant(seconds: 1_700_000_000),
            body: [1, 2],
            secrets: secrets
        )
        #expect(headers.map(\.0) == ["webhook-id", "webhook-timestamp", "webhook-signature"])
        #expect(headers[0].1 == "cmd_1" && headers[1].1 == "1700000000")
        let request = LoopbackReceiver.Request(
            method: "POST",
            path: "/",
            headers: headers.map { (name: $0.0, value: $0.1) },
            body: [1, 2]
        )
        for secret in secrets { #expect(isSigned(request, by: StandardWebhook.text(of: secret))) }
        #expect(!isSigned(request, by: StandardWebhook.text(of: StandardWebhook.newSecret())))
    }

    @Test func `a secret is shown as the standard has it, and read back`() throws {
        let secret = StandardWebhook.newSecret()
        let text = StandardWebhook.text(of: secret)
        #expect(text.hasPrefix("whsec_") && secret.reveal().count == 32)
        #expect(StandardWebhook.secret(text)?.reveal() == secret.reveal())
        #expect(
            StandardWebhook.secret("whsec_!") == nil
                && StandardWebhook.secret("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw") == nil
        )
        #expect("\(secret)" == "[redacted]")
    }
}
