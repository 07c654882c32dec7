extension BodyReader {
    /// At the order's own time: every body of Shopify's says when it was true.
    func stamp(_ names: [String]) throws(Poison) -> Stamp { stamp(names, at: try time("updated_at")) }
}
