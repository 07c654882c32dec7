public import JSON
public import Time

// How our own value types look in JSON.

extension ID: JSONWritable {
    func write(to writer: inout JSONWriter) { writer.string(description) }
}

extension Instant: JSONWritable {
    public func write(to writer: inout JSONWriter) { writer.string(rfc3339) }
}

extension FieldRule {
    /// An id in a body: `"sto_01h455vb4pex5vsknk084sn02q"`.
    static func id<Kind>() -> FieldRule<ID<Kind>> where Value == ID<Kind> {
        .parsed("an id such as \(Kind.prefix)_01h455vb4pex5vsknk084sn02q", length: 1...100) { ID<Kind>($0) }
    }
}
