import JSON
import Testing

@testable import Aftercare

/// Words and ids that both the program and the specification list.
@Suite struct `The words of the specification` {
    private static func words<Choice: CaseIterable & RawRepresentable>(
        _: Choice.Type
    ) -> [String] where Choice.RawValue == String {
        Choice.allCases.map(\.rawValue)
    }

    private static let enumerations: [(schema: String, words: [String])] = [
        ("Scope", words(Scope.self)),
        ("Role", words(Role.self)),
        ("StorePlatform", words(Store.Platform.self)),
        ("StoreMode", words(Store.Mode.self)),
        ("ConnectionProvider", words(Connection.Provider.self)),
        ("ConnectionState", words(Connection.State.self)),
        ("ConnectionStateReason", words(Connection.StateReason.self)),
        ("PutOrderOutcome", words(PutOrder.Outcome.self)),
        ("PutOrdersOutcome", words(PutOrder.Outcome.self) + ["rejected"]),
        ("PassedOnOutcome", ["kept", "unchanged", "rejected"]),
        ("ImportState", words(Import.State.self)),
        ("TimelineType", words(TimelineEntry.Source.self)),
        ("InboundEventState", words(InboundEvent.State.self)),
        ("InboundEventVia", words(InboundEvent.Via.self)),
        ("PullKind", words(Pull.Kind.self)),
        ("PullFailure", words(Pull.Failure.self)),
        ("RefreshState", words(Refresh.State.self)),
        ("RefreshFailure", words(Refresh.Failure.self)),
        ("BodyRemovalReason", words(InboundEvent.BodyRemoval.Reason.self)),
        ("ConnectionHealthState", words(ConnectionHealth.State.self)),
        ("ConnectionHealthReason", words(ConnectionHealth.Reason.self)),
        ("FinancialStatus", words(FinancialStatus.self)),
        ("FulfillmentStatus", words(FulfillmentStatus.self)),
        ("LifecycleStatus", words(LifecycleStatus.self)),
        ("ReturnStatus", words(ReturnStatus.self)),
        ("ReturnState", words(ReturnState.self)),
        ("ReturnOutcome", words(ReturnOutcome.self)),
        ("DisputeType", words(DisputeType.self)),
        ("DisputeStatus", words(DisputeStatus.self)),
        ("CommandKind", words(Command.Kind.self)),
        ("CommandState", words(Command.State.self)),
        ("CommandReason", words(CommandReason.self)),
        ("CommandVerdict", words(Command.Verdict.self)),
        ("CommandOutcome", words(CommandAcknowledgement.Outcome.self)),
        ("CommandAttemptOutcome", words(Command.Attempt.Outcome.self)),
        ("CommandEndpointState", words(CommandEndpoint.State.self)),
        ("CommandEndpointStateReason", words(CommandEndpoint.StateReason.self)),
        ("CancelReason", words(OrderCancellation.Reason.self)),
        ("MarketingState", words(MarketingState.self)),
        ("PrivacyRequestKind", words(PrivacyRequest.Kind.self)),
        ("PrivacyRequestState", words(PrivacyRequest.State.self)),
        ("PrivacyRequestReason", words(PrivacyRequest.Reason.self)),
        ("RiskLevel", words(RiskLevel.self)),
        ("ShipmentStatus", words(ShipmentStatus.self)),
        ("TrackingStatus", words(ShipmentStatus.self) + [TrackingEvent.Kind.delay.rawValue]),
        ("TrackingPrecision", words(TrackingEvent.Precision.self)),
        ("OrderStateTeller", words(OrderAssessment.Teller.self)),
        ("OrderUnknownKind", words(OrderUnknown.Kind.self)),
        ("OrderConflictKind", words(OrderConflict.Kind.self)),
        ("OrderConflictSeverity", words(OrderConflict.Severity.self)),
        ("OrderEvidenceSource", words(OrderConflict.Evidence.Source.self)),
        ("OrderEvidenceSubject", words(OrderConflict.Evidence.SubjectName.self)),
        ("RefundState", words(RefundState.self)),
        ("RefundTransactionStatus", words(RefundTransactionStatus.self)),
        ("FactKind", words(Workflow.FactKind.self)),
        ("FactKind", words(Fact.Kind.self)),
        ("WorkflowCondition", words(Workflow.Condition.self)),
        ("WorkflowSetting", words(Workflow.Schedule.Setting.self)),
        ("WorkflowRollout", words(Workflow.Rollout.self)),
        ("MessageClass", words(MessageClass.self)),
        ("WorkflowClass", words(MessageClass.self).filter { $0 != MessageClass.internal.rawValue }),
        ("MessageTemplate", words(MessageTemplate.self)),
        (
            "Trigger",
            words(Workflow.FactKind.self).map { "fact:\($0)" } + words(MessageTemplate.self).map { "schedule:\($0)" }
        ),
        ("RunOutcome", words(Run.Outcome.self)),
        ("ActReason", words(ActReason.self)),
        ("DeclineReason", words(DeclineReason.self)),
        ("MessageState", words(Message.State.self)),
        ("AttemptOutcome", words(Message.Attempt.Outcome.self)),
        ("MessageVerdict", words(Message.Verdict.self)),
        ("TicketState", words(Ticket.State.self)),
        ("TicketPriority", words(Ticket.Priority.self)),
        ("TicketKind", words(Ticket.Kind.self)),
        ("TicketNotification", words(Ticket.Notification.self)),
        ("TicketAction", words(Ticket.Event.Action.self)),
        ("OperationKind", words(Operation.Kind.self)),
        ("OperationState", words(Operation.State.self)),
    ]

