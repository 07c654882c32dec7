import Curl
import FoundationEssentials
import JSON
import Time

/// What a store's own program is sent, and what its answer means. Pure.
struct CommandWebhook: Sendable {
    let command: Command
    let order: Order
    /// Where this API is reached from outside.
    let publicURL: String

    /// The same bytes at every try: a receiver may compare.
    var body: [UInt8] {
        let data: JSON = [
            "id": .string(command.id.description),
            "kind": .string(command.kind.rawValue),
            "store_id": .string(command.store.description),
            "order_id": .string(command.order.description),
            "order_external_id": .string(order.externalID),
            "order_number": order.state.values.number.map { .string($0) } ?? nil,
            "acknowledge_url": .string("\(publicURL)/v1/commands/\(command.id)/acknowledge"),
            "parameters": command.parameters?.json ?? nil,
        ]
        let event: JSON = [
            "type": "command.requested", "schema_version": 1, "timestamp": .string(command.createdAt.rfc3339),
            "data": data,
        ]
        return event.serializedBytes
    }

    // MARK: Answers

    static let deadline = Duration.seconds(15)
    static let maximumAnswer = 64 << 10

    /// By the status alone, but for what a receiver that is done at once may say in the body.
    static func outcome(of response: HTTPClient.Response) -> CommandOutcome {
        switch response.status {
        case 200...299:
            let word = try? FieldReader.read(JSON(parsing: response.body), CommandAcknowledgement.init)
            return word.map { .acknowledged($0) } ?? .accepted(detail: "\(response.status)", reference: nil)
        case 410:
            return .gone
        default:
            let wait = response["Retry-After"].flatMap { Int($0) }.map { Duration.seconds(min(max($0, 0), 3600)) }
            // One that broke may have done it before.
            return .passing("it answered \(response.status)", mayHaveActed: response.status >= 500, after: wait)
        }
    }

    /// What libcurl says is for operators; a tenant sees what it means.
    static func outcome(of failure: Outbound.Failure) -> CommandOutcome {
        switch failure {
        // A name may be repaired; an address that is not public stays so.
        case .refused(.unresolved): .passing("its name cannot be resolved", mayHaveActed: false, after: nil)
        case .refused(let refusal): .failed(.endpointRefused, detail: "its address \(refusal)")
        case .transfer(let error):
            switch error {
            case .notConnected: .passing("no connection", mayHaveActed: false, after: nil)
            case .untrusted: .passing("its certificate is not trusted", mayHaveActed: false, after: nil)
            case .timedOut(let requestSent): .passing("no answer in time", mayHaveActed: requestSent, after: nil)
            case .connectionLost: .passing("the connection broke", mayHaveActed: true, after: nil)
            case .responseTooLarge(let limit):
                .passing("it answered more than \(limit) bytes", mayHaveActed: true, after: nil)
            case .cancelled, .shutDown: .passing("this program was stopped", mayHaveActed: true, after: nil)
            case .invalidRequest: .failed(.endpointRefused, detail: "its address cannot be used")
            }
        }
    }
}

/// What became of a try to tell the shop.
enum CommandOutcome: Hashable, Sendable {
    /// The shop has it.
    case accepted(detail: String, reference: String?)
    /// And says what became of it.
    case acknowledged(CommandAcknowledgement)
    /// The shop will not.
    case refused(CommandReason, detail: String)
    /// It certainly did not reach the shop, and never will.
    case failed(CommandReason, detail: String)
    /// Not this time, but it may be tried again: a webhook's receiver knows a repeated one by its id, and what went
    /// through a connector certainly did nothing.
    case passing(String, mayHaveActed: Bool, after: Duration?)
    /// The endpoint is not there any more.
    case gone
    /// It may have been carried out, or not.
    case unknown(CommandReason, detail: String)
}

/// The word of a shop's program on what became of a command.
struct CommandAcknowledgement: Hashable, Sendable {
    enum Outcome: String, CaseIterable, Sendable { case done, refused }

    let outcome: Outcome
    /// Why not, or anything else worth knowing.
    let reason: String?
    /// The shop's id of what it did.
    let reference: String?

    init(_ body: inout FieldReader) throws(FieldErrors) {
        (outcome, reason, reference) = try body.finish(
            body.required("outcome", .choice(Outcome.self)),
            body.optional("reason", .string(1...500)),
            body.optional("reference", .externalID)
        )
    }
}

extension Command {
    /// False where what is known of it says otherwise.
    mutating func apply(_ word: CommandAcknowledgement, at now: Instant) -> Bool {
        switch word.outcome {
        case .done: apply(.acknowledged, detail: word.reason, reference: word.reference, at: now)
        case .refused:
            apply(.refused, because: .refusedByShop, detail: word.reason, reference: word.reference, at: now)
        }
    }

    /// Whether it was said before.
    func knows(_ word: CommandAcknowledgement) -> Bool {
        switch word.outcome {
        case .done: acknowledgedAt != nil && (state == .acknowledged || state == .verified)
        case .refused: state == .refused && reason == .refusedByShop
        }
    }
}
