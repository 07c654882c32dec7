import FoundationEssentials
import JSON
import Time

/// A customer's account as a shop without a connector puts it, in our words. Pure. What a body leaves out it says nothing
/// of: whoever knows that somebody is a VIP need not know their address.
struct PutCustomer: Hashable, Sendable {
    /// When it was like this. What decides between two bodies.
    let asOf: Instant
    let told: Set<CustomerField>
    let values: CustomerValues

    init(_ body: inout FieldReader) throws(FieldErrors) {
        let isVIP = body.optional("is_vip", .bool)
        let vip = (body.optional("vip_since", .time), body.optional("vip_reason", .word))
        let marketing = (
            body.optional("marketing_state", .choice(MarketingState.self)),
            body.optional("marketing_state_raw", .word), body.optional("marketing_state_at", .time)
        )
        if case .some(let flag) = isVIP, flag != true {
            if case .some(.some) = vip.0 { body.report("vip_since", .unknownValue, Self.onlyOfVIPs) }
            if case .some(.some) = vip.1 { body.report("vip_reason", .unknownValue, Self.onlyOfVIPs) }
        }
        if case .some(.none) = marketing.0 {
            let detail = "must be absent without a marketing_state"
            if case .some(.some) = marketing.1 { body.report("marketing_state_raw", .unknownValue, detail) }
            if case .some(.some) = marketing.2 { body.report("marketing_state_at", .unknownValue, detail) }
        }
        var values = CustomerValues()
        let flag: Bool?
        (
            asOf, values.email, values.name, values.locale, values.marketing, values.marketingRaw, values.marketingAt,
            flag, values.vipSince, values.vipReason
        ) = try body.finish(
            body.required("as_of", .time),
            body.optional("email", .mailAddress),
            body.optional("name", .string(0...255)),
            body.optional("locale", .string(2...35)),
            marketing.0,
            marketing.1,
            marketing.2,
            isVIP,
            vip.0,
            vip.1
        )
        var told: Set<CustomerField> = []
        if values.email != nil { told.insert(.email) }
        if values.name != nil { told.insert(.name) }
        if values.locale != nil { told.insert(.locale) }
        if values.marketing != nil { told.insert(.marketing) }
        if let flag {
            told.insert(.vip)
            // Where it does not say since when, they were one by then.
            values.vipSince = flag ? values.vipSince ?? asOf : nil
        }
        (self.told, self.values) = (told, values)
    }

    static let onlyOfVIPs = "must be absent unless is_vip is true"

    var statement: CustomerStatement {
        CustomerStatement(stamp: Stamp(at: asOf, json: json), told: told, values: values)
    }

    /// What became of it, by what the customer was before and is now; nil before where nobody had told of them.
    func outcome(_ before: Customer?, _ after: Customer) -> PutOrder.Outcome {
        let stamp = statement.stamp
        return .part(
            isNew: before == nil,
            isChanged: before != after,
            isKnown: told.allSatisfy { after.provenance.stamp(of: $0) == stamp }
        )
    }

    private var json: JSON {
        func text(_ text: String?) -> JSON { text.map { .string($0) } ?? nil }
        func time(_ instant: Instant?) -> JSON { instant.map { .number(JSONNumber($0.microseconds)) } ?? nil }
        return [
            "told": .array(told.map(\.rawValue).sorted().map { .string($0) }),
            "names": .array([text(values.email), text(values.name), text(values.locale)]),
            "marketing": .array([
                text(values.marketing?.rawValue), text(values.marketingRaw), time(values.marketingAt),
            ]),
            "vip": .array([time(values.vipSince), text(values.vipReason)]),
        ]
    }
}
