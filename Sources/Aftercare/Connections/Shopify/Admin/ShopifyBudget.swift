import Crypto
import FoundationEssentials
import JSON
import Synchronization

/// What a question costs, and how much the shop lets an app spend, in the shop's own points: `extensions.cost` of an
/// answer. A bucket is filled at a constant rate; a question needs all it may cost at most to be in it, and gets back
/// what it did not.
struct ShopifyCost: Hashable, Sendable {
    struct Bucket: Hashable, Sendable {
        var size: Double
        var left: Double
        var perSecond: Double
    }

    var requested: Double?
    var bucket: Bucket?

    /// Nil where the answer says nothing of it.
    init?(_ answer: JSONObject) {
        guard let cost = answer["extensions"]?["cost"] else { return nil }
        requested = cost["requestedQueryCost"]?.doubleValue
        let status = cost["throttleStatus"]
        guard let size = status?["maximumAvailable"]?.doubleValue,
            let left = status?["currentlyAvailable"]?.doubleValue,
            let perSecond = status?["restoreRate"]?.doubleValue, perSecond > 0
        else { return }
        bucket = Bucket(size: size, left: left, perSecond: perSecond)
    }

    /// How long until there is enough for what was asked.
    var wait: Duration? {
        guard let requested, let bucket else { return nil }
        return bucket.wait(for: requested)
    }
}

extension ShopifyCost.Bucket {
    /// Rounded up, since a moment too early is refused; never more than an hour, whatever the numbers.
    func wait(for points: Double) -> Duration {
        let seconds = min(max((points - left) / perSecond, 0), 3600)
        return .milliseconds(Int64((seconds * 1000).rounded(.up)))
    }
}

/// What is known of the costs so far, so that nothing is asked that the shop would refuse. Pure.
struct ShopifyBudget: Sendable {
    private var bucket: ShopifyCost.Bucket?
    private var measuredAt: ContinuousClock.Instant?
    /// What one order of a question cost, by the question's name.
    private var costs: [String: Double] = [:]

    /// Asks for the points of a question, and takes them.
    ///
    /// - Returns: how long to wait before it can be asked; nil where it can be now, as far as is known.
    mutating func take(for query: ShopifyQuery, at now: ContinuousClock.Instant) -> Duration? {
        guard var bucket, let measuredAt, let cost = costs[query.name] else { return nil }
        bucket.left = min(bucket.size, bucket.left + max(0, (now - measuredAt) / .seconds(1)) * bucket.perSecond)
        let points = cost * Double(query.size)
        // More than the bucket ever holds: let the shop say what it thinks of that.
        guard points <= bucket.left || points > bucket.size else { return bucket.wait(for: points) }
        bucket.left -= points
        (self.bucket, self.measuredAt) = (bucket, now)
        return nil
    }

    mutating func note(_ cost: ShopifyCost, of query: ShopifyQuery, at now: ContinuousClock.Instant) {
        if let requested = cost.requested, requested > 0 { costs[query.name] = requested / Double(max(query.size, 1)) }
        if let bucket = cost.bucket { (self.bucket, measuredAt) = (bucket, now) }
    }

    /// The most that one question may cost, whatever the shop's plan.
    private static let most = 1000.0
    private static let sizes = 1...25
    private static let firstSize = 5

    /// How many orders to ask for at once: as many as one question may cost, and as the bucket holds.
    func size(of name: String) -> Int {
        guard let cost = costs[name] else { return Self.firstSize }
        let points = min(Self.most, bucket?.size ?? Self.most) * 0.9
        let size = min(max(points / cost, Double(Self.sizes.lowerBound)), Double(Self.sizes.upperBound))
        return Int(size)
    }
}

/// The budgets of all shops that this process asks. Each question of a connection may be asked by another job.
final class ShopifyBudgets: Sendable {
    /// A shop counts for each app by itself.
    struct Key: Hashable, Sendable {
        private let digest: [UInt8]

        init(endpoint: String, accessToken: String) {
            digest = Array(SHA256.hash(data: Array("\(endpoint) \(accessToken)".utf8)))
        }
    }

    private let known = Mutex<[Key: ShopifyBudget]>([:])
    /// Learned again with the next answer, so it is no loss to forget them.
    private static let most = 10_000

    func with<Result: Sendable>(_ key: Key, _ body: (inout ShopifyBudget) -> Result) -> Result {
        known.withLock { known in
            if known.count >= Self.most, known[key] == nil { known.removeAll() }
            return body(&known[key, default: ShopifyBudget()])
        }
    }
}
