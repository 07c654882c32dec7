import Crypto
import Foundation
import JSON
import Postgres
import Support
import Time

@testable import Aftercare

/// A body of each provider's, after the shape of its real ones, about one parcel.
struct ParcelBody: Sendable {
    struct Scan: Sendable {
        let status: String
        let at: String
        var detail: String?
        var message = "Scanned"
    }

    let provider: Connection.Provider
    var number = "9400100000000000000001"
    var carrier = "usps"
    var updatedAt = "2026-05-06T12:00:00Z"
    var scans: [Scan] = []
    /// That of the last scan, where it is not told.
    var status: String?
    var detail: String?
    var signedBy: String?
    var estimate: String?

    var bytes: [UInt8] { json.serializedBytes }

    var json: JSON {
        let status = text(status ?? scans.last?.status)
        let detail = text(self.status == nil ? scans.last?.detail : detail)
        switch provider {
        case .easypost:
            return [
                "description": "tracker.updated", "object": "Event", "id": "evt_1", "mode": "production",
                "result": [
                    "id": "trk_1", "object": "Tracker", "tracking_code": .string(number), "carrier": .string(carrier),
                    "status": status, "status_detail": detail, "updated_at": .string(updatedAt),
                    "signed_by": text(signedBy), "est_delivery_date": text(estimate),
                    "tracking_details": .array(
                        scans.map { scan in
                            [
                                "status": .string(scan.status), "status_detail": text(scan.detail),
                                "message": .string(scan.message), "datetime": .string(scan.at),
                                "tracking_location": ["city": "HOUSTON", "state": "TX", "zip": nil, "country": "US"],
                            ]
                        }
                    ),
                ],
            ]
        case .aftership:
            return [
                "event_id": "e-1", "event": "tracking_update", "ts": 1_778_000_000,
                "msg": [
                    "id": "t1", "tracking_number": .string(number), "slug": .string(carrier), "tag": status,
                    "subtag": detail, "updated_at": .string(updatedAt), "signed_by": text(signedBy),
                    "expected_delivery": text(estimate),
                    "checkpoints": .array(
                        scans.map { scan in
                            [
                                "tag": .string(scan.status), "subtag": text(scan.detail),
                                "message": .string(scan.message), "checkpoint_time": .string(scan.at),
                                "created_at": .string(updatedAt), "city": "HOUSTON",
                            ]
                        }
                    ),
                ],
            ]
        default:
            let history = scans.map { scan -> JSON in
                [
                    "status": .string(scan.status), "substatus": ["code": text(scan.detail), "action_required": false],
                    "status_details": .string(scan.message), "status_date": .string(scan.at),
                    "object_updated": .string(updatedAt), "location": ["city": "Houston", "country": "US"],
                ]
            }
            return [
                "event": "track_updated", "test": false,
                "data": [
                    "tracking_number": .string(number), "carrier": .string(carrier), "eta": text(estimate),
                    "tracking_history": .array(history),
                    "tracking_status": self.status == nil
                        ? history.last ?? nil : ["status": status, "object_updated": .string(updatedAt)],
                ],
            ]
        }
    }

    private func text(_ text: String?) -> JSON { text.map { .string($0) } ?? nil }

    func update(receivedAt: Instant = Instant(seconds: 1_778_070_000)) throws -> TrackingUpdate {
        let event = InboundEvent(
            id: .new(),
            tenant: .new(),
            store: .new(),
            connection: .new(),
            headers: .init(topic: ""),
            state: .received,
            receivedAt: receivedAt
        )
        guard case .tracking(let update) = try provider.understand(event, body: bytes) else { throw NoUpdate() }
        return update
    }

    struct NoUpdate: Error {}

    /// In each provider's words: handed over, on its way, at the door.
    static func journey(_ provider: Connection.Provider, _ times: [String], number: String) -> ParcelBody {
        let words: [(String, String?)] =
            switch provider {
            case .easypost: [("pre_transit", nil), ("in_transit", "arrived_at_facility"), ("delivered", nil)]
            case .aftership:
                [("InfoReceived", "InfoReceived_001"), ("InTransit", "InTransit_003"), ("Delivered", "Delivered_001")]
            default: [("PRE_TRANSIT", nil), ("TRANSIT", "package_arrived"), ("DELIVERED", "delivered")]
            }
        let scans = zip(words, times).map { word, time in Scan(status: word.0, at: time, detail: word.1) }
        return ParcelBody(provider: provider, number: number, scans: scans)
    }
}

