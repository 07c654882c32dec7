import Crypto
import FoundationEssentials
import Jobs
import Logging
import Postgres
import Time

/// Everything the features work with, made once at the start and handed down. There is no other way to any of it.
struct Environment: Sendable {
    let pool: Pool
    let clock: DatabaseClock
    let access: Access
    var masterKey: MasterKey
    /// How shops are asked, and how often.
    let shops: ShopTransport
    let pulls: PullSettings
    let passwords: Passwords
    /// To addresses that tenants name.
    let outbound: Outbound
    /// The sender of mail for stores that name none.
    let mailFrom: String
    /// Where this API is reached from outside, without a slash at its end.
    let publicURL: String
    /// How long the bodies of webhooks are kept that were read.
    let bodiesKept: Duration
    /// Webhooks whose signature was wrong, until they are written down.
    let refusedSignatures = RefusedSignatures()
    /// Jobs were enqueued in this process: a worker in it need not wait for its next poll.
    let wakeWorker: WakeUp
    /// Where the process kills itself, in tests of crashes; else nowhere.
    let failpoint: Failpoint
    let logger: Logger

    /// The tenant's transactions, for jobs. Requests go through `access`.
    func settings(for tenant: UUID) -> [LocalSetting] { [LocalSetting("app.tenant", tenant)] }
}
