/// What a webhook comes to, whoever sent it: changes of one order, word of one parcel, of a return, of a dispute or of customers, a
/// privacy request, the end of the connection, or nothing, with the reason.
enum Understanding: Hashable, Sendable {
    case changes([OrderChange])
    /// What a shop answered of one order, with its returns.
    case answer([OrderChange], returns: [ReturnChange])
    case tracking(TrackingUpdate)
    case `return`(ReturnChange)
    case dispute(DisputeChange)
    case customer(CustomerChange)
    case privacy(PrivacyChange)
    /// The shop took the app out.
    case uninstalled
    case ignored(IgnoredReason)
}

/// Why an event that was understood changes nothing.
enum IgnoredReason: String, CaseIterable, Sendable {
    case unknownTopic = "unknown_topic"
    /// A sample that the shop sent; it is about no real order.
    case testNotification = "test_notification"
    case toldByOrdersUpdated = "told_by_orders_updated"
    case deletionsNotMirrored = "deletions_not_mirrored"
    /// It says that an order's risk was assessed, and not how high it is.
    case riskLevelNotTold = "risk_level_not_told"
    /// A payment, an authorization, a void: none that pays money back.
    case paymentsNotMirrored = "payments_not_mirrored"
    case fulfillmentOrdersNotMirrored = "fulfillment_orders_not_mirrored"
    case customersNotMirrored = "customers_not_mirrored"
    case couponsNotMirrored = "coupons_not_mirrored"
    case productsNotMirrored = "products_not_mirrored"
    /// A hook of the shop's program, of which nobody here knows what it means.
    case actionsNotMirrored = "actions_not_mirrored"
    /// Begun in the shop, and placed by nobody so far.
    case draftOrder = "draft_order"
    case namesNoReturn = "names_no_return"
    /// It says how a return differs from what it was, and not what it is.
    case returnDifferencesNotMirrored = "return_differences_not_mirrored"
    /// The shop was asked to make one of two customers, and has not.
    case mergerNotCompleted = "merger_not_completed"
    /// The customer that is to be kept was merged into the other one before.
    case mergesInCircle = "merges_in_circle"
    case shopNotMirrored = "shop_not_mirrored"
    /// Its body was erased, with the data of whom it told of.
    case redacted
    /// Its body was deleted, because it was kept for long enough, when it was to be read again.
    case expired = "body_expired"
    /// It is none of the provider's events.
    case notAnEvent = "not_an_event"
    case notAboutTracking = "not_about_tracking"
    /// It names what happened and does not tell it.
    case eventWithoutContent = "event_without_content"
    /// Kept, and applied when a shipment with that number is told.
    case noShipment = "no_shipment_with_that_number"
    /// Shipments with that number are there, and it is about none of them: another carrier's, or another season's.
    case outsideWindow = "about_no_shipment_with_that_number"
    /// It would have changed the mirror. Replay it once the connection is in use again.
    case connectionDisabled = "connection_disabled"
    /// The app was taken out before the connection was put to use as it is now.
    case connectedAgainSince = "connected_again_since"
}
