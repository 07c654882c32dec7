import Time

/// What is known of an order contradicts itself: what contradicts what, who says so, and since when. Pure: it follows
/// from the mirror, whoever told it. What `GET …/state` shows and what opens tickets is found by these alone.
struct OrderConflict: Hashable, Sendable {
    let kind: Kind
    let severity: Severity
    /// The shipment's id at its source, where it is about one.
    var shipment: String?
    /// Names what contradicts, so that it is told once: a report, a refund, a return.
    let episodes: Set<String>
    let evidence: [Evidence]

    enum Kind: String, CaseIterable, Sendable {
        // A parcel.
        case scannedAfterDelivery = "scanned_after_delivery"
        case deliveredButShipmentCancelled = "delivered_but_shipment_cancelled"
        case deliveredButUnfulfilled = "delivered_but_unfulfilled"
        case lostButFulfilled = "lost_but_fulfilled"
        case formerNumberGoesOn = "former_number_goes_on"
        case numberUsedTwice = "number_used_twice"
        case shippedBeforePlaced = "shipped_before_placed"
        // The order.
        case cancelledButShipped = "cancelled_but_shipped"
        case cancelledButDelivered = "cancelled_but_delivered"
        case deletedButGoesOn = "deleted_but_goes_on"
        // Its money.
        case refundedAboveTotal = "refunded_above_total"
        case refundedWithoutMoney = "refunded_without_money"
        case refundedWithoutRefund = "refunded_without_refund"
        case refundTakenBack = "refund_taken_back"
        case refundedAndDisputed = "refunded_and_disputed"
        case currenciesDiffer = "currencies_differ"
        // What comes back.
        case returnNotExpected = "return_not_expected"
        case returnBeforeDelivery = "return_before_delivery"
    }

    enum Severity: String, CaseIterable, Sendable {
        /// It may be that somebody has only not told everything yet: nobody is told of it.
        case notice
        case warning
        /// Money may be lost by it.
        case critical
    }
}

extension OrderConflict {
    /// What somebody says that does not go with the rest.
    struct Evidence: Hashable, Sendable {
        enum Source: String, CaseIterable, Sendable {
            /// The shop, or whoever puts its orders; also what it passes on of others.
            case shop
            /// A tracking provider.
            case carrier
        }

        /// The part of the order, by the source's ids.
        enum Subject: Hashable, Sendable {
            case order
            case shipment(String)
            case trackingEvent(String, shipment: String)
            case refund(String)
            case `return`(String)
            case dispute(String)

            var name: SubjectName {
                switch self {
                case .order: .order
                case .shipment: .shipment
                case .trackingEvent: .trackingEvent
                case .refund: .refund
                case .return: .return
                case .dispute: .dispute
                }
            }

            /// Nil for the order itself.
            var externalID: String? {
                switch self {
                case .order: nil
                case .shipment(let id), .trackingEvent(let id, _), .refund(let id), .return(let id), .dispute(let id):
                    id
                }
            }
        }

        enum SubjectName: String, CaseIterable, Sendable {
            case order, shipment
            case trackingEvent = "tracking_event"
            case refund, `return`, dispute
        }

        let source: Source
        let subject: Subject
        /// In plain words.
        let says: String
        var amount: Money?
        /// The source's own time of it, and when it reached us.
        let at: Instant?
        let receivedAt: Instant?
    }

    /// Everything that contradicts itself, what is about parcels first.
    static func all(in state: OrderState) -> [OrderConflict] {
        ofParcels(state) + ofTheOrder(state) + ofMoney(state) + ofReturns(state)
    }

    /// What has come up between two states of an order, and is for a person. Nothing of what was only told as history.
    static func new(from known: OrderState?, to state: OrderState) -> [OrderConflict] {
        guard !state.isHistorical else { return [] }
        let found = all(in: state).filter { $0.ticket != nil }
        guard !found.isEmpty else { return [] }
        let before = known.map { all(in: $0).filter { $0.ticket != nil } } ?? []
        return found.compactMap { conflict in
            let seen = before.filter { $0.kind == conflict.kind && $0.shipment == conflict.shipment }
            let news = seen.reduce(conflict.episodes) { $0.subtracting($1.episodes) }
            return news.isEmpty ? nil : conflict.only(news)
        }
    }

    private func only(_ episodes: Set<String>) -> OrderConflict {
        OrderConflict(kind: kind, severity: severity, shipment: shipment, episodes: episodes, evidence: evidence)
    }

    /// The ticket it opens; nil where nobody is told by one, or is told by another.
    var ticket: Ticket.Kind? { severity == .notice ? nil : kind.ticket }
}

extension OrderConflict.Kind {
    var ticket: Ticket.Kind? {
        switch self {
        case .scannedAfterDelivery, .deliveredButShipmentCancelled, .formerNumberGoesOn: .conflictingTracking
        // A lost parcel is a missing shipment, whatever the shop says (`TrackingFinding`); two shipments may be in one
        // box.
        case .lostButFulfilled, .numberUsedTwice: nil
        case .deliveredButUnfulfilled, .shippedBeforePlaced, .cancelledButShipped,
            .cancelledButDelivered, .deletedButGoesOn, .refundedAboveTotal, .refundedWithoutMoney,
            .refundedWithoutRefund, .refundTakenBack, .refundedAndDisputed, .currenciesDiffer, .returnNotExpected,
            .returnBeforeDelivery:
            .conflictingOrderData
        }
    }

    /// What contradicts what, in one sentence.
    var sentence: String {
        switch self {
        case .scannedAfterDelivery:
            "The parcel counts as delivered, and was reported on its way, on its way back or lost as well."
        case .deliveredButShipmentCancelled: "The shop has cancelled the shipment, and it was delivered."
        case .deliveredButUnfulfilled:
            "The carrier delivered a parcel of the order, and the shop says that nothing of it was shipped."
        case .lostButFulfilled: "The shop says that all of the order was shipped, and the carrier has lost a parcel."
        case .formerNumberGoesOn:
            "The parcel was given another tracking number, and the carrier goes on reporting of the former one."
        case .numberUsedTwice: "Two parcels of the order have the same tracking number."
        case .shippedBeforePlaced: "A parcel was handed over days before the order was placed."
        case .cancelledButShipped: "The order is cancelled, and a parcel of it is on its way."
        case .cancelledButDelivered: "The order is cancelled, and its parcel was delivered."
        case .deletedButGoesOn: "The shop has deleted the order, and things go on happening to it."
        case .refundedAboveTotal: "More is refunded than the order's total."
        case .refundedWithoutMoney: "The shop says that the order is refunded, and no money of any refund has moved."
        case .refundedWithoutRefund: "The shop says that the order is refunded, and no refund of it is known."
        case .refundTakenBack: "The shop has taken a refund back that the customer may have been told of."
        case .refundedAndDisputed: "Money was refunded of a payment that is disputed: the customer may be paid twice."
        case .currenciesDiffer: "The order's amounts are in currencies that do not add up."
        case .returnNotExpected: "Goods came back that nobody had announced, or whose return was declined or cancelled."
        case .returnBeforeDelivery: "Goods came back of an order that was never delivered."
        }
    }
}
