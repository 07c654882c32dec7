import FoundationEssentials
import Time

/// Every topic of Shopify's that is about what we do, by the name its header carries. A topic that is not here is
/// stored all the same, and ignored as unknown.
enum ShopifyTopic: String, CaseIterable, Sendable {
    case ordersCreate = "orders/create"
    case ordersUpdated = "orders/updated"
    case ordersEdited = "orders/edited"
    case ordersPaid = "orders/paid"
    case ordersPartiallyFulfilled = "orders/partially_fulfilled"
    case ordersFulfilled = "orders/fulfilled"
    case ordersCancelled = "orders/cancelled"
    case ordersDelete = "orders/delete"
    case ordersRiskAssessmentChanged = "orders/risk_assessment_changed"
    case refundsCreate = "refunds/create"
    case orderTransactionsCreate = "order_transactions/create"
    case fulfillmentsCreate = "fulfillments/create"
    case fulfillmentsUpdate = "fulfillments/update"
    case fulfillmentEventsCreate = "fulfillment_events/create"
    case fulfillmentEventsDelete = "fulfillment_events/delete"
    case fulfillmentHoldsAdded = "fulfillment_holds/added"
    case fulfillmentHoldsReleased = "fulfillment_holds/released"
    case fulfillmentOrdersCancellationRequestAccepted = "fulfillment_orders/cancellation_request_accepted"
    case fulfillmentOrdersCancellationRequestRejected = "fulfillment_orders/cancellation_request_rejected"
    case fulfillmentOrdersCancellationRequestSubmitted = "fulfillment_orders/cancellation_request_submitted"
    case fulfillmentOrdersCancelled = "fulfillment_orders/cancelled"
    case fulfillmentOrdersFulfillmentRequestAccepted = "fulfillment_orders/fulfillment_request_accepted"
    case fulfillmentOrdersFulfillmentRequestRejected = "fulfillment_orders/fulfillment_request_rejected"
    case fulfillmentOrdersFulfillmentRequestSubmitted = "fulfillment_orders/fulfillment_request_submitted"
    case fulfillmentOrdersServiceFailed = "fulfillment_orders/fulfillment_service_failed_to_complete"
    case fulfillmentOrdersHoldReleased = "fulfillment_orders/hold_released"
    case fulfillmentOrdersPreparedForDelivery = "fulfillment_orders/line_items_prepared_for_local_delivery"
    case fulfillmentOrdersPreparedForPickup = "fulfillment_orders/line_items_prepared_for_pickup"
    case fulfillmentOrdersManualProgressStopped = "fulfillment_orders/manually_reported_progress_stopped"
    case fulfillmentOrdersMerged = "fulfillment_orders/merged"
    case fulfillmentOrdersMoved = "fulfillment_orders/moved"
    case fulfillmentOrdersRoutingComplete = "fulfillment_orders/order_routing_complete"
    case fulfillmentOrdersPlacedOnHold = "fulfillment_orders/placed_on_hold"
    case fulfillmentOrdersProgressReported = "fulfillment_orders/progress_reported"
    case fulfillmentOrdersRescheduled = "fulfillment_orders/rescheduled"
    case fulfillmentOrdersScheduledReady = "fulfillment_orders/scheduled_fulfillment_order_ready"
    case fulfillmentOrdersSplit = "fulfillment_orders/split"
    case returnsRequest = "returns/request"
    case returnsApprove = "returns/approve"
    case returnsDecline = "returns/decline"
    case returnsCancel = "returns/cancel"
    case returnsClose = "returns/close"
    case returnsReopen = "returns/reopen"
    case returnsUpdate = "returns/update"
    case reverseDeliveriesAttach = "reverse_deliveries/attach_deliverable"
    case reverseFulfillmentOrdersDispose = "reverse_fulfillment_orders/dispose"
    case disputesCreate = "disputes/create"
    case disputesUpdate = "disputes/update"
    case customersCreate = "customers/create"
    case customersUpdate = "customers/update"
    case customersDelete = "customers/delete"
    case customersMerge = "customers/merge"
    case customersEmailConsent = "customers_email_marketing_consent/update"
    case appUninstalled = "app/uninstalled"
    case shopUpdate = "shop/update"
    case customersDataRequest = "customers/data_request"
    case customersRedact = "customers/redact"
    case shopRedact = "shop/redact"

