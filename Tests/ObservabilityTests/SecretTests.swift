import Logging
import Observability
import Synchronization
import Testing

struct SecretTests {
    struct Holder {
        var name = "db"
        var password = Secret("hunter2")
        var nested: [String: Secret<[String]>?] = ["k": Secret(["hunter2"])]
    }

    @Test func `no text of a secret, or of what holds one, shows it`() {
        let holder = Holder()
        var dumped = ""
        dump(holder, to: &dumped)
        dump(holder.password, to: &dumped)
        let texts = [
            "\(holder.password)", String(describing: holder.password), String(reflecting: holder.password),
            "\(holder)", String(reflecting: holder), "\(Optional(holder.password) as Any)", "\([holder.password])",
            String(describing: Mirror(reflecting: holder.password)), dumped,
        ]
        for text in texts { #expect(!text.contains("hunter2")) }
        for text in texts.prefix(3) { #expect(text == "[redacted]") }
        #expect(Mirror(reflecting: holder.password).children.isEmpty)
        #expect(holder.password.reveal() == "hunter2")
    }

    @Test func `a secret in a log line is redacted`() {
        let lines = Lines()
        var logger = Logger(label: "t") { JSONLogHandler(label: $0, sink: lines.sink) }
        logger[metadataKey: "key"] = .stringConvertible(Secret("hunter2"))
        logger.error("with \(Secret("hunter2"))", metadata: ["all": ["\(Holder())"]])
        #expect(lines.all.count == 1)
        #expect(!lines.all[0].contains("hunter2"))
        #expect(lines.all[0].contains("\"key\":\"[redacted]\""))
    }
}

/// Collects log lines.
final class Lines: Sendable {
    private let lines = Mutex<[String]>([])
    var all: [String] { lines.withLock { $0 } }
    var sink: LogSink { LogSink { line in self.lines.withLock { $0.append(line) } } }
}
