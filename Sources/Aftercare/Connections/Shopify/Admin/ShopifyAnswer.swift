import Curl
import FoundationEssentials
import JSON

/// An answer of the Admin API, taken apart. Pure.
///
/// GraphQL says 200 to almost everything and what is wrong in the body; what never reaches it is told by the status.
struct ShopifyAnswer: Sendable {
    enum Outcome: Sendable {
        case data(JSONObject)
        /// The question may come to more than the shop lets one question cost.
        case tooCostly
        case failure(PullFailure)
    }

    /// The version that answered. One that is served no more is answered by the oldest that is.
    let version: String?
    let cost: ShopifyCost?
    let outcome: Outcome
    /// What there was of it, also beside errors.
    let data: JSONObject?
    /// Whether what was asked for may have been carried out, whatever became of the answer.
    let mayHaveRun: Bool

    init(_ response: HTTPClient.Response) {
        version = response["X-Shopify-API-Version"].map { InboundEvent.Headers.worthKeeping($0) }
        let json = try? JSON(parsing: response.body, limits: .foreign)
        let body = json?.objectValue
        cost = body.flatMap { ShopifyCost($0) }
        data = body?["data"]?.objectValue
        mayHaveRun = Self.mayHaveRun(response.status, body)
        switch response.status {
        case 200...299:
            outcome = Self.outcome(body, cost)
        case 401:
            outcome = .failure(.unauthorized)
        case 403:
            // Whoever has not been granted something is told what, in a sentence.
            let text = Self.text(body?["errors"])
            outcome = .failure(Self.scope(in: text).map { .missingScope($0) } ?? .forbidden)
        case 402:
            outcome = .failure(.unavailable("the shop is frozen until it is paid for"))
        case 423:
            outcome = .failure(.unavailable("the shop is locked"))
        case 404:
            outcome = .failure(.apiSunset(ShopifyAdmin.version))
        case 429:
            outcome = .failure(.throttled(retryAfter: Self.wait(response) ?? cost?.wait))
        case 430:
            outcome = .failure(.forbidden)
        case let status where status >= 500 || (300...399).contains(status):
            outcome = .failure(.unavailable("status \(status)"))
        case let status:
            outcome = .failure(.unreadable("status \(status)"))
        }
    }

    /// A document that was not understood, or may not be carried out as it is, is answered with errors and without the
    /// member `data` (GraphQL, 7.1); but so is one that broke on the way.
    private static func mayHaveRun(_ status: Int, _ body: JSONObject?) -> Bool {
        guard (200...299).contains(status) else { return status >= 500 }
        guard let body, let errors = body["errors"]?.arrayValue, !errors.isEmpty, body["data"] == nil else {
            return true
        }
        return errors.contains { $0["extensions"]?["code"]?.stringValue == "INTERNAL_SERVER_ERROR" }
    }

    private static func wait(_ response: HTTPClient.Response) -> Duration? {
        guard let seconds = response["Retry-After"].flatMap({ Double($0) }), seconds >= 0 else { return nil }
        return .milliseconds(Int64((min(seconds, 3600) * 1000).rounded(.up)))
    }

    // MARK: What stands in the body

    /// What was answered in part is not accepted: what an error left empty would be taken for empty.
    private static func outcome(_ body: JSONObject?, _ cost: ShopifyCost?) -> Outcome {
        guard let body else { return .failure(.unreadable("no JSON object")) }
        let errors = body["errors"]
        if let errors, !errors.isNull, errors.arrayValue?.isEmpty != true {
            return failure(errors.arrayValue ?? [errors], cost)
        }
        guard let data = body["data"]?.objectValue else { return .failure(.unreadable("no data")) }
        return .data(data)
    }

    /// Of several errors the one that says most about what to do.
    private static func failure(_ errors: [JSON], _ cost: ShopifyCost?) -> Outcome {
        let codes = errors.map { $0["extensions"]?["code"]?.stringValue ?? "" }
        let isThrottled = codes.contains("THROTTLED") || errors.contains { text($0) == "Throttled" }
        if isThrottled { return .failure(.throttled(retryAfter: cost?.wait)) }
        if codes.contains("MAX_COST_EXCEEDED") { return .tooCostly }
        if let at = codes.firstIndex(of: "ACCESS_DENIED") {
            let required = errors[at]["extensions"]?["requiredAccess"]?.stringValue
            return .failure(.missingScope(scope(in: required ?? text(errors[at]))))
        }
        if codes.contains("SHOP_INACTIVE") { return .failure(.unavailable("the shop is not active")) }
        if codes.contains("INTERNAL_SERVER_ERROR") { return .failure(.unavailable("an error within the shop")) }
        let names = Set(codes).filter { !$0.isEmpty }.sorted().joined(separator: " ")
        return .failure(
            .unreadable(names.isEmpty ? "an error without a code" : InboundEvent.Headers.worthKeeping(names))
        )
    }

    private static func text(_ error: JSON?) -> String {
        guard let error else { return "" }
        return error.stringValue ?? error["message"]?.stringValue ?? error[0].map { text($0) } ?? ""
    }

    /// The first scope that a sentence names, such as "`read_orders` access scope".
    private static func scope(in text: String) -> String? {
        let words = text.split { !($0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_")) }
        let scope = words.first { ($0.hasPrefix("read_") || $0.hasPrefix("write_")) && $0.count <= 60 }
        return scope.map(String.init)
    }
}
