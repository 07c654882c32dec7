import Time

extension BodyReader {
    /// At the order's own time; a body that was asked to leave it out counts from when the shop sent it.
    func stamp(_ names: [String], saidAt: Instant?) throws(Poison) -> Stamp {
        stamp(names, at: try time("updated_at") ?? saidAt)
    }
}
