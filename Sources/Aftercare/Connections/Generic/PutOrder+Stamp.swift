import Crypto
import FoundationEssentials
import JSON
import Time

extension PutOrder {
    /// Of two bodies of one instant the one with the greater hash counts, whichever came first. The hash is of what was
    /// understood: the order of members, spaces and a `null` make no other body.
    static func stamp(
        at asOf: Instant,
        _ values: OrderValues,
        cancelledAt: Instant?,
        _ shipments: [Shipment],
        _ refunds: [Refund],
        _ risk: Risk?
    ) -> Stamp {
        var told: JSONObject = [
            "order": values.json,
            "cancelled_at": .time(cancelledAt),
            "shipments": .array(shipments.map(\.json)),
            "refunds": .array(refunds.map(\.json)),
        ]
        // A body from before there was this member has the hash it had.
        if let risk { told["risk"] = risk.json }
        return Stamp(at: asOf, json: .object(told))
    }
}

extension Stamp {
    /// Of what was understood.
    init(at instant: Instant?, json: JSON) {
        self.init(at: instant, hash: Array(SHA256.hash(data: json.canonicalBytes)))
    }
}

extension PutOrder.Risk {
    var json: JSON {
        [
            "level": .array([.string(level.rawValue), .text(levelRaw)]),
            "reasons": .array(reasons.map { .string($0) }),
            "assessed_at": .time(assessedAt),
            "source": .string(source),
        ]
    }
}

extension PutOrder.Shipment {
    var json: JSON {
        [
            "external_id": .string(externalID),
            "carrier": .text(values.carrier),
            "tracking_number": .text(values.trackingNumber),
            "tracking_url": .text(values.trackingURL),
            "status": .text(values.reported?.rawValue),
            "status_raw": .text(values.reportedRaw),
            "shipped_at": .time(shippedAt),
            "delivered_at": .time(deliveredAt),
            "events": .array(
                events.map { event in
                    [
                        "external_id": .string(event.externalID),
                        "status": .string(event.kind.rawValue),
                        "status_raw": .text(event.raw),
                        "message": .text(event.message),
                        "happened_at": .time(event.happenedAt),
                    ]
                }
            ),
        ]
    }
}

extension PutOrder.Refund {
    var json: JSON {
        [
            "external_id": .string(externalID),
            "recorded_at": .time(recordedAt),
            "transactions": .array(
                transactions.map { transaction in
                    [
                        "external_id": .string(transaction.externalID),
                        "status": .array([.string(transaction.status.rawValue), .text(transaction.raw)]),
                        "gateway": .text(transaction.gateway),
                        "parent_external_id": .text(transaction.parent),
                        "amount": .money(transaction.amount),
                        "shop_amount": .money(transaction.shopAmount),
                        "started_at": .time(transaction.startedAt),
                        "processed_at": .time(transaction.processedAt),
                    ]
                }
            ),
        ]
    }
}

extension OrderValues {
    fileprivate var json: JSON {
        // A body from before there was this member has the hash it had.
        guard let customer else { return told }
        return ["told": told, "customer_external_id": .string(customer)]
    }

    private var told: JSON {
        [
            "number": .text(number),
            "email": .text(email),
            "customer_name": .text(customerName),
            "customer_locale": .text(customerLocale),
            "total": .money(total),
            "presentment_total": .money(presentmentTotal),
            "financial_status": .array([.string(financial.rawValue), .text(financialRaw)]),
            "fulfillment_status": .array([.string(fulfillment.rawValue), .text(fulfillmentRaw)]),
            "lifecycle_status": .array([.string(lifecycle.rawValue), .text(lifecycleRaw), .text(cancelReason)]),
            "return_status": .array([.string(returns.rawValue), .text(returnsRaw)]),
            "placed_at": .time(placedAt),
            "lines": .array(
                lines.map { line in
                    [
                        "external_id": .string(line.externalID),
                        "title": .string(line.title),
                        "sku": .text(line.sku),
                        "quantity": .number(JSONNumber(Int64(line.quantity))),
                        "unit_price": line.unitPrice.map { .number(JSONNumber($0)) } ?? nil,
                    ]
                }
            ),
        ]
    }
}

extension JSON {
    fileprivate static func text(_ text: String?) -> JSON { text.map { .string($0) } ?? nil }

    fileprivate static func time(_ instant: Instant?) -> JSON {
        instant.map { .number(JSONNumber($0.microseconds)) } ?? nil
    }

    fileprivate static func money(_ money: Money?) -> JSON {
        guard let money else { return nil }
        return ["amount": .number(JSONNumber(money.amount)), "currency": .string(money.currency)]
    }
}
