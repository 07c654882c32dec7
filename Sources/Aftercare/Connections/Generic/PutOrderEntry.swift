import FoundationEssentials
import JSON
import Time

/// An order told among others, with the id it has in its shop: one of a bulk write, or a line of an import. Pure.
struct PutOrderEntry: Sendable {
    /// Why one was rejected, as the problem of a PUT would say it.
    struct Rejection: Error, Hashable, Sendable {
        /// Where it could be read.
        let externalID: String?
        let code: ProblemCode
        let detail: String
        var errors: [FieldError] = []

        init(externalID: String?, code: ProblemCode, detail: String, errors: [FieldError] = []) {
            (self.externalID, self.code, self.detail, self.errors) = (externalID, code, detail, errors)
        }

        init(_ errors: FieldErrors, of externalID: String?) {
            let detail = Problem(errors).detail
            self.init(externalID: externalID, code: .validationFailed, detail: detail, errors: errors.errors)
        }
    }

    let externalID: String
    let order: PutOrder

    /// - Parameters:
    ///   - asHistory: it is history, said or not; one that says it is not is rejected.
    ///   - end: how late what it tells may be.
    init(_ json: JSON, asHistory: Bool = false, noLaterThan end: Instant) throws(Rejection) {
        let isNews = asHistory && json["historical"]?.boolValue == false
        do throws(FieldErrors) {
            self = try FieldReader.read(json) { (body) throws(FieldErrors) in
                if isNews {
                    body.report("historical", .unknownValue, "must be true or absent: an import tells history")
                }
                return try Self(&body, asHistory: asHistory, noLaterThan: end)
            }
        } catch {
            throw Rejection(error, of: Self.id(json["external_id"]))
        }
    }

    private init(_ body: inout FieldReader, asHistory: Bool, noLaterThan end: Instant) throws(FieldErrors) {
        let id = body.required("external_id", .externalID)
        var order = try PutOrder(&body)
        order.isHistorical = order.isHistorical || asHistory
        for time in order.times where time.instant > end {
            body.report(at: time.path, .outOfRange, ToldTime.tooFarAhead)
        }
        (externalID, self.order) = try body.finish(id, order)
    }

    /// To tell the rejected one from the others by; nil for what could not be one.
    static func id(_ json: JSON?) -> String? {
        guard let text = json?.stringValue, (1...255).contains(text.unicodeScalars.count),
            !text.utf8.contains(0)
        else { return nil }
        return text
    }
}
