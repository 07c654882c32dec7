import FoundationEssentials
import JSON
import Time

/// What is known of an order when a decision about it is made.
///
/// Kept with every run for good, so it holds nothing that names or reaches a person: whether there is an e-mail
/// address, not which.
struct OrderFacts: Hashable, Sendable {
    struct Parcel: Hashable, Sendable {
        let externalID: String
        let status: String
        let deliveredAt: Instant?

        var isDelivered: Bool { status == "delivered" }
        var isUnknown: Bool { status == "unknown" }
    }

    struct Refund: Hashable, Sendable {
        let externalID: String
        let state: RefundState
        /// All of it, and what of it has moved.
        let amount: Money?
        let moved: Money?
        let recordedAt: Instant
        let movedAt: Instant?

        /// What has still to move.
        var outstanding: Money? {
            guard let amount, let moved else { return amount }
            return Money(amount: amount.amount - moved.amount, currency: amount.currency)
        }
    }

    let order: OrderID
    let number: String?
    /// False while only a shipment or a payment has named the order.
    let isComplete: Bool
    let isHistorical: Bool
    let hasEmail: Bool
    let financialStatus: String
    let fulfillmentStatus: String
    let lifecycleStatus: String
    let returnStatus: String
    /// The source's own time of the newest thing known.
    let asOf: Instant
    let parcels: [Parcel]
    let refunds: [Refund]
    /// The effect keys of what was sent for this order before.
    let sent: Set<String>
    /// The kinds of the tickets about it that nobody has closed, sorted.
    let openTickets: [String]
    /// The source's ids of its disputes that are not over, sorted.
    let openDisputes: [String]
    /// Nil where nobody has assessed it.
    var riskLevel: String?

    var isCancelled: Bool { Self.isCancelled(lifecycleStatus) }
    var isDeleted: Bool { Self.isDeleted(lifecycleStatus) }
    var isRefunded: Bool { Self.isRefunded(financialStatus) }
    var isPaymentUnknown: Bool { Self.isPaymentUnknown(financialStatus) }
    var isFraudConcern: Bool { Self.isFraudConcern(riskLevel) }

    func parcel(_ externalID: String) -> Parcel? { parcels.first { $0.externalID == externalID } }
    func refund(_ externalID: String) -> Refund? { refunds.first { $0.externalID == externalID } }

    static func isCancelled(_ lifecycleStatus: String) -> Bool { lifecycleStatus == "cancelled" }
    static func isDeleted(_ lifecycleStatus: String) -> Bool { lifecycleStatus == "deleted" }
    /// All the money went back, or never came.
    static func isRefunded(_ financialStatus: String) -> Bool {
        financialStatus == "refunded" || financialStatus == "voided"
    }
    static func isPaymentUnknown(_ financialStatus: String) -> Bool { financialStatus == "unknown" }
    static func isFraudConcern(_ riskLevel: String?) -> Bool { riskLevel == "high" }
}

extension OrderFacts {
    var json: JSON {
        [
            "order_id": "\(order)",
            "number": number.map { .string($0) } ?? nil,
            "is_complete": .bool(isComplete),
            "historical": .bool(isHistorical),
            "has_email": .bool(hasEmail),
            "financial_status": .string(financialStatus),
            "fulfillment_status": .string(fulfillmentStatus),
            "lifecycle_status": .string(lifecycleStatus),
            "return_status": .string(returnStatus),
            "as_of": .instant(asOf),
            "shipments": .array(
                parcels.map { parcel in
                    [
                        "external_id": .string(parcel.externalID),
                        "status": .string(parcel.status),
                        "delivered_at": parcel.deliveredAt.map(JSON.instant) ?? nil,
                    ]
                }
            ),
            "refunds": .array(
                refunds.map { refund in
                    [
                        "external_id": .string(refund.externalID),
                        "state": .string(refund.state.rawValue),
                        "amount": .money(refund.amount),
                        "moved": .money(refund.moved),
                        "recorded_at": .instant(refund.recordedAt),
                        "moved_at": refund.movedAt.map(JSON.instant) ?? nil,
                    ]
                }
            ),
            "sent": .array(sent.sorted().map { .string($0) }),
            "open_tickets": .array(openTickets.map { .string($0) }),
            "open_disputes": .array(openDisputes.map { .string($0) }),
            "risk_level": riskLevel.map { .string($0) } ?? nil,
        ]
    }
}

extension JSON {
    /// To the microsecond, so that what is read back is the same instant.
    static func instant(_ instant: Instant) -> JSON { .string(instant.rfc3339Exact) }

    fileprivate static func money(_ money: Money?) -> JSON {
        guard let money else { return .null }
        return ["amount": .number(JSONNumber(money.amount)), "currency": .string(money.currency)]
    }
}
