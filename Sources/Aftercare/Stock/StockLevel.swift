import FoundationEssentials
import Time

/// What is available of one variant at one place.
struct StockLevel: Hashable, Sendable {
    /// What the shop tells its variants by.
    let sku: String
    /// Empty where the shop has one place, or does not tell them apart.
    let location: String
    /// Below zero: more is promised than there is.
    let available: Int
    /// The source's own time.
    let asOf: Instant
    let version: Int64
    let createdAt: Instant
    /// When we were told.
    let updatedAt: Instant
    /// For paging.
    let id: UUID
}
