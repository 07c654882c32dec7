import FoundationEssentials
import JSON
import Time

// The body of PUT …/orders/by-external-id/{external_id}, read. Everything wrong with it is found at once.

extension PutOrder {
    init(_ body: inout FieldReader) throws(FieldErrors) {
        let values = Self.values(&body)
        (asOf, isHistorical, cancelledAt, shipments, refunds, risk, self.values) = try body.finish(
            body.required("as_of", .time),
            body.optional("historical", .bool).map { $0 ?? false },
            Self.cancelledAt(&body, values),
            body.optional("shipments", .shipments).map { $0 ?? [] },
            Self.refunds(&body),
            body.optional("risk", .object(Risk.init)),
            values
        )
        stamp = Self.stamp(at: asOf, self.values, cancelledAt: cancelledAt, shipments, refunds, risk)
    }

    /// What is told of the order itself. Nil where some of it is wrong; `finish` then says what.
    private static func values(_ body: inout FieldReader) -> OrderValues? {
        let names = (
            body.required("number", .string(1...255)), body.optional("email", .mailAddress),
            body.optional("customer_name", .string(0...255)), body.optional("customer_locale", .string(2...35)),
            body.optional("customer_external_id", .externalID)
        )
        let money = (body.required("total", .money(.positive)), body.optional("presentment_total", .money(.positive)))
        let axes = (
            body.required("financial_status", .choice(FinancialStatus.self)),
            body.required("fulfillment_status", .choice(FulfillmentStatus.self)),
            body.optional("lifecycle_status", .choice(LifecycleStatus.self)).map { $0 ?? .open },
            body.optional("return_status", .choice(ReturnStatus.self)).map { $0 ?? ReturnStatus.none }
        )
        let raws = (
            body.optional("financial_status_raw", .word), body.optional("fulfillment_status_raw", .word),
            body.optional("lifecycle_status_raw", .word), body.optional("return_status_raw", .word)
        )
        let rest = (body.optional("cancel_reason", .word), body.required("placed_at", .time))
        let lines = body.required("lines", .lines)
        checkCurrency(of: lines, money.0, &body)
        guard let number = names.0, let email = names.1, let name = names.2, let locale = names.3,
            let customer = names.4,
            let total = money.0, let presentment = money.1, let financial = axes.0, let fulfillment = axes.1,
            let lifecycle = axes.2, let returns = axes.3, let financialRaw = raws.0, let fulfillmentRaw = raws.1,
            let lifecycleRaw = raws.2, let returnsRaw = raws.3, let reason = rest.0, let placedAt = rest.1, let lines
        else { return nil }
        return OrderValues(
            number: number,
            email: email,
            customerName: name,
            customerLocale: locale,
            customer: customer,
            total: total,
            // What the customer paid in is what the shop accounts in, unless it says otherwise.
            presentmentTotal: presentment ?? total,
            financial: financial,
            financialRaw: financialRaw,
            fulfillment: fulfillment,
            fulfillmentRaw: fulfillmentRaw,
            lifecycle: lifecycle,
            lifecycleRaw: lifecycleRaw,
            cancelReason: reason,
            returns: returns,
            returnsRaw: returnsRaw,
            placedAt: placedAt,
            lines: lines.map(\.line)
        )
    }

    private static func checkCurrency(of lines: [PutLine]?, _ total: Money?, _ body: inout FieldReader) {
        guard let lines, let total else { return }
        for (index, line) in lines.enumerated() {
            guard let currency = line.currency, currency != total.currency else { continue }
            body.report(
                at: ["lines", "\(index)", "unit_price", "currency"],
                .unknownValue,
                "must be that of total"
            )
        }
    }

    /// Nil where it is wrong. Only what was cancelled, and may be deleted since, has a time and a reason.
    private static func cancelledAt(_ body: inout FieldReader, _ values: OrderValues?) -> Instant?? {
        let instant = body.optional("cancelled_at", .time)
        guard let values, values.lifecycle == .open || values.lifecycle == .closed else { return instant }
        let detail = "must be absent unless lifecycle_status is cancelled or deleted"
        if let instant, instant != nil { body.report("cancelled_at", .unknownValue, detail) }
        if values.cancelReason != nil { body.report("cancel_reason", .unknownValue, detail) }
        return instant
    }
}

