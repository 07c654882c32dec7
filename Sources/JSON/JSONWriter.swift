/// Writes one JSON value into bytes without building a tree.
///
///     var writer = JSONWriter()
///     writer.object { order in
///         order.member("id", "ord_01h455vb4pex5vsknk084sn02q")
///         order.object("total") { $0.member("amount", 1299); $0.member("currency", "EUR") }
///         order.array("items", items) { $0.object { ... } }
///     }
///     response.body = writer.bytes
///
/// Members and elements have writers of their own, which place the commas and colons: what comes out is always
/// well-formed. A name given twice is written twice; nobody checks.
public struct JSONWriter {
    public internal(set) var bytes: [UInt8] = []

    public init(reservingCapacity capacity: Int = 512) { bytes.reserveCapacity(capacity) }

    public var text: String { String(decoding: bytes, as: UTF8.self) }

    public mutating func value(_ value: some JSONWritable) { value.write(to: &self) }

    public mutating func null() { bytes.append(contentsOf: "null".utf8) }

    /// A number by its text.
    public mutating func number(_ number: JSONNumber) { raw(number.text) }

    public mutating func object<E: Error>(_ body: (inout JSONObjectWriter) throws(E) -> Void) throws(E) {
        var inner = JSONObjectWriter(taking: &self)
        defer { inner.close(into: &self) }
        try body(&inner)
    }

    public mutating func array<E: Error>(_ body: (inout JSONArrayWriter) throws(E) -> Void) throws(E) {
        var inner = JSONArrayWriter(taking: &self)
        defer { inner.close(into: &self) }
        try body(&inner)
    }

    public mutating func array<S: Sequence, E: Error>(
        _ elements: S,
        _ each: (inout JSONWriter, S.Element) throws(E) -> Void
    ) throws(E) {
        try array { (array) throws(E) in
            for element in elements { try array.element { (writer) throws(E) in try each(&writer, element) } }
        }
    }

    /// Text that is JSON already and needs no escapes.
    mutating func raw(_ text: String) { bytes.append(contentsOf: text.utf8) }

    /// A string in quotes: `"`, `\` and control characters escaped, `/` and everything beyond ASCII as they are.
    public mutating func string(_ text: String) {
        bytes.append(0x22)
        var text = text
        text.withUTF8 { source in
            var run = 0
            for index in source.indices {
                let byte = source[index]
                guard byte < 0x20 || byte == 0x22 || byte == 0x5C else { continue }
                bytes.append(contentsOf: UnsafeBufferPointer(rebasing: source[run..<index]))
                escape(byte)
                run = index + 1
            }
            bytes.append(contentsOf: UnsafeBufferPointer(rebasing: source[run...]))
        }
        bytes.append(0x22)
    }

    private mutating func escape(_ byte: UInt8) {
        bytes.append(0x5C)
        switch byte {
        case 0x22, 0x5C: bytes.append(byte)
        case 0x08: bytes.append(0x62)
        case 0x09: bytes.append(0x74)
        case 0x0A: bytes.append(0x6E)
        case 0x0C: bytes.append(0x66)
        case 0x0D: bytes.append(0x72)
        default:
            let low = byte & 0xF
            bytes.append(contentsOf: [0x75, 0x30, 0x30, 0x30 + byte >> 4, low < 10 ? 0x30 + low : 0x57 + low])
        }
    }
}

/// Writes the members of one object.
public struct JSONObjectWriter {
    private var writer: JSONWriter
    private var isFirst = true

    init(taking outer: inout JSONWriter) {
        writer = JSONWriter(reservingCapacity: 0)
        // The bytes move rather than being copied: the outer writer holds none until `close`.
        swap(&writer.bytes, &outer.bytes)
        writer.bytes.append(0x7B)
    }

    mutating func close(into outer: inout JSONWriter) {
        writer.bytes.append(0x7D)
        swap(&writer.bytes, &outer.bytes)
    }

    private mutating func name(_ name: String) {
        if isFirst { isFirst = false } else { writer.bytes.append(0x2C) }
        writer.string(name)
        writer.bytes.append(0x3A)
    }

    public mutating func member(_ name: String, _ value: some JSONWritable) {
        self.name(name)
        value.write(to: &writer)
    }

    /// A member left out when there is no value; `member` with an optional writes `null` instead.
    public mutating func memberIfPresent(_ name: String, _ value: (some JSONWritable)?) {
        if let value { member(name, value) }
    }

    /// A member whose value the closure writes; it must write exactly one.
    public mutating func member<E: Error>(_ name: String, _ body: (inout JSONWriter) throws(E) -> Void) throws(E) {
        self.name(name)
        let before = writer.bytes.count
        defer { if writer.bytes.count == before { writer.null() } }
        try body(&writer)
    }

    public mutating func object<E: Error>(
        _ name: String,
        _ body: (inout JSONObjectWriter) throws(E) -> Void
    ) throws(E) {
        self.name(name)
        try writer.object(body)
    }

    public mutating func array<E: Error>(
        _ name: String,
        _ body: (inout JSONArrayWriter) throws(E) -> Void
    ) throws(E) {
        self.name(name)
        try writer.array(body)
    }

    public mutating func array<S: Sequence, E: Error>(
        _ name: String,
        _ elements: S,
        _ each: (inout JSONWriter, S.Element) throws(E) -> Void
    ) throws(E) {
        self.name(name)
        try writer.array(elements, each)
    }
}

/// Writes the elements of one array.
public struct JSONArrayWriter {
    private var writer: JSONWriter
    private var isFirst = true

    init(taking outer: inout JSONWriter) {
        writer = JSONWriter(reservingCapacity: 0)
        swap(&writer.bytes, &outer.bytes)
        writer.bytes.append(0x5B)
    }

    mutating func close(into outer: inout JSONWriter) {
        writer.bytes.append(0x5D)
        swap(&writer.bytes, &outer.bytes)
    }

    private mutating func separate() {
        if isFirst { isFirst = false } else { writer.bytes.append(0x2C) }
    }

    public mutating func element(_ value: some JSONWritable) {
        separate()
        value.write(to: &writer)
    }

    /// An element the closure writes; it must write exactly one value.
    public mutating func element<E: Error>(_ body: (inout JSONWriter) throws(E) -> Void) throws(E) {
        separate()
        let before = writer.bytes.count
        defer { if writer.bytes.count == before { writer.null() } }
        try body(&writer)
    }

    public mutating func object<E: Error>(_ body: (inout JSONObjectWriter) throws(E) -> Void) throws(E) {
        separate()
        try writer.object(body)
    }
}
