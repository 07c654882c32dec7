import FoundationEssentials
import Time

/// A program's credential, without its secret.
struct APIKey: Sendable {
    let id: APIKeyID
    let tenant: TenantID
    /// The only store it may touch; absent for a key of the whole tenant.
    let store: StoreID?
    let name: String
    let scopes: Set<Scope>
    let hint: String
    let rotatedTo: APIKeyID?
    let createdBy: String
    let createdAt: Instant
    let expiresAt: Instant?
    let revokedAt: Instant?
}
