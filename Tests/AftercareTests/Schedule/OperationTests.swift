import FoundationEssentials
import JSON
import Testing
import Time

@testable import Aftercare

@Suite struct `Operations` {
    @Test func `an operation says how far it is`() throws {
        var writer = JSONWriter()
        let operation = Operation(
            id: OperationID(UUID(bits: 1)),
            store: StoreID(UUID(bits: 2)),
            kind: .advanceTestClock,
            state: .running,
            target: try .at("2026-05-07T08:00:00Z"),
            progress: 3,
            error: nil,
            createdAt: try .at("2026-05-04T08:00:00Z"),
            finishedAt: nil
        )
        writer.value(operation)
        #expect(
            try JSON(parsing: writer.bytes) == [
                "id": "opn_00000000000000000000000001",
                "store_id": "sto_00000000000000000000000002",
                "kind": "advance_test_clock",
                "state": "running",
                "target_at": "2026-05-07T08:00:00.000Z",
                "progress": 3,
                "error": nil,
                "created_at": "2026-05-04T08:00:00.000Z",
                "finished_at": nil,
            ]
        )
    }
}
