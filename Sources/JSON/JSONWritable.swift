/// A value that can stand in a response; ids, instants and amounts conform where they are declared.
public protocol JSONWritable {
    /// Writes exactly one JSON value.
    func write(to writer: inout JSONWriter)
}

extension String: JSONWritable {
    public func write(to writer: inout JSONWriter) { writer.string(self) }
}

extension Bool: JSONWritable {
    public func write(to writer: inout JSONWriter) { writer.raw(self ? "true" : "false") }
}

extension Int: JSONWritable {
    public func write(to writer: inout JSONWriter) { writer.raw(String(self)) }
}

extension Int32: JSONWritable {
    public func write(to writer: inout JSONWriter) { writer.raw(String(self)) }
}

extension Int64: JSONWritable {
    public func write(to writer: inout JSONWriter) { writer.raw(String(self)) }
}

extension Double: JSONWritable {
    /// The shortest text that reads back as this value; `null` when it is not finite.
    public func write(to writer: inout JSONWriter) {
        if isFinite { writer.raw("\(self)") } else { writer.null() }
    }
}

extension JSONNumber: JSONWritable {
    public func write(to writer: inout JSONWriter) { writer.number(self) }
}

extension Optional: JSONWritable where Wrapped: JSONWritable {
    public func write(to writer: inout JSONWriter) {
        if let self { self.write(to: &writer) } else { writer.null() }
    }
}

extension Array: JSONWritable where Element: JSONWritable {
    public func write(to writer: inout JSONWriter) {
        writer.array { array in
            for element in self { array.element(element) }
        }
    }
}

extension JSON: JSONWritable {
    public func write(to writer: inout JSONWriter) { write(to: &writer, sorted: false) }

    fileprivate func write(to writer: inout JSONWriter, sorted: Bool) {
        switch self {
        case .null: writer.null()
        case .bool(let value): value.write(to: &writer)
        case .number(let number): writer.number(number)
        case .string(let text): writer.string(text)
        case .array(let elements):
            writer.bytes.append(0x5B)
            var isFirst = true
            for element in elements {
                if isFirst { isFirst = false } else { writer.bytes.append(0x2C) }
                element.write(to: &writer, sorted: sorted)
            }
            writer.bytes.append(0x5D)
        case .object(let object): writer.members(of: object, sorted: sorted)
        }
    }
}

extension JSONObject: JSONWritable {
    public func write(to writer: inout JSONWriter) { writer.members(of: self, sorted: false) }
}

extension JSONWriter {
    fileprivate mutating func members(of object: JSONObject, sorted: Bool) {
        let members = sorted ? object.members.sorted(by: precedes) : object.members
        bytes.append(0x7B)
        var isFirst = true
        for member in members {
            if isFirst { isFirst = false } else { bytes.append(0x2C) }
            string(member.name)
            bytes.append(0x3A)
            member.value.write(to: &self, sorted: sorted)
        }
        bytes.append(0x7D)
    }
}

private func precedes(_ a: JSONObject.Member, _ b: JSONObject.Member) -> Bool {
    a.name.utf8.lexicographicallyPrecedes(b.name.utf8)
}

extension JSON {
    /// The compact text: no whitespace, members in their order, numbers as they were written.
    public var serialized: String { String(decoding: serializedBytes, as: UTF8.self) }

    /// The compact text as UTF-8.
    public var serializedBytes: [UInt8] {
        var writer = JSONWriter()
        write(to: &writer)
        return writer.bytes
    }

    /// The compact text with members sorted by the UTF-8 bytes of their names, for hashing: equal values give equal
    /// bytes. Not RFC 8785, which rewrites numbers and sorts by UTF-16.
    public var canonicalBytes: [UInt8] {
        var writer = JSONWriter()
        write(to: &writer, sorted: true)
        return writer.bytes
    }
}
