import FoundationEssentials
import Time

extension Ticket {
    /// What it is about: a question, or an exception that only a person resolves.
    enum Kind: String, CaseIterable, Sendable {
        case question
        case conflictingTracking = "conflicting_tracking"
        case missingShipment = "missing_shipment"
        case damagedGoods = "damaged_goods"
        /// A carrier gives a parcel back, or holds it until somebody does something.
        case deliveryException = "delivery_exception"
        case chargeDispute = "charge_dispute"
        case policyException = "policy_exception"
        case highValue = "high_value"
        case angryCustomer = "angry_customer"
        case fraudConcern = "fraud_concern"
        case conflictingOrderData = "conflicting_order_data"
        /// The shop or the carrier used a word this program does not know, or told of a part only.
        case unknownOrderData = "unknown_order_data"
        case staleData = "stale_data"
        case lowConfidence = "low_confidence"
        case severalRequests = "several_requests"
        case repeatedContact = "repeated_contact"
        case denialContested = "denial_contested"
        case personRequested = "person_requested"
        case messageUnknown = "message_unknown"
        case messageFailed = "message_failed"
        case refundFailed = "refund_failed"
        case refundDelayed = "refund_delayed"
        /// The shop refused what it was asked to do, was not reached, or nobody knows.
        case commandFailed = "command_failed"
        case connectionUnhealthy = "connection_unhealthy"
    }
}

extension Ticket.Kind {
    /// How fast a person is to take it. Minutes by the clock: business hours are not known yet.
    var targetMinutes: Int {
        switch self {
        case .fraudConcern: 30
        case .chargeDispute, .highValue, .angryCustomer, .refundFailed: 60
        // The parcel may leave meanwhile.
        case .repeatedContact, .personRequested, .commandFailed: 120
        case .conflictingTracking, .missingShipment, .damagedGoods, .deliveryException, .conflictingOrderData,
            .unknownOrderData, .staleData, .lowConfidence, .denialContested, .messageUnknown, .messageFailed,
            .refundDelayed, .connectionUnhealthy:
            240
        case .policyException, .severalRequests: 480
        case .question: 1440
        }
    }

    func respondBy(openedAt: Instant) -> Instant { openedAt + .seconds(targetMinutes * 60) }

    /// Where nobody says otherwise.
    var priority: Ticket.Priority { self == .question ? .normal : .high }

    /// One line that says what happened.
    var title: String {
        switch self {
        case .question: "A customer has a question"
        case .conflictingTracking: "Tracking contradicts itself"
        case .missingShipment: "A shipment is missing"
        case .damagedGoods: "Goods arrived damaged"
        case .deliveryException: "A parcel does not reach the customer"
        case .chargeDispute: "A payment is disputed"
        case .policyException: "The policy needs an exception or is disputed"
        case .highValue: "A valuable order or customer needs a person"
        case .angryCustomer: "A customer is angry"
        case .fraudConcern: "There may be fraud"
        case .conflictingOrderData: "What is known of an order contradicts itself"
        case .unknownOrderData: "What the shop says of an order is not understood"
        case .staleData: "What is known of an order is too old"
        case .lowConfidence: "It is not clear what a customer wants"
        case .severalRequests: "A customer wants several things at once"
        case .repeatedContact: "A customer writes again and again"
        case .denialContested: "A customer contests a refusal"
        case .personRequested: "A customer asks for a person"
        case .messageUnknown: "It is not known whether a message arrived"
        case .messageFailed: "A message could not be sent"
        case .refundFailed: "A refund failed"
        case .refundDelayed: "A refund takes too long"
        case .commandFailed: "A command to the shop did not succeed"
        case .connectionUnhealthy: "A connection tells of nothing, or of nothing that can be read"
        }
    }
}
