import Glibc
public import Logging

/// Writes each log event as one line of JSON:
///
///     {"ts":"2025-11-23T00:05:09.042Z","level":"info","logger":"deliver","message":"sent","source":"Aftercare","tenant":"t1"}
///
/// `error` and `error_type` follow `source` where the event carries an error. Metadata comes last, by key: the event's
/// over the provider's over the handler's own; integers, doubles and booleans as such, dictionaries and arrays as JSON,
/// anything else as text. A key that is one of ours is written as `metadata.<key>`.
public struct JSONLogHandler: LogHandler {
    public var logLevel: Logger.Level
    public var metadata: Logger.Metadata = [:]
    public var metadataProvider: Logger.MetadataProvider?

    private let label: String
    private let sink: LogSink
    private let now: @Sendable () -> Int64

    /// - Parameter now: milliseconds since 1970-01-01T00:00:00Z.
    public init(
        label: String,
        level: Logger.Level = .info,
        metadataProvider: Logger.MetadataProvider? = nil,
        sink: LogSink = .standardError,
        now: @escaping @Sendable () -> Int64 = JSONLogHandler.systemMilliseconds
    ) {
        self.label = label
        self.logLevel = level
        self.metadataProvider = metadataProvider
        self.sink = sink
        self.now = now
    }

    public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    public func log(event: LogEvent) {
        var json = JSONText()
        json.raw("{")
        json.key("ts", first: true)
        json.string(rfc3339(milliseconds: now()))
        json.key("level")
        json.string(event.level.rawValue)
        json.key("logger")
        json.string(label)
        json.key("message")
        json.string(event.message.description)
        json.key("source")
        json.string(event.source)
        if let error = event.error {
            json.key("error")
            json.string(String(describing: error))
            json.key("error_type")
            json.string(String(reflecting: type(of: error)))
        }
        for (key, value) in merged(event.metadata).sorted(by: { $0.key < $1.key }) {
            json.key(JSONLogHandler.ownKeys.contains(key) ? "metadata.\(key)" : key)
            json.value(value)
        }
        json.raw("}")
        sink(json.text)
    }

    private static let ownKeys: Set<String> = [
        "ts", "level", "logger", "message", "source", "error", "error_type",
    ]

    private func merged(_ explicit: Logger.Metadata?) -> Logger.Metadata {
        var all = metadata
        if let provided = metadataProvider?.get() { all.merge(provided) { _, new in new } }
        if let explicit { all.merge(explicit) { _, new in new } }
        return all
    }

    @Sendable public static func systemMilliseconds() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }
}

extension JSONText {
    mutating func value(_ value: Logger.MetadataValue) {
        switch value {
        case .string(let text): string(text)
        case .stringConvertible(let convertible):
            switch convertible {
            case let number as any FixedWidthInteger: raw(String(describing: number))
            case let number as Double where number.isFinite: raw(number.description)
            case let flag as Bool: raw(flag.description)
            default: string(convertible.description)
            }
        case .dictionary(let members):
            raw("{")
            for (index, member) in members.sorted(by: { $0.key < $1.key }).enumerated() {
                key(member.key, first: index == 0)
                self.value(member.value)
            }
            raw("}")
        case .array(let elements):
            raw("[")
            for (index, element) in elements.enumerated() {
                if index > 0 { raw(",") }
                self.value(element)
            }
            raw("]")
        }
    }
}
