import FoundationEssentials
import JSON
import Testing
import Time

@testable import Aftercare

@Suite struct `Workflow documents` {
    private static let today = LocalDate(daysSince1970: 20_000)

    private func read(_ json: JSON) throws -> Workflow {
        try FieldReader.read(json, Workflow.init)
    }

    private func changed(_ name: String, to value: JSON?) -> JSON {
        var object = WorkflowCatalogue.postPurchaseFollowUp.definition(Self.today).json.objectValue ?? [:]
        object[name] = value
        return .object(object)
    }

    @Test func `every ready-made workflow is read as it was written`() throws {
        for ready in WorkflowCatalogue.all {
            let workflow = ready.definition(Self.today)
            let text = workflow.json.serialized
            #expect(try read(JSON(parsing: text)) == workflow)
            #expect(workflow.charter.reviewOn > Self.today)
        }
    }

    @Test func `a schedule of its own is read as it was written`() throws {
        let schedule: JSON = ["from": "workflow", "days": 14, "local_time": "09:30"]
        let workflow = try read(changed("schedule", to: schedule))
        #expect(workflow.schedule == .own(days: 14, localTime: try #require(LocalTimeOfDay("09:30"))))
        #expect(workflow.json["schedule"] == schedule)
    }

    @Test func `a schedule by policy that names no setting is the follow-up's, as in old documents`() throws {
        let workflow = try read(changed("schedule", to: ["from": "policy"]))
        #expect(workflow.schedule == .byPolicy(.followUp))
        #expect(workflow.json["schedule"] == ["from": "policy", "setting": "follow_up"])
    }

    @Test(
        arguments: [
            ("trigger", ["fact": "moon_full"], "#/trigger/fact"),
            ("trigger", nil, "#/trigger"),
            ("schedule", ["from": "workflow", "days": 61, "local_time": "09:30"], "#/schedule/days"),
            ("schedule", ["from": "workflow", "days": 1], "#/schedule/local_time"),
            ("schedule", ["from": "policy", "days": 1], "#/schedule/days"),
            ("schedule", ["from": "moon"], "#/schedule/from"),
            ("schedule", ["from": "policy", "setting": "moon"], "#/schedule/setting"),
            ("schedule", ["from": "fact", "days": 1], "#/schedule/days"),
            ("conditions", ["not_cancelled", "is_nice"], "#/conditions/1"),
            ("action", ["send_message": ["template": "poem"]], "#/action/send_message/template"),
            ("action", ["refund": true], "#/action/refund"),
            (
                "action", ["send_message": ["template": "refund_failed"], "escalate": ["ticket_kind": "boredom"]],
                "#/action/escalate/ticket_kind"
            ),
            ("class", "marketing", "#/class"),
            ("class", "internal", "#/class"),
            // A ticket silences no notice: the ready-made conditions hold `no_open_ticket`.
            ("class", "transactional", "#/conditions"),
            ("charter", ["goal": "", "owner": "me"], "#/charter/goal"),
            ("mood", "good", "#/mood"),
        ] as [(String, JSON?, String)]
    )
    func `what is not understood is refused and named`(_ name: String, _ value: JSON?, _ pointer: String) {
        do throws(FieldErrors) {
            _ = try FieldReader.read(changed(name, to: value), Workflow.init)
            Issue.record("it was taken")
        } catch {
            #expect(error.errors.contains { $0.pointer == pointer })
        }
    }
}