/// A connection to a tracking provider, made over the API, and its signed webhooks.
struct TrackerConnection: Sendable {
    let tenant: TestTenant
    let provider: Connection.Provider
    let hook: String
    let id: String
    var secret: String

    static func make(_ tenant: TestTenant, _ provider: Connection.Provider) async throws -> TrackerConnection {
        let secret = "s\u{E9}cret-of-\(provider.rawValue)"
        let created = try await tenant.send(
            "POST",
            "/v1/connections",
            [
                "store_id": .string("\(tenant.store)"), "provider": .string(provider.rawValue), "account": "main",
                "secret": .string(secret),
            ]
        )
        guard created.status == 201, let id = created["id"]?.stringValue else { throw Unexpected(created) }
        return TrackerConnection(
            tenant: tenant,
            provider: provider,
            hook: "/v1/hooks/\(tenant.id)/\(id)",
            id: id,
            secret: secret
        )
    }

    static func mac(_ body: [UInt8], _ secret: String) -> [UInt8] {
        Array(HMAC<SHA256>.authenticationCode(for: body, using: SymmetricKey(data: Array(secret.utf8))))
    }

    static func hex(_ bytes: [UInt8]) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    @discardableResult
    func post(_ body: [UInt8], secret: String? = nil) async throws -> Answer {
        let secret = secret ?? self.secret
        var path = hook
        var headers = [("Content-Type", "application/json")]
        switch provider {
        case .easypost:
            let key = secret.decomposedStringWithCompatibilityMapping
            headers.append(("X-Hmac-Signature", "hmac-sha256-hex=\(Self.hex(Self.mac(body, key)))"))
        case .aftership:
            headers.append(("aftership-hmac-sha256", Data(Self.mac(body, secret)).base64EncodedString()))
        default:
            path += "?token=" + (secret.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? "")
        }
        return try await tenant.server.send("POST", path, headers: headers, raw: body)
    }

    @discardableResult func post(_ body: ParcelBody) async throws -> Answer { try await post(body.bytes) }

    /// What became of a webhook.
    func event(_ answer: Answer) async throws -> Answer {
        try await tenant.get("/v1/inbound-events/\(answer["id"]?.stringValue ?? "")")
    }
}

extension TestTenant {
    /// Puts an order with parcels of these numbers.
    @discardableResult
    func putOrder(
        _ id: String,
        numbers: [(shipment: String, number: String)],
        placedAt: Instant,
        carrier: JSON = "USPS",
        _ changes: [(String, JSON)] = []
    ) async throws -> Answer {
        var body = PutBody.order.with("number", .string(id)).with("placed_at", .string(placedAt.rfc3339))
            .with("as_of", .string((placedAt + .seconds(60)).rfc3339)).with("fulfillment_status", "fulfilled")
            .with(
                "shipments",
                .array(
                    numbers.map { shipment in
                        [
                            "external_id": .string(shipment.shipment), "carrier": carrier,
                            "tracking_number": .string(shipment.number),
                            "shipped_at": .string((placedAt + .seconds(3600)).rfc3339),
                        ]
                    }
                )
            )
        for (name, value) in changes { body = body.with(name, value) }
        let answer = try await put(body, id)
        guard answer.status == 200 || answer.status == 201 else { throw Unexpected(answer) }
        return answer
    }

    func order(_ id: String) async throws -> Answer {
        try await get("/v1/stores/\(store)/orders/by-external-id/\(id)")
    }

    /// So many days ago, by the clock.
    func ago(days: Int, hours: Int = 0) -> Instant {
        server.environment.clock.now() - .seconds(days * 86_400 + hours * 3600)
    }

    func times(_ days: [Int]) -> [String] { days.map { ago(days: $0).rfc3339 } }

    func facts(of order: String) async throws -> [String] {
        try await rows(
            """
            SELECT kind || ' ' || episode FROM facts
             WHERE tenant_id = \(id.uuid)
               AND order_id = (SELECT id FROM orders WHERE tenant_id = \(id.uuid) AND external_id = \(order))
             ORDER BY 1
            """
        ).decode(String.self)
    }
}
