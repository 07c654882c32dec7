import JSON

/// A topic is a header, and no header is signed: whoever has one signed body could send it under any topic. So what takes
/// something away has to look like it, and is quarantined otherwise.
extension BodyReader {
    /// Refuses a body that tells of one of these, as bodies of this topic never do.
    func refuse(_ names: String...) throws(Poison) {
        for name in names where object[name] != nil { throw Poison(.otherTopic, name) }
    }

    /// Refuses a body that tells of none of these, of which bodies of this topic tell.
    func demand(_ names: String...) throws(Poison) {
        guard names.contains(where: { object[$0] != nil }) else { throw Poison(.otherTopic, names.first) }
    }
}
