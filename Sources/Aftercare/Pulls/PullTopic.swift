/// What a pulled body is, as an inbound event's topic. It counts for events that were pulled, and for no webhook, whatever
/// its header says.
enum PullTopic: String, CaseIterable, Sendable {
    /// The whole order, as the shop told it when asked.
    case order = "pull/order"
    /// The same, of an order that the mirror has as deleted: it is back.
    case restoredOrder = "pull/order_restored"
    /// The shop has no such order, or has it no more. The body is ours: `{"id": "727"}`.
    case missingOrder = "pull/order_missing"
}
