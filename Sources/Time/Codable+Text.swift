extension Decoder {
    /// A value written as one string; a `DecodingError` that names what was `expected` when `read` refuses it.
    func text<Value>(_ expected: String, _ read: (String) -> Value?) throws -> Value {
        let container = try singleValueContainer()
        guard let value = try read(container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "Expected \(expected).")
        }
        return value
    }
}

extension Encoder {
    func encode(text: String) throws {
        var container = singleValueContainer()
        try container.encode(text)
    }
}
