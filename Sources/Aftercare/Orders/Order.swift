import FoundationEssentials
import Time

/// The payment axis of an order.
enum FinancialStatus: String, CaseIterable, Sendable {
    case pending, authorized
    case partiallyPaid = "partially_paid"
    case paid
    case partiallyRefunded = "partially_refunded"
    case refunded, voided, expired, failed, unknown
}

/// The fulfilment axis of an order.
enum FulfillmentStatus: String, CaseIterable, Sendable {
    case unfulfilled, scheduled
    case onHold = "on_hold"
    case inProgress = "in_progress"
    case partiallyFulfilled = "partially_fulfilled"
    case fulfilled, restocked
    case notRequired = "not_required"
    case declined, unknown
}

/// Whether an order is still going on.
enum LifecycleStatus: String, CaseIterable, Sendable { case open, closed, cancelled, deleted }

/// The return axis of an order.
enum ReturnStatus: String, CaseIterable, Sendable {
    case none, requested
    case inProgress = "in_progress"
    case inspected, returned, failed, unknown
}

/// One line of an order.
struct OrderLine: Hashable, Sendable {
    let externalID: String
    let title: String
    let sku: String?
    let quantity: Int
    /// In the order's shop currency.
    let unitPrice: Int64?
}

/// What can be known of an order; each part comes from the newest statement of the source that told it.
enum OrderField: String, CaseIterable, Sendable {
    case number, email
    case customerName = "customer_name"
    case customerLocale = "customer_locale"
    case customer
    case total
    case presentmentTotal = "presentment_total"
    case financial, fulfillment, lifecycle
    case returns = "return"
    case placedAt = "placed_at"
    case lines
}

/// The parts themselves. Where a status is not one of ours, it is `unknown`, and `…Raw` has the source's word.
struct OrderValues: Hashable, Sendable {
    var number: String?
    var email: String?
    var customerName: String?
    var customerLocale: String?
    /// The id at its source of the account it was placed with; nil for a guest.
    var customer: String?
    /// What the shop accounts in.
    var total: Money?
    /// What the customer sees and pays in.
    var presentmentTotal: Money?
    var financial = FinancialStatus.unknown
    var financialRaw: String?
    var fulfillment = FulfillmentStatus.unknown
    var fulfillmentRaw: String?
    var lifecycle = LifecycleStatus.open
    var lifecycleRaw: String?
    var cancelReason: String?
    var returns = ReturnStatus.none
    var returnsRaw: String?
    var placedAt: Instant?
    var lines: [OrderLine] = []

    mutating func copy(_ field: OrderField, from other: OrderValues) {
        switch field {
        case .number: number = other.number
        case .email: email = other.email
        case .customerName: customerName = other.customerName
        case .customerLocale: customerLocale = other.customerLocale
        case .customer: customer = other.customer
        case .total: total = other.total
        case .presentmentTotal: presentmentTotal = other.presentmentTotal
        case .financial: (financial, financialRaw) = (other.financial, other.financialRaw)
        case .fulfillment: (fulfillment, fulfillmentRaw) = (other.fulfillment, other.fulfillmentRaw)
        case .lifecycle:
            (lifecycle, lifecycleRaw, cancelReason) = (other.lifecycle, other.lifecycleRaw, other.cancelReason)
        case .returns: (returns, returnsRaw) = (other.returns, other.returnsRaw)
        case .placedAt: placedAt = other.placedAt
        case .lines: lines = other.lines
        }
    }
}

/// The mirror of an order: all that its source has told, in whatever order it came.
struct OrderState: Hashable, Sendable {
    var values = OrderValues()
    var provenance = Provenance<OrderField>()
    /// False while only later events have named the order: a shipment that came before its order.
    var isComplete = false
    /// All that was told of it was told as history: nothing of it ever starts a workflow.
    var isHistorical = false
    /// Somebody had their data erased: nothing that names or reaches a person comes back, whoever tells it.
    var isRedacted = false
    /// By the source's id.
    var shipments: [String: Shipment] = [:]
    var refunds: [String: Refund] = [:]
    /// The newest list of all refunds; nil where the source gives none.
    var refundList: RefundList?
    /// Also those of which it is not known yet which refund they belong to.
    var refundTransactions: [String: RefundTransaction] = [:]
    /// They are mirrored beside it (`Returns/`, `Disputes/`), because some bodies name no order.
    var returns: [String: OrderReturn] = [:]
    var disputes: [String: Dispute] = [:]
    /// By who assessed it.
    var risks: [String: RiskAssessment] = [:]
    /// What was raised already, and when it happened by the evidence there is.
    var facts: [Fact.Key: Instant] = [:]
}

extension OrderState {
    /// Takes note of what became true, or of when it did.
    ///
    /// - Returns: the fact, if it is new.
    mutating func raise(_ kind: Fact.Kind, _ episode: String = Fact.Key.wholeOrder, at instant: Instant) -> Fact? {
        let key = Fact.Key(kind: kind, episode: episode)
        let isNew = facts.updateValue(instant, forKey: key) == nil
        return isNew ? Fact(key: key, happenedAt: instant) : nil
    }
}

extension OrderState {
    mutating func settleRedaction() {
        guard isRedacted else { return }
        (values.email, values.customerName, values.customerLocale, values.customer) = (nil, nil, nil, nil)
        risks = [:]
        for id in shipments.keys { shipments[id]?.redact() }
        for id in refunds.keys { refunds[id]?.terms?.reason = nil }
    }
}

/// An order as the API shows it.
struct Order: Sendable {
    let id: OrderID
    let store: StoreID
    let externalID: String
    /// Whose it is, once that is known.
    let customer: CustomerID?
    var state: OrderState
    /// In the order they are shown.
    var shipments: [(id: ShipmentID, shipment: Shipment, externalID: String)] = []
    var refunds: [OrderRefund] = []
    /// The source's time of the newest thing it told of the order itself.
    let asOf: Instant?
    let version: Int64
    let createdAt: Instant
    let updatedAt: Instant
}

/// What became true of an order; raised once for each kind and episode.
struct Fact: Hashable, Sendable {
    enum Kind: String, CaseIterable, Sendable {
        case orderPlaced = "order_placed"
        case orderPaid = "order_paid"
        case orderCancelled = "order_cancelled"
        case shipped, delivered
        case refundRecorded = "refund_recorded"
        /// All of its money has moved.
        case refundSucceeded = "refund_succeeded"
        /// The payment provider has refused it, or a part of it.
        case refundFailed = "refund_failed"
        case returnRequested = "return_requested"
        case returnApproved = "return_approved"
        case returnDeclined = "return_declined"
        case returnCancelled = "return_cancelled"
        /// Something of it came back, all or not.
        case returnReceived = "return_received"
        case returnClosed = "return_closed"
        case disputeOpened = "dispute_opened"
        /// Won, lost, or settled in any other way.
        case disputeClosed = "dispute_closed"
    }

    struct Key: Hashable, Sendable {
        let kind: Kind
        /// What of the order it is about: the id at its source of the shipment, the refund, …; `order` for the order itself.
        let episode: String

        static let wholeOrder = "order"
    }

    let key: Key
    let happenedAt: Instant
}

enum FactKind: IDKind { static let prefix = "fct" }
typealias FactID = ID<FactKind>
