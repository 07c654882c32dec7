import FoundationEssentials
import JSON
import Postgres
import Time

/// The mirror of orders in the database: applying changes. The row of the order is the lock, so that nobody applies
/// two changes to one order at once.
enum OrderMirrorStore {
    /// An order held by the transaction.
    struct Held: Sendable {
        let id: OrderID
        let tenant: TenantID
        let store: StoreID
        /// Nil for one that this transaction makes.
        let state: OrderState?
        var version: Int64 = 0
        /// Whose it is, once that is known.
        var customer: CustomerID?
        var shipmentIDs: [String: ShipmentID] = [:]
        var refundIDs: [String: RefundID] = [:]

        /// The version it has with this state. What became true, and when, is beside the order and makes no new one.
        func version(with next: OrderState) -> Int64 {
            var known = state
            known?.facts = next.facts
            return known == next ? version : version + 1
        }
    }

    /// Makes the order if it is new, locks it and reads all of it, in one round trip.
    static func hold(
        _ externalID: String,
        tenant: TenantID,
        store: StoreID,
        now: Instant,
        in transaction: Transaction
    ) async throws -> Held {
        // Each statement sees what was committed when it began: those after the lock see what its last holder wrote.
        transaction.add(stub(externalID, tenant: tenant, store: store, now: now))
        let rows = try await transaction.query(
            lock(externalID, tenant: tenant, store: store),
            OrderStore.lines(externalID: externalID, store: store, tenant: tenant),
            OrderStore.shipments(externalID: externalID, store: store, tenant: tenant),
            reports(externalID, tenant: tenant, store: store),
            facts(externalID, tenant: tenant, store: store),
            RefundStore.refunds(ofOrder: externalID, tenant: tenant, store: store),
            RefundStore.transactions(ofOrder: externalID, tenant: tenant, store: store),
            ReturnStore.known(ofOrder: externalID, tenant: tenant, store: store),
            DisputeStore.disputes(ofOrder: externalID, tenant: tenant, store: store)
        )
        guard let row = rows[0].first else { throw UnreadableRow(table: "orders") }
        var order = try OrderStore.decode(row)
        let shipments = try OrderStore.decodeShipments(rows[2])
        guard order.version > 0 else {
            return Held(id: order.id, tenant: tenant, store: store, state: nil)
        }
        order.state.values.lines = try rows[1].map(OrderStore.decodeLine)
        try readMarks(row, into: &order.state)
        for (_, shipment, externalID) in shipments { order.state.shipments[externalID] = shipment }
        for index in 0..<rows[3].count { try readReport(rows[3][index], into: &order.state.shipments) }
        for index in 0..<rows[4].count { try readFact(rows[4][index], into: &order.state) }
        let refunds = try rows[5].map(RefundStore.decodeRefund)
        for refund in refunds { order.state.refunds[refund.externalID] = refund.refund }
        for transaction in try rows[6].map(RefundStore.decodeTransaction) {
            order.state.refundTransactions[transaction.word.externalID] = transaction
        }
        for known in try rows[7].map(ReturnStore.decodeKnown) {
            order.state.returns[known.externalID] = known.return
        }
        for known in try rows[8].map(DisputeStore.decode) { order.state.disputes[known.externalID] = known.dispute }
        return Held(
            id: order.id,
            tenant: tenant,
            store: store,
            state: order.state,
            version: order.version,
            customer: order.customer,
            shipmentIDs: Dictionary(shipments.map { ($0.externalID, $0.id) }, uniquingKeysWith: { first, _ in first }),
            refundIDs: Dictionary(refunds.map { ($0.externalID, $0.id) }, uniquingKeysWith: { first, _ in first })
        )
    }

    /// Version 0 is a row that only holds the place.
    private static func stub(_ externalID: String, tenant: TenantID, store: StoreID, now: Instant) -> SQL {
        """
        INSERT INTO orders (tenant_id, id, store_id, external_id, version, created_at, updated_at)
             VALUES (\(tenant.uuid), \(UUID.v7()), \(store.uuid), \(externalID), 0, \(now), \(now))
        ON CONFLICT (tenant_id, store_id, external_id) DO NOTHING
        """
    }

    /// What the mirror keeps of an order beside what it shows.
    static let marks = """
        source_hash, source_stamps, source_received_at, listed_refunds, refunds_listed_at, refunds_listed_hash,
        redacted_at IS NOT NULL AS is_redacted
        """

    static func readMarks(_ row: Row, into state: inout OrderState) throws {
        state.provenance = try provenance(row, receivedAt: row("source_received_at"))
        state.refundList = try refundList(row, state.provenance.newest)
        state.isRedacted = try row("is_redacted")
    }

    private static func lock(_ externalID: String, tenant: TenantID, store: StoreID) -> SQL {
        """
        SELECT \(unsafe: OrderStore.columns), \(unsafe: marks)
          FROM orders
         WHERE tenant_id = \(tenant.uuid) AND store_id = \(store.uuid) AND external_id = \(externalID)
           FOR UPDATE
        """
    }

    private static func reports(_ externalID: String, tenant: TenantID, store: StoreID) -> SQL {
        """
        SELECT external_id, reported_status, reported_status_raw, told_statuses, source_updated_at, source_hash,
               source_stamps, source_received_at
          FROM shipments
         WHERE tenant_id = \(tenant.uuid)
           AND order_id = (SELECT id FROM orders
                            WHERE tenant_id = \(tenant.uuid) AND store_id = \(store.uuid)
                              AND external_id = \(externalID))
        """
    }

