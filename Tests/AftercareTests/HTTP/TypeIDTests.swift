import FoundationEssentials
import Testing

@testable import Aftercare

private enum SpecKind: IDKind { static let prefix = "prefix" }
private enum LongKind: IDKind { static let prefix = "a_long_prefix" }

@Suite struct `TypeIDs` {
    @Test func `the vector of the specification holds`() throws {
        let uuid = try #require(UUID(uuidString: "01890a5d-ac96-774b-bcce-b302099a8057"))
        #expect(ID<SpecKind>(uuid).description == "prefix_01h455vb4pex5vsknk084sn02q")
        #expect(ID<SpecKind>("prefix_01h455vb4pex5vsknk084sn02q")?.uuid == uuid)
    }

    @Test(arguments: [
        ("00000000-0000-0000-0000-000000000000", "00000000000000000000000000"),
        ("00000000-0000-0000-0000-000000000001", "00000000000000000000000001"),
        ("00000000-0000-0000-0000-00000000000a", "0000000000000000000000000a"),
        ("00000000-0000-0000-0000-000000000010", "0000000000000000000000000g"),
        ("00000000-0000-0000-0000-000000000020", "00000000000000000000000010"),
        ("ffffffff-ffff-ffff-ffff-ffffffffffff", "7zzzzzzzzzzzzzzzzzzzzzzzzz"),
        ("0110c853-1d09-52d8-d73e-1194e95b5f19", "0123456789abcdefghjkmnpqrs"),
    ])
    func `UUID and text correspond`(_ uuidText: String, _ suffix: String) throws {
        let uuid = try #require(UUID(uuidString: uuidText))
        #expect(OrderID(uuid).description == "ord_\(suffix)")
        #expect(OrderID("ord_\(suffix)") == OrderID(uuid))
    }

    @Test(arguments: [
        "", "ord", "ord_", "_01h455vb4pex5vsknk084sn02q", "01h455vb4pex5vsknk084sn02q",
        "tkt_01h455vb4pex5vsknk084sn02q", "ORD_01h455vb4pex5vsknk084sn02q", "ord_01H455VB4PEX5VSKNK084SN02Q",
        "ord_81h455vb4pex5vsknk084sn02q", "ord_8zzzzzzzzzzzzzzzzzzzzzzzzz", "ord_zzzzzzzzzzzzzzzzzzzzzzzzzz",
        "ord_01h455vb4pex5vsknk084sn02", "ord_01h455vb4pex5vsknk084sn02qq", "ord_01h455vb4pex5vsknk084sn02i",
        "ord_01h455vb4pex5vsknk084sn02l", "ord_01h455vb4pex5vsknk084sn02o", "ord_01h455vb4pex5vsknk084sn02u",
        "ord-01h455vb4pex5vsknk084sn02q", "ord_01h455vb4pex5vsknk084sn0-q", " ord_01h455vb4pex5vsknk084sn02q",
        "ord_01h455vb4pex5vsknk084sn02q ", "ord_01h455vb4pex5vsknk084sn02é", "ord__1h455vb4pex5vsknk084sn02q",
        "ord_01h455vb4pex5vsknk084sn02q\0",
    ])
    func `anything else is refused`(_ text: String) {
        #expect(OrderID(text) == nil)
    }

    @Test func `every id survives the way through text`() {
        for _ in 0..<500 {
            let id = ID<LongKind>(UUID())
            #expect(ID<LongKind>(id.description) == id)
            #expect(ID<LongKind>(id.description[...]) == id)
        }
    }

    @Test func `ids sort as their texts`() {
        let ids = (0..<100).map { _ in OrderID(UUID()) }
        #expect(ids.sorted().map(\.description) == ids.map(\.description).sorted())
    }

    @Test func `no two kinds share a prefix`() {
        let prefixes = [
            TenantKind.prefix, StoreKind.prefix, UserKind.prefix, APIKeyKind.prefix, SessionKind.prefix,
            ConnectionKind.prefix, OrderKind.prefix, CustomerKind.prefix, WorkflowKind.prefix, RunKind.prefix,
            MessageKind.prefix, TicketKind.prefix, InboundEventKind.prefix, ShipmentKind.prefix, JobKind.prefix,
            OperationKind.prefix, PolicyKind.prefix, ScheduleKind.prefix,
        ]
        #expect(Set(prefixes).count == prefixes.count)
        #expect(prefixes.allSatisfy { $0.utf8.count == 3 && $0.utf8.allSatisfy { (0x61...0x7A).contains($0) } })
    }
}
