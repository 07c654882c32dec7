import FoundationEssentials
import JSON

/// What a command says, by its kind. Pure; what is stored, and what is sent to the shop, is the same JSON.
enum CommandParameters: Hashable, Sendable {
    case cancelOrder(OrderCancellation)
    case changeShippingAddress(ShippingAddress)
    case createReturn(NewReturn)

    var kind: Command.Kind {
        switch self {
        case .cancelOrder: .cancelOrder
        case .changeShippingAddress: .changeShippingAddress
        case .createReturn: .createReturn
        }
    }

    var json: JSON {
        switch self {
        case .cancelOrder(let cancellation): cancellation.json
        case .changeShippingAddress(let address): ["address": address.json]
        case .createReturn(let new): new.json
        }
    }

    /// As it was stored.
    init(_ json: JSON, of kind: Command.Kind) throws(FieldErrors) {
        self = try FieldReader.read(json) { (body) throws(FieldErrors) in try Self(&body, of: kind) }
    }

    /// What follows `kind` in a request.
    init(_ body: inout FieldReader, of kind: Command.Kind) throws(FieldErrors) {
        switch kind {
        case .cancelOrder: self = .cancelOrder(try OrderCancellation(&body))
        case .changeShippingAddress:
            let address = body.required("address", .object { (body) throws(FieldErrors) in try ShippingAddress(&body) })
            self = .changeShippingAddress(try body.finish(address))
        case .createReturn: self = .createReturn(try NewReturn(&body))
        }
    }

    /// The body of a request: `kind`, and what belongs to it.
    init(request body: inout FieldReader) throws(FieldErrors) {
        guard let kind = body.required("kind", .choice(Command.Kind.self)) else {
            // Nobody knows which of these belong to it.
            for name in ["reason", "restock", "note", "address", "lines"] { _ = body.optional(name, .any) }
            self = try body.finish(nil as CommandParameters?)
            return
        }
        try self.init(&body, of: kind)
    }
}

struct OrderCancellation: Hashable, Sendable {
    enum Reason: String, CaseIterable, Sendable { case customer, inventory, fraud, other }

    let reason: Reason
    /// Whether the goods go back on the shelf.
    let restock: Bool
    /// For the shop's people.
    let note: String?

    init(_ body: inout FieldReader) throws(FieldErrors) {
        (reason, restock, note) = try body.finish(
            body.optional("reason", .choice(Reason.self)).map { $0 ?? .customer },
            body.optional("restock", .bool).map { $0 ?? true },
            body.optional("note", .string(1...500))
        )
    }

    var json: JSON { ["reason": .string(reason.rawValue), "restock": .bool(restock), "note": .text(note)] }
}

struct ShippingAddress: Hashable, Sendable {
    let name: String
    let company: String?
    let line1: String
    let line2: String?
    let city: String
    /// A state, a province or a county, as its country writes it.
    let region: String?
    let postalCode: String?
    /// ISO 3166-1, two letters.
    let country: String
    let phone: String?

    init(_ body: inout FieldReader) throws(FieldErrors) {
        let code = FieldRule<String>.parsed("an ISO 3166 code: two upper-case letters", length: 0...64) { code in
            code.utf8.count == 2 && code.utf8.allSatisfy { (0x41...0x5A).contains($0) } ? code : nil
        }
        (name, company, line1, line2, city, region, postalCode, country, phone) = try body.finish(
            body.required("name", .string(1...255)),
            body.optional("company", .string(1...255)),
            body.required("line1", .string(1...255)),
            body.optional("line2", .string(1...255)),
            body.required("city", .string(1...255)),
            body.optional("region", .string(1...255)),
            body.optional("postal_code", .string(1...32)),
            body.required("country", code),
            body.optional("phone", .string(1...64))
        )
    }

    /// For shops that know two, and show one after the other. A name of one word is the first.
    var names: (first: String, last: String) {
        let words = name.split(separator: " ")
        guard let last = words.last, words.count > 1 else { return (name, "") }
        return (words.dropLast().joined(separator: " "), String(last))
    }

    var json: JSON {
        [
            "name": .string(name), "company": .text(company), "line1": .string(line1), "line2": .text(line2),
            "city": .string(city), "region": .text(region), "postal_code": .text(postalCode),
            "country": .string(country), "phone": .text(phone),
        ]
    }
}

struct NewReturn: Hashable, Sendable {
    struct Line: Hashable, Sendable {
        /// The line of the order that comes back.
        let orderLine: String
        let quantity: Int
        /// A code such as `size_too_small`.
        let reason: String?

        fileprivate init(_ body: inout FieldReader) throws(FieldErrors) {
            (orderLine, quantity, reason) = try body.finish(
                body.required("order_line_external_id", .externalID),
                body.required("quantity", .int(1...1_000_000)),
                body.optional("reason", .string(1...255))
            )
        }

        fileprivate var json: JSON {
            [
                "order_line_external_id": .string(orderLine), "quantity": .number(JSONNumber(Int64(quantity))),
                "reason": .text(reason),
            ]
        }
    }

    let lines: [Line]
    /// What the customer wrote.
    let note: String?

    init(_ body: inout FieldReader) throws(FieldErrors) {
        let line = FieldRule<Line>.object { (body) throws(FieldErrors) in try Line(&body) }
        let lines = body.required("lines", .array(count: 1...200, of: line))
        var seen: Set<String> = []
        for (index, line) in (lines ?? []).enumerated() where !seen.insert(line.orderLine).inserted {
            body.report(at: ["lines", "\(index)", "order_line_external_id"], .unknownValue, "is there twice")
        }
        (self.lines, note) = try body.finish(lines, body.optional("note", .string(1...500)))
    }

    var json: JSON { ["lines": .array(lines.map(\.json)), "note": .text(note)] }
}

extension JSON {
    fileprivate static func text(_ text: String?) -> JSON { text.map { .string($0) } ?? nil }
}
