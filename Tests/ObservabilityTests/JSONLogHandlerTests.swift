import Foundation
import Logging
import Testing

@testable import Observability

struct JSONLogHandlerTests {
    let lines = Lines()

    private func logger(
        level: Logger.Level = .trace,
        provider: Logger.MetadataProvider? = nil
    ) -> Logger {
        Logger(label: "deliver") { [lines] label in
            JSONLogHandler(label: label, level: level, metadataProvider: provider, sink: lines.sink, now: { 42 })
        }
    }

    private func object(_ line: String) throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
    }

    @Test func `a line has fixed members first and metadata by key`() {
        logger().info("sent", metadata: ["z": "1", "a": "2"], source: "Here")
        #expect(
            lines.all == [
                #"{"ts":"1970-01-01T00:00:00.042Z","level":"info","logger":"deliver","message":"sent","source":"Here","#
                    + #""a":"2","z":"1"}"#
            ]
        )
    }

    @Test func `values keep their JSON type`() throws {
        logger().info(
            "x",
            metadata: [
                "n": .stringConvertible(-7), "d": .stringConvertible(1.5), "b": .stringConvertible(true),
                "nan": .stringConvertible(Double.nan), "s": "7", "u": .stringConvertible(UInt64.max),
                "list": ["a", ["k": "v", "e": .dictionary([:])], .array([])],
            ]
        )
        let object = try object(lines.all[0])
        #expect(object["n"] as? Int == -7)
        #expect(object["d"] as? Double == 1.5)
        #expect(object["b"] as? Bool == true)
        #expect(object["nan"] as? String == "nan")
        #expect(object["s"] as? String == "7")
        #expect(lines.all[0].contains(#""u":18446744073709551615"#))
        #expect(lines.all[0].contains(#""list":["a",{"e":{},"k":"v"},[]]"#))
    }

    @Test func `any text comes back as it was, on one printable line`() throws {
        let controls = (0...0x9F).compactMap(Unicode.Scalar.init).map(String.init).joined()
        let rest = "\u{2028}\u{2029}\u{202E}\u{2067}\u{FEFF}\u{10FFFF}\u{1F9FE}e\u{301}\"\\/"
        let text = controls + rest + String(decoding: [0xFF, 0xC3], as: UTF8.self)
        logger().info("\(text)", metadata: [text: "\(text)"])
        let line = lines.all[0]
        #expect(line.unicodeScalars.allSatisfy { $0.properties.generalCategory != .control })
        let invisible = Set("\u{2028}\u{202E}\u{2067}\u{FEFF}".unicodeScalars)
        #expect(invisible.isDisjoint(with: line.unicodeScalars))
        let object = try object(line)
        #expect((object["message"] as? String).map { Array($0.unicodeScalars) } == Array(text.unicodeScalars))
        #expect(object[text] as? String == text)
    }

    @Test func `the event's metadata goes over the provider's and that over the logger's`() throws {
        var logger = logger(provider: .init { ["who": "provider", "trace": "t"] })
        logger[metadataKey: "who"] = "logger"
        logger[metadataKey: "own"] = "o"
        logger.info("1")
        logger.info("2", metadata: ["who": "event"])
        #expect(try object(lines.all[0])["who"] as? String == "provider")
        #expect(try object(lines.all[1])["who"] as? String == "event")
        #expect(try object(lines.all[1])["trace"] as? String == "t")
        #expect(try object(lines.all[1])["own"] as? String == "o")
    }

    @Test func `metadata cannot pose as a fixed member`() throws {
        logger().info("true", metadata: ["message": "false", "level": "critical"])
        let object = try object(lines.all[0])
        #expect(object["message"] as? String == "true")
        #expect(object["metadata.message"] as? String == "false")
        #expect(object["level"] as? String == "info")
    }

    @Test func `an error is written with its type`() throws {
        struct Broken: Error, CustomStringConvertible { var description: String { "it \"broke\"" } }
        logger().error("x", error: Broken())
        let object = try object(lines.all[0])
        #expect(object["error"] as? String == "it \"broke\"")
        #expect((object["error_type"] as? String)?.hasSuffix("Broken") == true)
    }

    @Test func `level and metadata are values`() {
        var one = logger(level: .info)
        one[metadataKey: "k"] = "one"
        var two = one
        two.logLevel = .error
        two[metadataKey: "k"] = "two"
        #expect(one.logLevel == .info)
        #expect(two.logLevel == .error)
        #expect(one[metadataKey: "k"] == "one")
        two.info("below the level")
        #expect(lines.all.isEmpty)
    }

    @Test(arguments: [
        (0, "1970-01-01T00:00:00.000Z"), (-1, "1969-12-31T23:59:59.999Z"),
        (951_782_400_000, "2000-02-29T00:00:00.000Z"),
        (1_709_251_199_999, "2024-02-29T23:59:59.999Z"), (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        (253_402_300_799_999, "9999-12-31T23:59:59.999Z"), (-62_135_596_800_000, "0001-01-01T00:00:00.000Z"),
    ])
    func `times are RFC 3339 in UTC`(milliseconds: Int64, text: String) {
        #expect(rfc3339(milliseconds: milliseconds) == text)
    }

    @Test func `lines from many tasks stay whole, however long`() async throws {
        let pipe = Pipe()
        let sink = LogSink.descriptor(pipe.fileHandleForWriting.fileDescriptor)
        let long = String(repeating: "\u{1F9FE}", count: 5000)
        // The pipe is smaller than what is written, so it has to be read meanwhile, by a thread of its own: the writers
        // block all those that tasks have.
        let (read, continuation) = AsyncStream.makeStream(of: Data.self)
        Thread {
            // Counted, and not read to the end of the pipe: a program that another test starts may inherit its other end.
            var written = Data()
            while written.count(where: { $0 == UInt8(ascii: "\n") }) < 50 {
                written.append(pipe.fileHandleForReading.availableData)
            }
            continuation.yield(written)
        }.start()
        await withTaskGroup(of: Void.self) { group in
            for number in 0..<50 {
                group.addTask {
                    let logger = Logger(label: "t") { JSONLogHandler(label: $0, sink: sink) }
                    logger.info("\(number)", metadata: ["long": "\(long)"])
                }
            }
        }
        let written = try #require(await read.first { _ in true }).split(separator: UInt8(ascii: "\n"))
        let numbers = try written.map { line in
            let object = try object(String(decoding: line, as: UTF8.self))
            #expect(object["long"] as? String == long)
            return object["message"] as? String
        }
        #expect(Set(numbers) == Set((0..<50).map { "\($0)" }))
    }

    @Test func `a sink that cannot be written to is survived`() {
        LogSink.descriptor(-1)("lost")
    }
}