    enum Handling: Hashable, Sendable {
        case order, deletion, fulfillment, fulfillmentEvent, refund, orderTransaction, uninstallation
        case `return`, deliverable, dispute, risk
        case customer, customerDeletion, customerMerger, customerConsent
        case dataRequest, customerRedaction, storeRedaction
        case ignored(IgnoredReason)
    }

    var handling: Handling {
        switch self {
        case .ordersCreate, .ordersUpdated, .ordersPaid, .ordersPartiallyFulfilled, .ordersFulfilled, .ordersCancelled:
            .order
        case .fulfillmentsCreate, .fulfillmentsUpdate:
            .fulfillment
        case .fulfillmentEventsCreate:
            .fulfillmentEvent
        case .ordersEdited:
            // It has the edit and not the order; `orders/updated` comes with it.
            .ignored(.toldByOrdersUpdated)
        case .ordersDelete:
            .deletion
        case .ordersRiskAssessmentChanged:
            .risk
        case .refundsCreate:
            .refund
        case .orderTransactionsCreate:
            .orderTransaction
        case .fulfillmentEventsDelete:
            .ignored(.deletionsNotMirrored)
        case .fulfillmentHoldsAdded, .fulfillmentHoldsReleased, .fulfillmentOrdersCancellationRequestAccepted,
            .fulfillmentOrdersCancellationRequestRejected, .fulfillmentOrdersCancellationRequestSubmitted,
            .fulfillmentOrdersCancelled, .fulfillmentOrdersFulfillmentRequestAccepted,
            .fulfillmentOrdersFulfillmentRequestRejected, .fulfillmentOrdersFulfillmentRequestSubmitted,
            .fulfillmentOrdersServiceFailed, .fulfillmentOrdersHoldReleased, .fulfillmentOrdersPreparedForDelivery,
            .fulfillmentOrdersPreparedForPickup, .fulfillmentOrdersManualProgressStopped, .fulfillmentOrdersMerged,
            .fulfillmentOrdersMoved, .fulfillmentOrdersRoutingComplete, .fulfillmentOrdersPlacedOnHold,
            .fulfillmentOrdersProgressReported, .fulfillmentOrdersRescheduled, .fulfillmentOrdersScheduledReady,
            .fulfillmentOrdersSplit:
            .ignored(.fulfillmentOrdersNotMirrored)
        case .returnsRequest, .returnsApprove, .returnsDecline, .returnsCancel, .returnsClose, .returnsReopen,
            .returnsUpdate:
            .return
        case .reverseDeliveriesAttach:
            .deliverable
        case .reverseFulfillmentOrdersDispose:
            // It names neither the return nor the order, nor a line of either.
            .ignored(.namesNoReturn)
        case .disputesCreate, .disputesUpdate:
            .dispute
        case .customersCreate, .customersUpdate:
            .customer
        case .customersDelete:
            .customerDeletion
        case .customersMerge:
            .customerMerger
        case .customersEmailConsent:
            .customerConsent
        case .appUninstalled:
            .uninstallation
        case .shopUpdate:
            .ignored(.shopNotMirrored)
        case .customersDataRequest:
            .dataRequest
        case .customersRedact:
            .customerRedaction
        case .shopRedact:
            .storeRedaction
        }
    }
}

