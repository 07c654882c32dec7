import JSON

/// The query of a request: names and values decoded, in their order.
struct QueryParameters: Sendable {
    let items: [(name: String, value: String)]

    /// Refuses what is not UTF-8 after decoding, holds NUL, names a parameter twice or one that `allowed` lacks; all
    /// in one answer.
    init(_ query: Substring?, allowed: Set<String>) throws(Problem) {
        var items: [(name: String, value: String)] = []
        var errors: [Problem.Item] = []
        for pair in (query ?? "").split(separator: "&") {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = Self.decode(parts[0]), let value = Self.decode(parts.count > 1 ? parts[1] : "") else {
                errors.append(
                    .parameter(String(parts[0]), code: .invalidFormat, detail: "is not percent-encoded UTF-8")
                )
                continue
            }
            if !allowed.contains(name) {
                let known = allowed.isEmpty ? "none" : allowed.sorted().joined(separator: ", ")
                errors.append(
                    .parameter(name, code: .unknownMember, detail: "is not a parameter of this operation: \(known)")
                )
            } else if items.contains(where: { $0.name == name }) {
                errors.append(.parameter(name, code: .invalidFormat, detail: "is given twice"))
            } else {
                items.append((name, value))
            }
        }
        guard errors.isEmpty else { throw Self.problem(errors) }
        self.items = items
    }

    subscript(name: String) -> String? { items.first { $0.name == name }?.value }

    /// The parameter as `Value`; absent is nil, unreadable is a 400 that says what would be right.
    func value<Value>(_ name: String, _ expected: String, _ parse: (String) -> Value?) throws(Problem) -> Value? {
        guard let text = self[name] else { return nil }
        guard let value = parse(text) else {
            throw Self.problem([.parameter(name, code: .invalidFormat, detail: "has to be \(expected)")])
        }
        return value
    }

    func id<Kind>(_ name: String, _: Kind.Type = Kind.self) throws(Problem) -> ID<Kind>? {
        try value(name, "an id such as \(Kind.prefix)_01h455vb4pex5vsknk084sn02q") { ID<Kind>($0) }
    }

    static func problem(_ errors: [Problem.Item]) -> Problem {
        let count = errors.count
        var problem = Problem(
            .invalidParameter,
            count == 1 ? "1 parameter is invalid." : "\(count) parameters are invalid."
        )
        problem.errors = errors
        return problem
    }

    /// Percent-encoding undone; nil for what is not UTF-8 then, or holds NUL. Only a query writes a space as `+`.
    static func decode(_ text: Substring, plusIsSpace: Bool = true) -> String? {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.utf8.count)
        var rest = text.utf8.makeIterator()
        while let byte = rest.next() {
            switch byte {
            case UInt8(ascii: "+") where plusIsSpace:
                bytes.append(UInt8(ascii: " "))
            case UInt8(ascii: "%"):
                guard let high = rest.next().flatMap(hexadecimal), let low = rest.next().flatMap(hexadecimal) else {
                    return nil
                }
                bytes.append(high << 4 | low)
            default:
                bytes.append(byte)
            }
        }
        // PostgreSQL's text holds no NUL.
        return bytes.contains(0) ? nil : String(validating: bytes, as: UTF8.self)
    }

    private static func hexadecimal(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
