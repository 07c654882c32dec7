import FoundationEssentials
import Time

/// Every topic WooCommerce knows, by the name its header carries. A topic that is not here is stored all the same, and
/// ignored as unknown.
///
/// There is none for refunds, shipments and disputes: what is known of them stands in the order.
enum WooCommerceTopic: String, CaseIterable, Sendable {
    case orderCreated = "order.created"
    case orderUpdated = "order.updated"
    case orderDeleted = "order.deleted"
    case orderRestored = "order.restored"
    case customerCreated = "customer.created"
    case customerUpdated = "customer.updated"
    case customerDeleted = "customer.deleted"
    case customerRestored = "customer.restored"
    case couponCreated = "coupon.created"
    case couponUpdated = "coupon.updated"
    case couponDeleted = "coupon.deleted"
    case couponRestored = "coupon.restored"
    case productCreated = "product.created"
    case productUpdated = "product.updated"
    case productDeleted = "product.deleted"
    case productRestored = "product.restored"
    /// Any hook of the shop's program, `action.woocommerce_add_to_cart`.
    case action = "action.*"

    init?(header: String) {
        if header.hasPrefix("action.") {
            self = .action
        } else {
            self.init(rawValue: header)
        }
    }

    enum Handling: Hashable, Sendable {
        case order, deletion, restoration
        case ignored(IgnoredReason)
    }

    var handling: Handling {
        switch self {
        case .orderCreated, .orderUpdated: .order
        case .orderDeleted: .deletion
        case .orderRestored: .restoration
        case .customerCreated, .customerUpdated, .customerDeleted, .customerRestored: .ignored(.customersNotMirrored)
        case .couponCreated, .couponUpdated, .couponDeleted, .couponRestored: .ignored(.couponsNotMirrored)
        case .productCreated, .productUpdated, .productDeleted, .productRestored: .ignored(.productsNotMirrored)
        case .action: .ignored(.actionsNotMirrored)
        }
    }
}

enum WooCommerce {
    /// Reads what the shop answered when it was asked: its REST API tells an order as its webhooks do. Pure.
    static func understand(pulled topic: PullTopic, body: [UInt8], askedAt: Instant) throws(Poison) -> Understanding {
        let body = try BodyReader(body)
        switch topic {
        case .missingOrder:
            return .changes([try WooCommerceOrder.deletion(body, receivedAt: askedAt)])
        case .order, .restoredOrder:
            guard try !WooCommerceOrder.isDraft(body) else { return .ignored(.draftOrder) }
            let changes = try WooCommerceOrder.changes(body, askedAt: askedAt)
            guard topic == .restoredOrder else { return .changes(changes) }
            return .changes(changes + [try WooCommerceOrder.restoration(body, receivedAt: askedAt)])
        }
    }

    /// Reads a webhook. Pure.
    static func understand(topic: String, body: [UInt8], receivedAt: Instant) throws(Poison) -> Understanding {
        guard let topic = WooCommerceTopic(header: topic) else { return .ignored(.unknownTopic) }
        switch topic.handling {
        case .ignored(let reason):
            return .ignored(reason)
        case .deletion:
            return .changes([try WooCommerceOrder.deletion(BodyReader(body), receivedAt: receivedAt)])
        case .order:
            let body = try BodyReader(body)
            guard try !WooCommerceOrder.isDraft(body) else { return .ignored(.draftOrder) }
            return .changes(try WooCommerceOrder.changes(body))
        case .restoration:
            let body = try BodyReader(body)
            guard try !WooCommerceOrder.isDraft(body) else { return .ignored(.draftOrder) }
            let restoration = try WooCommerceOrder.restoration(body, receivedAt: receivedAt)
            return .changes(try WooCommerceOrder.changes(body) + [restoration])
        }
    }
}
