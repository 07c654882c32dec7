import Crypto
import FoundationEssentials
import JSON
import Time

/// Reads a JSON object of a provider: a missing member and `null` are fine everywhere, a value of another type is not.
struct BodyReader {
    let object: JSONObject

    init(_ body: [UInt8]) throws(Poison) {
        let json: JSON
        do throws(JSONParseError) {
            json = try JSON(parsing: body, limits: .foreign)
        } catch {
            throw Poison(.malformedJSON)
        }
        guard let object = json.objectValue else { throw Poison(.notAnObject) }
        self.object = object
    }

    init(_ object: JSONObject) { self.object = object }

    func contains(_ names: String...) -> Bool { names.contains { object[$0] != nil } }

    /// An id: a number of any size, its digits as text, or the last part of a global one, `gid://shopify/Order/1`.
    func id(_ name: String) throws(Poison) -> String {
        switch object[name] {
        case nil, .null?:
            throw Poison(.missingID, name)
        case .number(let number)? where number.isIntegral && number.text.utf8.count <= 40:
            return number.text
        case .string(let text)?:
            let last = text.split(separator: "/").last ?? ""
            guard (1...40).contains(last.utf8.count), last.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
                throw Poison(.unreadableID, name)
            }
            return String(last)
        case _?:
            throw Poison(.unreadableID, name)
        }
    }

    /// Text without U+0000, which PostgreSQL does not store.
    func text(_ name: String) throws(Poison) -> String? {
        switch object[name] {
        case nil, .null?: return nil
        case .string(let text)?: return text.utf8.contains(0) ? text.filter { $0 != "\0" } : text
        case .number(let number)?: return number.text
        case _?: throw Poison(.unreadableText, name)
        }
    }

    /// The first of the times that is there.
    func time(_ names: String...) throws(Poison) -> Instant? {
        for name in names {
            guard let text = try text(name) else { continue }
            guard let instant = Instant(rfc3339: text) else { throw Poison(.unreadableTime, name) }
            return instant
        }
        return nil
    }

    func quantity(_ name: String) throws(Poison) -> Int {
        guard let text = try text(name) else { return 0 }
        guard let number = Int32(text) else { throw Poison(.unreadableNumber, name) }
        return Int(number)
    }

    /// `amount` in a currency; nil where the currency, or how many decimals it has, is not known.
    func money(_ name: String, in currency: String?) throws(Poison) -> Money? {
        guard let text = try text(name), let currency, Money.exponent(of: currency) != nil else { return nil }
        guard let money = Money(decimal: text, currency: currency) else { throw Poison(.unreadableAmount, name) }
        return money
    }

    func member(_ name: String) throws(Poison) -> BodyReader? {
        switch object[name] {
        case nil, .null?: return nil
        case .object(let object)?: return BodyReader(object)
        case _?: throw Poison(.unreadableList, name)
        }
    }

    /// The objects of an array; none where it is missing or `null`.
    func list(_ name: String) throws(Poison) -> [BodyReader] {
        switch object[name] {
        case nil, .null?:
            return []
        case .array(let elements)?:
            var readers: [BodyReader] = []
            for element in elements {
                // `[null]` happens.
                if element.isNull { continue }
                guard let object = element.objectValue else { throw Poison(.unreadableList, name) }
                readers.append(BodyReader(object))
            }
            return readers
        case _?:
            throw Poison(.unreadableList, name)
        }
    }

    /// What a statement is told from another by. Only members we read count: noise elsewhere makes no new version.
    func stamp(_ names: [String], at instant: Instant?) -> Stamp {
        var read = JSONObject()
        for name in names { read[name] = object[name] }
        return Stamp(at: instant, hash: Array(SHA256.hash(data: JSON.object(read).canonicalBytes)))
    }
}