    @Test func `are those of the program`() throws {
        let specification = try Specification.load()
        for (schema, words) in Self.enumerations {
            #expect(try specification.choices(of: schema).sorted() == words.sorted(), "\(schema)")
        }
    }

    @Test func `are compared for every enumeration that has a name`() throws {
        let schemas = try Specification.load().root["components"]?["schemas"]?.objectValue ?? [:]
        let named = schemas.filter { $0.value["enum"] != nil }.map(\.name)
        // The codes are ProblemCodesTests' to compare; how a clock resolves a time is the Time module's.
        let elsewhere = ["ProblemCode", "FieldErrorCode", "ClockResolution"]
        #expect(Set(named) == Set(Self.enumerations.map(\.schema) + elsewhere))
    }

    @Test func `begin ids with the program's prefixes`() throws {
        let specification = try Specification.load()
        let prefixes = [
            ("TenantId", TenantKind.prefix), ("UserId", UserKind.prefix), ("APIKeyId", APIKeyKind.prefix),
            ("StoreId", StoreKind.prefix), ("ConnectionId", ConnectionKind.prefix),
            ("InboundEventId", InboundEventKind.prefix), ("OrderId", OrderKind.prefix),
            ("ShipmentId", ShipmentKind.prefix), ("WorkflowId", WorkflowKind.prefix), ("RunId", RunKind.prefix),
            ("RefundId", RefundKind.prefix), ("ReturnId", ReturnKind.prefix), ("DisputeId", DisputeKind.prefix),
            ("CustomerId", CustomerKind.prefix), ("CommandId", CommandKind.prefix),
            ("PrivacyRequestId", PrivacyRequestKind.prefix),
            ("MessageId", MessageKind.prefix), ("TicketId", TicketKind.prefix),
            ("TicketCommentId", TicketCommentKind.prefix), ("TicketEventId", TicketEventKind.prefix),
            ("OperationId", OperationKind.prefix), ("ImportId", ImportKind.prefix), ("FactId", FactKind.prefix),
        ]
        for (schema, prefix) in prefixes {
            let pattern = try specification.value(at: "#/components/schemas/\(schema)")["pattern"]?.stringValue
            #expect(pattern == "^\(prefix)_[0-7][0-9a-hjkmnp-tv-z]{25}$", "\(schema)")
        }
    }
}
