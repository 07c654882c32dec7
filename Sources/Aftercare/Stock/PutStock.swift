import FoundationEssentials
import JSON
import Time

/// What is available of a variant, as a shop or a warehouse puts it. Pure.
struct PutStock: Hashable, Sendable {
    struct Key: Hashable, Sendable {
        let sku: String
        let location: String
    }

    let key: Key
    let available: Int
    /// When it was so. What decides between two bodies.
    let asOf: Instant

    /// - Parameter sku: nil where it is wrong.
    init(_ body: inout FieldReader, _ sku: String?) throws(FieldErrors) {
        let location: String
        let name: String
        (name, location, available, asOf) = try body.finish(
            sku,
            body.optional("location", .string(0...255)).map { $0 ?? "" },
            body.required("available", .int(-1_000_000_000...1_000_000_000)),
            body.required("as_of", .time)
        )
        key = Key(sku: name, location: location)
    }

    var stamp: Stamp {
        let json: JSON = [
            "sku": .string(key.sku), "location": .string(key.location),
            "available": .number(JSONNumber(Int64(available))),
        ]
        return Stamp(at: asOf, json: json)
    }

    /// What became of it, by the level as it is afterwards.
    ///
    /// - Parameter isTaken: it was written.
    func outcome(_ after: StockLevel, isTaken: Bool, stamp: Stamp) -> PutOrder.Outcome {
        if isTaken { return after.version == 1 ? .created : .updated }
        return stamp == self.stamp ? .unchanged : .stale
    }
}

/// One of many, read by itself: what is wrong with it does not hold up the others.
struct PutStockEntry: Sendable {
    let told: PutStock

    /// - Parameter end: how late `as_of` may be.
    init(_ json: JSON, noLaterThan end: Instant) throws(PutOrderEntry.Rejection) {
        do throws(FieldErrors) {
            told = try FieldReader.read(json) { (body) throws(FieldErrors) in
                let sku = body.required("sku", .externalID)
                let told = try PutStock(&body, sku)
                if told.asOf > end { body.report("as_of", .outOfRange, ToldTime.tooFarAhead) }
                return try body.finish(told)
            }
        } catch {
            throw PutOrderEntry.Rejection(
                externalID: PutOrderEntry.id(json["sku"]),
                code: .validationFailed,
                detail: Problem(error).detail,
                errors: error.errors
            )
        }
    }
}