extension PutOrder {
    /// A transaction belongs to one refund.
    private static func refunds(_ body: inout FieldReader) -> [Refund]? {
        guard let refunds = body.optional("refunds", .refunds).map({ $0 ?? [] }) else { return nil }
        var seen: Set<String> = []
        for (index, refund) in refunds.enumerated() {
            for (place, transaction) in refund.transactions.enumerated()
            where !seen.insert(transaction.externalID).inserted {
                let path = ["refunds", "\(index)", "transactions", "\(place)", "external_id"]
                body.report(at: path, .invalidFormat, "is there twice")
            }
        }
        return refunds
    }
}

/// A line, with the currency its price was told in.
private struct PutLine: Sendable {
    let line: OrderLine
    let currency: String?

    init(_ body: inout FieldReader) throws(FieldErrors) {
        let (id, title, sku, quantity, price) = try body.finish(
            body.required("external_id", .externalID),
            body.required("title", .string(0...1000)),
            body.optional("sku", .string(0...255)),
            body.required("quantity", .int(0...1_000_000)),
            body.optional("unit_price", .money(AmountField.range))
        )
        line = OrderLine(externalID: id, title: title, sku: sku, quantity: quantity, unitPrice: price?.amount)
        currency = price?.currency
    }
}

extension PutOrder.Shipment {
    init(_ body: inout FieldReader) throws(FieldErrors) {
        let id = body.required("external_id", .externalID)
        try self.init(&body, id, isPart: false)
    }

    /// - Parameters:
    ///   - id: nil where it is wrong.
    ///   - isPart: it is told by itself, so that a member that is missing says nothing.
    init(_ body: inout FieldReader, _ id: String?, isPart: Bool) throws(FieldErrors) {
        var values = ShipmentValues()
        let status = (body.optional("status", .choice(ShipmentStatus.self)), body.optional("status_raw", .word))
        if isPart, case .some(.none) = status.0, case .some(.some) = status.1 {
            body.report("status_raw", .unknownValue, "must be absent without a status")
        }
        (
            externalID, values.carrier, values.trackingNumber, values.trackingURL, values.reported,
            values.reportedRaw, shippedAt, deliveredAt, events
        ) = try body.finish(
            id,
            body.optional("carrier", .string(1...255)),
            body.optional("tracking_number", .string(1...255)),
            body.optional("tracking_url", .webAddress),
            status.0,
            status.1,
            body.optional("shipped_at", .time),
            body.optional("delivered_at", .time),
            body.optional("events", .events(0...500)).map { $0 ?? [] }
        )
        self.values = values
    }
}

extension PutOrder.Event {
    init(_ body: inout FieldReader) throws(FieldErrors) {
        (externalID, kind, raw, message, happenedAt) = try body.finish(
            body.required("external_id", .externalID),
            body.required("status", .trackingKind),
            body.optional("status_raw", .word),
            body.optional("message", .string(0...1000)),
            body.required("happened_at", .time)
        )
    }
}

extension PutOrder.Refund {
    init(_ body: inout FieldReader) throws(FieldErrors) {
        let id = body.required("external_id", .externalID)
        try self.init(&body, id)
    }

    /// - Parameter id: nil where it is wrong.
    init(_ body: inout FieldReader, _ id: String?) throws(FieldErrors) {
        (externalID, recordedAt, transactions) = try body.finish(
            id,
            body.optional("recorded_at", .time),
            body.required("transactions", .transactions)
        )
    }
}

extension PutOrder.Risk {
    init(_ body: inout FieldReader) throws(FieldErrors) {
        let source = body.optional("source", .string(1...100)).map { $0 ?? Self.shop }
        if source == OrderState.person {
            body.report(
                "source",
                .unknownValue,
                "must not be \"\(OrderState.person)\": a person's word is a PATCH of the order"
            )
        }
        (level, levelRaw, reasons, assessedAt, self.source) = try body.finish(
            body.required("level", .choice()),
            body.optional("level_raw", .word),
            body.optional("reasons", .reasons).map { $0 ?? [] },
            body.optional("assessed_at", .time),
            source
        )
    }
}

