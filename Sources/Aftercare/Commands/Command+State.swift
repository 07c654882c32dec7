extension Command {
    /// Where a command stands. What leads from one to the other is drawn in the documentation (`Commands.md`).
    enum State: String, CaseIterable, Sendable {
        /// Waits to be sent, or to be sent again.
        case requested
        /// Marked: the shop may have it.
        case sending
        /// The shop has it. Whether it was carried out is still to be seen, or said.
        case accepted
        /// The shop says that it was carried out.
        case acknowledged
        /// It was carried out, and was seen to be.
        case verified
        /// The shop will not, or the order is no longer as it has to be.
        case refused
        /// It certainly did not reach the shop, or was given up before.
        case failed
        /// It may have been carried out, or not. Never sent again by itself.
        case unknown

        /// What can happen to a command.
        enum Event: CaseIterable, Sendable {
            case marked, accepted, acknowledged
            /// It was seen to be done, in the mirror or by a person.
            case shown
            case refused, failed
            /// Nobody knows any more.
            case doubted
            /// It did not go through, and may be sent again.
            case retried
        }

        /// Nothing more happens to it.
        var isFinal: Bool { self == .verified || self == .refused || self == .failed }

        /// Whether it is to be looked for in the mirror.
        var isAwaited: Bool { self == .accepted || self == .acknowledged || self == .unknown }

        /// Nil where it cannot happen.
        func after(_ event: Event) -> State? {
            switch (self, event) {
            case (.requested, .marked): .sending
            // A receiver may say what it did before it answers, or after an answer that did not come through.
            case (.requested, .acknowledged), (.sending, .acknowledged), (.accepted, .acknowledged),
                (.unknown, .acknowledged):
                .acknowledged
            case (.requested, .refused), (.sending, .refused), (.accepted, .refused), (.unknown, .refused): .refused
            case (.requested, .failed), (.sending, .failed), (.unknown, .failed): .failed
            case (.requested, .shown), (.accepted, .shown), (.acknowledged, .shown), (.unknown, .shown): .verified
            case (.requested, .doubted), (.sending, .doubted), (.accepted, .doubted), (.acknowledged, .doubted):
                .unknown
            // Late evidence turns `unknown` into what really happened.
            case (.sending, .accepted), (.unknown, .accepted): .accepted
            // Of what is in doubt: by a person alone.
            case (.sending, .retried), (.unknown, .retried): .requested
            default: nil
            }
        }
    }
}

/// Why a command was refused, failed or is in doubt; or why it cannot be asked for.
enum CommandReason: String, CaseIterable, Sendable {
    // The order is not as it has to be.
    case orderIncomplete = "order_incomplete"
    case orderDeleted = "order_deleted"
    case alreadyCancelled = "already_cancelled"
    case shipped
    case labelCreated = "label_created"
    case inFulfillment = "in_fulfillment"
    /// The shop used a word for it that nobody here knows.
    case fulfillmentUnknown = "fulfillment_unknown"
    case nothingToShip = "nothing_to_ship"
    case disputeOpen = "dispute_open"
    case notDelivered = "not_delivered"
    case unknownLine = "unknown_line"
    case quantityExceedsLeft = "quantity_exceeds_left"

    /// The store has no connector and no endpoint for it.
    case noWayToCommand = "no_way_to_command"
    /// One of this kind is not over yet.
    case commandInProgress = "command_in_progress"
    /// The shop did not let it be read again, so that nobody knows whether it is still as it has to be.
    case orderNotRead = "order_not_read"
    case endpointDisabled = "endpoint_disabled"
    /// It answered 410.
    case endpointGone = "endpoint_gone"
    /// The address may not be reached from here.
    case endpointRefused = "endpoint_refused"
    /// No try came through until the deadline.
    case unreachable
    /// Nor did one, and the shop may have it from one of them.
    case noAnswer = "no_answer"
    case refusedByShop = "refused_by_shop"
    /// Nobody said what became of it.
    case noAcknowledgement = "no_acknowledgement"
    /// It was said to be done, and the mirror does not show it.
    case notSeen = "not_seen"
    /// The program died, or lost its lease, while it was sent.
    case interrupted
    case failedOnOurSide = "failed_on_our_side"
    /// What it was about was erased.
    case redacted
    /// By a person.
    case resolved
}