extension ShopifyTopic {
    /// Whether what it tells may come of an order that was paid with play money. All else that is marked as a test is a
    /// sample, and one that disconnects a shop, or erases somebody, is not to be believed.
    fileprivate var mayBeTest: Bool {
        switch handling {
        case .order, .deletion, .fulfillment, .fulfillmentEvent, .refund, .orderTransaction, .risk, .return,
            .deliverable:
            true
        case .ignored, .uninstallation, .dispute, .customer, .customerDeletion, .customerMerger, .customerConsent,
            .dataRequest, .customerRedaction, .storeRedaction:
            false
        }
    }
}

enum Shopify {
    /// Reads a webhook. Pure.
    ///
    /// - Parameter saidAt: when the shop sent it; what has no time of its own counts from then.
    static func understand(
        topic: String,
        body: [UInt8],
        receivedAt: Instant,
        saidAt: Instant? = nil
    ) throws(Poison) -> Understanding {
        let isTest = topic.hasPrefix(InboundEvent.Headers.shopifyTest)
        let name = isTest ? String(topic.dropFirst(InboundEvent.Headers.shopifyTest.count)) : topic
        guard let topic = ShopifyTopic(rawValue: name) else { return .ignored(.unknownTopic) }
        if isTest {
            guard topic.mayBeTest, try !BodyReader(body).isShopifysSample else { return .ignored(.testNotification) }
        }
        switch topic.handling {
        case .ignored(let reason):
            return .ignored(reason)
        case .order:
            return .changes(try ShopifyOrder.changes(BodyReader(body), receivedAt: receivedAt, sentAt: saidAt))
        case .deletion:
            return .changes(try ShopifyOrder.deletion(BodyReader(body), receivedAt: receivedAt))
        case .uninstallation:
            // Nothing in it is needed, but it is the shop that it tells of.
            try BodyReader(body).demand("domain", "myshopify_domain")
            return .uninstalled
        case .fulfillment:
            return .changes(try ShopifyFulfillment.changes(BodyReader(body), receivedAt: receivedAt, sentAt: saidAt))
        case .fulfillmentEvent:
            return .changes(try ShopifyFulfillment.eventChanges(BodyReader(body), receivedAt: receivedAt))
        case .refund:
            return .changes(try ShopifyRefund.changes(BodyReader(body)))
        case .orderTransaction:
            guard let change = try ShopifyRefund.transactionChange(BodyReader(body)) else {
                return .ignored(.paymentsNotMirrored)
            }
            return .changes([change])
        case .return:
            guard let change = try ShopifyReturn.change(BodyReader(body), saidAt: saidAt ?? receivedAt) else {
                return .ignored(.returnDifferencesNotMirrored)
            }
            return .return(change)
        case .deliverable:
            return .return(try ShopifyReturn.deliverable(BodyReader(body), saidAt: saidAt ?? receivedAt))
        case .risk:
            guard let change = try ShopifyRisk.change(BodyReader(body), saidAt: saidAt ?? receivedAt) else {
                return .ignored(.riskLevelNotTold)
            }
            return .changes([change])
        case .dispute:
            return .dispute(try ShopifyDispute.change(BodyReader(body), saidAt: saidAt ?? receivedAt))
        case .customer:
            return .customer(try ShopifyCustomer.change(BodyReader(body), saidAt: saidAt ?? receivedAt))
        case .customerDeletion:
            return .customer(try ShopifyCustomer.deletion(BodyReader(body), saidAt: saidAt ?? receivedAt))
        case .customerMerger:
            guard let merger = try ShopifyCustomer.merger(BodyReader(body)) else {
                return .ignored(.mergerNotCompleted)
            }
            return .customer(merger)
        case .customerConsent:
            return .customer(try ShopifyCustomer.consent(BodyReader(body), saidAt: saidAt ?? receivedAt))
        case .dataRequest:
            return .privacy(try ShopifyPrivacy.person(BodyReader(body), .customerData, orders: "orders_requested"))
        case .customerRedaction:
            return .privacy(try ShopifyPrivacy.person(BodyReader(body), .customerRedaction, orders: "orders_to_redact"))
        case .storeRedaction:
            return .privacy(try ShopifyPrivacy.store(BodyReader(body)))
        }
    }
}
