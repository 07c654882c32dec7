/// What a webhook comes to, whoever sent it: changes of one order, of a return, of a dispute or of customers, a
/// privacy request, the end of the connection, or nothing, with the reason.
enum Understanding: Hashable, Sendable {
    case changes([OrderChange])
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
    case toldByOrdersUpdated = "told_by_orders_updated"
    case deletionsNotMirrored = "deletions_not_mirrored"
    case risksNotMirrored = "risks_not_mirrored"
    /// A payment, an authorization, a void: none that pays money back.
    case paymentsNotMirrored = "payments_not_mirrored"
    case fulfillmentOrdersNotMirrored = "fulfillment_orders_not_mirrored"
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
    /// It would have changed the mirror. Replay it once the connection is in use again.
    case connectionDisabled = "connection_disabled"
    /// The app was taken out before the connection was put to use as it is now.
    case connectedAgainSince = "connected_again_since"
}
