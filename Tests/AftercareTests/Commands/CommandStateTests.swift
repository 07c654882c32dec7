import FoundationEssentials
import JSON
import Support
import Testing
import Time

@testable import Aftercare

/// The states of a command, without a database.
@Suite struct CommandStateTests {
    private static let now = Instant(seconds: 1_772_000_000)

    static func command(_ body: JSON = CommandBody.cancel) throws -> Command {
        Command(
            try FieldReader.read(body, CommandParameters.init(request:)),
            of: CommandQuestionTests.order(),
            through: .webhook,
            by: "usr_1",
            now: now
        )
    }

    @Test func `what is over stays over, and only a try begins sending`() {
        for state in Command.State.allCases {
            for event in Command.State.Event.allCases {
                let next = state.after(event)
                if state.isFinal { #expect(next == nil, "\(state) \(event)") }
                if next == .sending { #expect(state == .requested && event == .marked) }
                #expect(next != state, "\(state) \(event)")
            }
        }
        // Each is reached, and none but the last ones is a dead end.
        for state in Command.State.allCases where state != .requested {
            #expect(
                Command.State.allCases.contains { from in
                    Command.State.Event.allCases.contains { from.after($0) == state }
                }
            )
        }
        for state in Command.State.allCases where !state.isFinal {
            #expect(Command.State.Event.allCases.contains { state.after($0) != nil })
        }
    }

    /// Whatever happens, in whatever order: the promises of the state machine.
    @Test(arguments: UInt64(0)..<200) func `whatever happens to it, the promises hold`(_ seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        var command = try Self.command()
        var (tries, isShown, isRefused) = (0, false, false)
        for step in 1...40 {
            let at = Self.now + .seconds(step)
            let before = command
            let event = Command.State.Event.allCases.randomElement(using: &random) ?? .marked
            let isApplied: Bool
            if event == .marked {
                isApplied = command.begin(at: at)
                if isApplied { tries += 1 }
            } else if before.state == .unknown, event == .retried {
                // In doubt: by a person alone.
                let resolution = Command.Resolution(verdict: .requested, by: "usr_1", at: at, note: nil)
                isApplied = command.resolve(resolution)
                #expect(isApplied && command.deadline == at + Command.patience)
            } else {
                isApplied = command.apply(event, because: .noAnswer, at: at)
            }
            // What cannot happen changes nothing at all.
            if !isApplied { #expect(command.state == before.state && command.version == before.version) }
            if isApplied { #expect(command.version == before.version + 1 && command.updatedAt == at) }
            #expect(command.attempts == tries)
            #expect(command.state.isFinal == (command.endedAt != nil))
            if isShown || isRefused { #expect(command.state == before.state) }
            isShown = command.state == .verified
            isRefused = command.state == .refused || command.state == .failed
            // Nothing that the shop cannot have is called sent, done or in doubt.
            if tries == 0 { #expect([.requested, .refused, .failed].contains(command.state)) }
        }
    }

    @Test func `a person's word is for what is in doubt alone`() throws {
        for state in [Command.State.requested, .sending, .accepted, .acknowledged] {
            var command = try Self.command()
            if state != .requested { _ = command.begin(at: Self.now) }
            if state == .accepted { _ = command.apply(.accepted, at: Self.now) }
            if state == .acknowledged { _ = command.apply(.acknowledged, at: Self.now) }
            #expect(command.state == state)
            for verdict in Command.Verdict.allCases {
                let isResolved = command.resolve(.init(verdict: verdict, by: "usr_1", at: Self.now, note: nil))
                #expect(!isResolved && command.state == state)
            }
        }
    }

    @Test func `the shop's word counts once, and no other after it`() throws {
        let done = try word(["outcome": "done", "reference": "R-1"])
        let refused = try word(["outcome": "refused", "reason": "It is packed."])
        var command = try Self.command()
        var isApplied = command.begin(at: Self.now) && command.apply(done, at: Self.now)
        #expect(isApplied)
        #expect(command.state == .acknowledged && command.reference == "R-1" && command.knows(done))
        // The answer to the webhook comes after it.
        isApplied = command.apply(.accepted, at: Self.now) || command.apply(.retried, at: Self.now)
        #expect(!isApplied && !command.knows(refused))
        isApplied = command.apply(refused, at: Self.now)
        #expect(!isApplied)
        var other = try Self.command()
        isApplied = other.begin(at: Self.now) && other.apply(refused, at: Self.now)
        #expect(isApplied)
        #expect(other.state == .refused && other.reason == .refusedByShop && other.detail == "It is packed.")
        isApplied = other.apply(done, at: Self.now)
        #expect(other.knows(refused) && !other.knows(done) && !isApplied)
    }

    private func word(_ json: JSON) throws -> CommandAcknowledgement {
        try FieldReader.read(json, CommandAcknowledgement.init)
    }

    // MARK: Looking whether it was done

    @Test func `the mirror is looked at often, then less, until the deadline`() throws {
        let order = CommandQuestionTests.order()
        let question = CommandQuestion(order: order, hasOpenDispute: false, returns: [])
        var command = try Self.command()
        _ = command.begin(at: Self.now) && command.apply(.accepted, at: Self.now)
        var (now, looks) = (Self.now, 0)
        while case .waits(let next) = FollowCommand.look(&command, question, now: now) {
            #expect(next > now && next <= command.deadline && next - now <= .seconds(3600))
            (now, looks) = (next, looks + 1)
        }
        #expect(command.state == .unknown && command.reason == .noAcknowledgement && now == command.deadline)
        #expect((30...60).contains(looks))
        // In doubt, it is looked for some days more.
        while case .waits(let next) = FollowCommand.look(&command, question, now: now) { now = next }
        #expect(now - command.createdAt >= FollowCommand.patience && command.state == .unknown)
    }

    @Test func `a new address is over when the shop says so, for nothing shows it`() throws {
        let question = CommandQuestion(order: CommandQuestionTests.order(), hasOpenDispute: false, returns: [])
        var command = try Self.command(CommandBody.address)
        _ = command.begin(at: Self.now) && command.apply(.acknowledged, at: Self.now)
        let look = FollowCommand.look(&command, question, now: Self.now)
        #expect(look == .over && command.state == .acknowledged)
    }

    @Test(arguments: [
        (200, "", "accepted"), (202, "not json", "accepted"), (204, "", "accepted"),
        (200, #"{"outcome":"done"}"#, "done"),
        (200, #"{"outcome":"refused","reason":"Packed."}"#, "refused"), (200, #"{"outcome":"maybe"}"#, "accepted"),
        (301, "", "no"), (400, "", "no"), (401, "", "no"), (404, "", "no"), (410, "", "gone"), (429, "", "no"),
        (500, "", "perhaps"), (503, "", "perhaps"),
    ])
    func `an answer is read by its status`(_ status: Int, _ body: String, _ meaning: String) {
        let response = HTTPAnswer.response(status, headers: [("Retry-After", "120")], body: body)
        switch CommandWebhook.outcome(of: response) {
        case .accepted: #expect(meaning == "accepted")
        case .acknowledged(let word): #expect(meaning == word.outcome.rawValue)
        case .gone: #expect(meaning == "gone")
        case .passing(_, let mayHaveActed, let wait):
            #expect(meaning == (mayHaveActed ? "perhaps" : "no") && wait == .seconds(120))
        case .refused, .failed, .unknown: Issue.record("\(status)")
        }
    }
}