extension PutOrder.Transaction {
    init(_ body: inout FieldReader) throws(FieldErrors) {
        (externalID, status, raw, gateway, parent, amount, shopAmount, startedAt, processedAt) = try body.finish(
            body.required("external_id", .externalID),
            body.required("status", .choice()),
            body.optional("status_raw", .word),
            body.optional("gateway", .word),
            body.optional("parent_external_id", .externalID),
            body.optional("amount", .money(.positive)),
            body.optional("shop_amount", .money(.positive)),
            body.optional("started_at", .time),
            body.optional("processed_at", .time)
        )
    }
}

// The source's ids tell things apart, so each is there once.

extension FieldRule<[PutLine]> {
    fileprivate static var lines: Self {
        .array(count: 0...1000, of: .object(PutLine.init), withDistinct: "external_id", \.line.externalID)
    }
}

extension FieldRule<[PutOrder.Shipment]> {
    fileprivate static var shipments: Self {
        .array(count: 0...100, of: .object(PutOrder.Shipment.init), withDistinct: "external_id", \.externalID)
    }
}

extension FieldRule<[PutOrder.Event]> {
    static func events(_ count: ClosedRange<Int>) -> Self {
        .array(count: count, of: .object(PutOrder.Event.init), withDistinct: "external_id", \.externalID)
    }
}

extension FieldRule<[PutOrder.Transaction]> {
    fileprivate static var transactions: Self {
        .array(count: 0...50, of: .object(PutOrder.Transaction.init), withDistinct: "external_id", \.externalID)
    }
}

extension FieldRule<[String]> {
    /// Why an order is thought to be fraudulent, or not.
    static var reasons: Self { .array(count: 0...50, of: .string(1...500)) }
}

extension FieldRule<[PutOrder.Refund]> {
    fileprivate static var refunds: Self {
        .array(count: 0...100, of: .object(PutOrder.Refund.init), withDistinct: "external_id", \.externalID)
    }
}

extension ClosedRange<Int64> {
    static var positive: Self { 0...AmountField.range.upperBound }
}

extension FieldRule<Money> {
    static func money(_ range: ClosedRange<Int64>) -> Self {
        .object { (money) throws(FieldErrors) in
            let (amount, currency) = try money.finish(
                money.required("amount", .int64(range)),
                money.required("currency", .listedCurrency)
            )
            return Money(amount: amount, currency: currency)
        }
    }
}

extension FieldRule<Instant> {
    /// No shop is older, and some write what they do not know as 1970, or as the year 0. What happened first is never
    /// taken back, so that such a time would stay.
    static var time: Self {
        instant { Instant(rfc3339: $0) }
            .refined(.outOfRange, "must not lie before 1990") { $0 >= Instant(seconds: 631_152_000) ? $0 : nil }
    }
}

extension FieldRule<TrackingEvent.Kind> {
    fileprivate static var trackingKind: Self {
        let words = ShipmentStatus.allCases.map(\.rawValue) + [TrackingEvent.Kind.delay.rawValue]
        return FieldRule<String>.string(0...100)
            .refined(.unknownValue, "must be one of \(words.joined(separator: ", "))") {
                TrackingEvent.Kind(rawValue: $0)
            }
    }
}

extension FieldRule<String> {
    /// What the shop tells one of its things from the others by.
    static var externalID: Self { .string(1...255) }

    /// The shop's own word for something.
    static var word: Self { .string(0...255) }

    fileprivate static var listedCurrency: Self {
        .parsed("a currency that ISO 4217 lists, such as EUR", length: 3...3) { code in
            Money.exponent(of: code) == nil ? nil : code
        }
    }

    /// It may end up in a customer's mail.
    static var webAddress: Self {
        .parsed("an address that begins with https:// or http://", length: 8...2000) { text in
            let isWeb = text.hasPrefix("https://") || text.hasPrefix("http://")
            return isWeb && text.utf8.allSatisfy { $0 > 0x20 && $0 != 0x7F } ? text : nil
        }
    }
}
