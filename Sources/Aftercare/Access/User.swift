import FoundationEssentials
import Time

/// A person of a tenant.
struct User: Sendable {
    let id: UserID
    let tenant: TenantID
    let email: String
    var name: String
    var role: Role
    var disabledAt: Instant?
    var version: Int64
    let createdAt: Instant
    var updatedAt: Instant
}
