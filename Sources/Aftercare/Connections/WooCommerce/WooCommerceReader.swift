import FoundationEssentials
import JSON
import Time

extension BodyReader {
    /// A time of a member whose name ends in `_gmt`: UTC, and no `Z` to say so. The members without that ending are the
    /// shop's local time, of a zone nobody names: they are never read.
    func gmt(_ name: String) throws(Poison) -> Instant? {
        guard let text = try text(name), !text.isEmpty else { return nil }
        guard let instant = Instant(rfc3339: text + "Z") ?? Instant(rfc3339: text) else {
            throw Poison(.unreadableTime, name)
        }
        return instant
    }

    /// Nil also for what is finer than the currency's minor unit: a shop chooses its own number of decimals.
    func amount(_ name: String, in currency: String?) throws(Poison) -> Money? {
        guard let text = try text(name), !text.isEmpty, let currency else { return nil }
        guard JSONNumber(text: text) != nil else { throw Poison(.unreadableAmount, name) }
        return Money(decimal: text, currency: currency)
    }

    /// Whole pieces. Shops that sell parts of one say 1.5: that is two to look after.
    func pieces(_ name: String) throws(Poison) -> Int {
        guard let text = try text(name), !text.isEmpty else { return 0 }
        guard let number = Double(text), number.magnitude < 2_000_000_000 else {
            throw Poison(.unreadableNumber, name)
        }
        return Int(number.rounded(.up))
    }

    /// Nil for an empty text: some write that where they have nothing to say.
    func words(_ name: String) throws(Poison) -> String? {
        let text = try text(name)
        return text?.isEmpty == true ? nil : text
    }
}
