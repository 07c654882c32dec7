/// A value that no text, log line, dump or mirror ever shows. Only ``reveal()`` gives it out.
///
/// Not `Codable`, `Equatable` or `Hashable`, on purpose: each would be a way out, or a comparison that takes longer the
/// more of a guess is right.
public struct Secret<Value: Sendable>: Sendable, CustomStringConvertible, CustomDebugStringConvertible,
    CustomReflectable
{
    private let value: Value

    public init(_ value: Value) {
        self.value = value
    }

    /// The value itself. Keep what it is put into as short-lived as possible.
    public func reveal() -> Value { value }

    public var description: String { "[redacted]" }
    public var debugDescription: String { "[redacted]" }
    public var customMirror: Mirror { Mirror(self, children: []) }
}