    private static func facts(_ externalID: String, tenant: TenantID, store: StoreID) -> SQL {
        """
        SELECT kind, episode, happened_at
          FROM facts
         WHERE tenant_id = \(tenant.uuid)
           AND order_id = (SELECT id FROM orders
                            WHERE tenant_id = \(tenant.uuid) AND store_id = \(store.uuid)
                              AND external_id = \(externalID))
        """
    }

    static func readFact(_ row: Row, into state: inout OrderState) throws {
        guard let kind = Fact.Kind(rawValue: try row("kind")) else { throw UnreadableRow(table: "facts") }
        state.facts[try Fact.Key(kind: kind, episode: row("episode"))] = try row("happened_at")
    }

    static func readReport(_ row: Row, into shipments: inout [String: Shipment]) throws {
        let (externalID, status, raw): (String, String?, String?) =
            try (row("external_id"), row("reported_status"), row("reported_status_raw"))
        let reported = try status.map { (word) throws(UnreadableRow) in
            guard let status = ShipmentStatus(rawValue: word) else { throw UnreadableRow(table: "shipments") }
            return status
        }
        shipments[externalID]?.values.reported = reported
        shipments[externalID]?.values.reportedRaw = raw
        shipments[externalID]?.reports = try reports(row("told_statuses"))
        shipments[externalID]?.provenance = try provenance(row, receivedAt: row("source_received_at"))
    }

    private static func reports(_ stored: JSONB) throws -> [Shipment.Report: ClosedRange<Instant>] {
        var reports: [Shipment.Report: ClosedRange<Instant>] = [:]
        for member in try JSON(parsing: stored.text).objectValue ?? [:] {
            let words = member.name.split(separator: " ", maxSplits: 1)
            // One of a newer version of the program is not ours to judge.
            guard let status = words.first.flatMap({ ShipmentStatus(rawValue: String($0)) }) else { continue }
            let report = Shipment.Report(status: status, number: words.count > 1 ? String(words[1]) : nil)
            guard let first = member.value[0]?.int64Value, let last = member.value[1]?.int64Value, first <= last else {
                continue
            }
            reports[report] = Instant(microseconds: first)...Instant(microseconds: last)
        }
        return reports
    }

    /// Each under its status and its number, such as `in_transit JD014`.
    static func told(_ reports: [Shipment.Report: ClosedRange<Instant>]) -> JSONB {
        var object = JSONObject()
        for (report, told) in reports {
            let name = [report.status.rawValue, report.number].compactMap(\.self).joined(separator: " ")
            object[name] = .array([told.lowerBound, told.upperBound].map { .number(JSONNumber($0.microseconds)) })
        }
        return JSONB(JSON.object(object).serializedBytes)
    }

    /// - Parameter newest: what tells the list tells the order as well, so that it was received with it.
    private static func refundList(_ row: Row, _ newest: Stamp?) throws -> RefundList? {
        let (refunds, hash): ([String]?, Bytea?) = try (row("listed_refunds"), row("refunds_listed_hash"))
        guard let refunds, let hash else { return nil }
        let stamp = try Stamp(at: row("refunds_listed_at"), hash: hash.bytes)
        return RefundList(stamp: stamp == newest ? newest ?? stamp : stamp, refunds: Set(refunds))
    }

    // MARK: Provenance

    static func provenance<Field>(_ row: Row, receivedAt: Instant? = nil) throws -> Provenance<Field>
    where Field: RawRepresentable<String> {
        let (at, hash, stamps): (Instant?, Bytea?, JSONB) =
            try (row("source_updated_at"), row("source_hash"), row("source_stamps"))
        var others: [Field: Stamp?] = [:]
        for member in try JSON(parsing: stamps.text).objectValue ?? [:] {
            // A field of a newer version of the program is not ours to judge.
            guard let field = Field(rawValue: member.name) else { continue }
            others[field] = .some(stamp(member.value))
        }
        return Provenance(
            newest: hash.map { Stamp(at: at, hash: $0.bytes, receivedAt: receivedAt) },
            others: others
        )
    }

    private static func stamp(_ json: JSON) -> Stamp? {
        guard let hash = json["hash"]?.stringValue.flatMap({ Base64URL.decode($0.utf8) }) else { return nil }
        func instant(_ name: String) -> Instant? { json[name]?.int64Value.map { Instant(microseconds: $0) } }
        return Stamp(at: instant("at"), hash: hash, receivedAt: instant("received_at"))
    }

    static func stamps<Field>(_ provenance: Provenance<Field>) -> JSONB where Field: RawRepresentable<String> {
        var object = JSONObject()
        for (field, stamp) in provenance.others.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
            guard let stamp else {
                object[field.rawValue] = .null
                continue
            }
            var told: JSONObject = [
                "at": stamp.at.map { .number(JSONNumber($0.microseconds)) } ?? .null,
                "hash": .string(Base64URL.encode(stamp.hash)),
            ]
            if let receivedAt = stamp.receivedAt {
                told["received_at"] = .number(JSONNumber(receivedAt.microseconds))
            }
            object[field.rawValue] = .object(told)
        }
        return JSONB(JSON.object(object).serializedBytes)
    }
}
