import JSON
import Testing
import Time

@testable import Aftercare

/// Theirs and ours (domain.md 2.2).
@Suite struct `Tracking statuses` {
    @Test(
        arguments: [
            ("unknown", nil, "unknown"), ("pre_transit", "label_created", "label_created"),
            ("in_transit", "received_at_origin_facility", "picked_up"),
            ("in_transit", "departed_facility", "in_transit"),
            ("in_transit", nil, "in_transit"), ("in_transit", "delayed", "delayed"),
            ("in_transit", "weather_delay", "delayed"), ("in_transit", "transit_exception", "delayed"),
            ("out_for_delivery", "out_for_delivery", "out_for_delivery"),
            ("in_transit", "delivery_exception", "attempted"),
            ("available_for_pickup", "arrived_at_destination", "pickup_ready"),
            ("in_transit", "held", "held_action_required"),
            ("in_transit", "address_correction", "held_action_required"), ("return_to_sender", "return", "returning"),
            ("return_to_sender", "refused", "returning"), ("return_to_sender", "unknown", "returned"),
            ("failure", "lost", "lost"), ("failure", "damaged", "damaged"), ("failure", "failure", "failed"),
            ("delivered", "arrived_at_destination", "delivered"), ("DELIVERED", nil, "delivered"),
            ("error", "expired", "no_data_expired"), ("error", nil, "unknown"), ("cancelled", "cancelled", "cancelled"),
            ("teleported", "beam", "unknown"),
        ] as [(String, String?, String)]
    )
    func `of EasyPost`(_ status: String, _ detail: String?, _ ours: String) {
        let word = EasyPostTracker.word(status, detail)
        #expect(word.kind.rawValue == ours)
        #expect(word.raw == (detail.map { "\(status)/\($0)" } ?? status))
        #expect(word.isUnheardOf == (status == "teleported"))
    }

    @Test(
        arguments: [
            ("Pending", "Pending_001", "unknown"), ("InfoReceived", "InfoReceived_001", "label_created"),
            ("InTransit", "InTransit_001", "in_transit"), ("InTransit", "InTransit_002", "picked_up"),
            ("InTransit", "InTransit_009", "in_transit"), ("OutForDelivery", "OutForDelivery_003", "out_for_delivery"),
            ("AttemptFail", "AttemptFail_003", "attempted"),
            ("AvailableForPickup", "AvailableForPickup_001", "pickup_ready"),
            ("Delivered", "Delivered_004", "delivered"), ("Exception", "Exception_001", "failed"),
            ("Exception", nil, "failed"), ("Exception", "Exception_003", "returning"),
            ("Exception", "Exception_004", "delayed"), ("Exception", "Exception_005", "delayed"),
            ("Exception", "Exception_006", "held_action_required"),
            ("Exception", "Exception_007", "held_action_required"),
            ("Exception", "Exception_008", "held_action_required"), ("Exception", "Exception_010", "returning"),
            ("Exception", "Exception_011", "returned"), ("Exception", "Exception_012", "damaged"),
            ("Exception", "Exception_013", "lost"), ("Expired", "Expired_001", "no_data_expired"),
            ("Exception", "Exception_009", "held_action_required"), ("Exception", "Exception_019", "delayed"),
            ("Exception", "Exception_020", "failed"), ("Exception", "Exception_021", "lost"),
            ("Exception", "Exception_099", "unknown"), ("Teleported", nil, "unknown"),
        ] as [(String, String?, String)]
    )
    func `of AfterShip`(_ tag: String, _ subtag: String?, _ ours: String) {
        let word = AfterShipTracking.word(tag, subtag)
        #expect(word.kind.rawValue == ours)
        #expect(word.isUnheardOf == (subtag == "Exception_099" || tag == "Teleported"))
    }

    @Test(
        arguments: [
            ("UNKNOWN", nil, false, "unknown"), ("PRE_TRANSIT", "information_received", false, "label_created"),
            ("TRANSIT", "package_accepted", false, "picked_up"), ("TRANSIT", "package_departed", false, "in_transit"),
            ("TRANSIT", nil, false, "in_transit"), ("TRANSIT", "delayed", false, "delayed"),
            ("TRANSIT", "out_for_delivery", false, "out_for_delivery"),
            ("TRANSIT", "delivery_attempted", true, "attempted"),
            ("TRANSIT", "pickup_available", true, "pickup_ready"),
            ("TRANSIT", "address_issue", true, "held_action_required"),
            ("TRANSIT", "a_new_code", true, "held_action_required"), ("TRANSIT", "a_new_code", false, "in_transit"),
            ("RETURNED", "return_to_sender", false, "returning"), ("FAILURE", "package_lost", false, "lost"),
            ("FAILURE", "package_disposed", false, "lost"), ("FAILURE", "package_damaged", false, "damaged"),
            ("FAILURE", "package_undeliverable", false, "failed"),
            ("DELIVERED", "delivered", false, "delivered"), ("Teleported", nil, false, "unknown"),
        ] as [(String, String?, Bool, String)]
    )
    func `of Shippo`(_ status: String, _ code: String?, _ needsAction: Bool, _ ours: String) {
        let word = ShippoTrack.word(status, code, needsAction: needsAction)
        #expect(word.kind.rawValue == ours)
        #expect(word.isUnheardOf == (status == "Teleported"))
    }

    // MARK: What an update comes to

    // domain.md 5, Ingest 8.
    @Test func `numbers keep their digits, and what is strange is not there`() throws {
        func read(_ tracker: String) throws -> TrackingUpdate? {
            let body = Array(#"{"description": "tracker.updated", "result": \#(tracker)}"#.utf8)
            guard case .tracking(let update) = try EasyPostTracker.understand(body, receivedAt: Instant(seconds: 7))
            else { return nil }
            return update
        }
        let number = try #require(try read(#"{"tracking_code": 92055901649173127510891, "tracking_details": null}"#))
        #expect(number.number.key == "92055901649173127510891" && number.saidAt == Instant(seconds: 7))
        #expect(number.events(receivedAt: Instant(seconds: 7)) == [] && number.carrier == nil)
        let strange = try read(
            #"""
            {"tracking_code": " 1z\u0000 ", "carrier": {}, "status": ["delivered"], "signed_by": "", "updated_at": "soon",
             "tracking_details": [null, 1, {}, {"status": 5, "datetime": 5}, {"status": "delivered", "datetime": null}]}
            """#
        )
        #expect(strange?.number.key == "1Z" && strange?.signedBy == nil && strange?.scans.count == 3)
        #expect(strange?.scans.last?.time == CarrierTime(knownBy: Instant(seconds: 7)))
        #expect(strange?.unheardOf == ["5"])
        #expect(throws: Poison(.unreadableID, "tracking_code")) { try read(#"{"tracking_code": "\u0661"}"#) }
        #expect(throws: Poison(.missingID, "tracking_code")) { try read(#"{"tracking_code": ["1"]}"#) }
    }

    @Test func `a status that no scan tells is a report of its own, if it is an end or an exception`() throws {
        func kinds(_ status: String, _ detail: String?, scans: [ParcelBody.Scan]) throws -> [String] {
            let body = ParcelBody(provider: .easypost, scans: scans, status: status, detail: detail)
            return try body.update().events(receivedAt: Instant(seconds: 0)).map(\.kind.rawValue)
        }
        let scan = ParcelBody.Scan(status: "in_transit", at: "2026-05-05T10:00:00Z")
        #expect(try kinds("failure", "lost", scans: [scan]) == ["in_transit", "lost"])
        #expect(try kinds("in_transit", nil, scans: [scan]) == ["in_transit"])
        // Later than the scans by its time, and not by what happened.
        #expect(try kinds("out_for_delivery", nil, scans: [scan]) == ["in_transit"])
        #expect(try kinds("in_transit", nil, scans: []) == ["in_transit"])
        #expect(try kinds("unknown", nil, scans: []) == [])
    }

    @Test(arguments: Connection.Provider.trackers) func `a scan has one key however often it is told`(
        _ provider: Connection.Provider
    ) throws {
        var body = ParcelBody.journey(provider, ["2026-05-04T10:00:00Z", "2026-05-05T10:00:00Z"], number: "1Z 999-aa1")
        let first = try body.update().events(receivedAt: Instant(seconds: 1))
        body.updatedAt = "2026-05-07T12:00:00Z"
        body.scans.append(.init(status: body.scans[1].status, at: "2026-05-06T10:00:00Z"))
        let second = try body.update().events(receivedAt: Instant(seconds: 2))
        #expect(first.map(\.externalID) == second.prefix(2).map(\.externalID))
        #expect(Set(second.map(\.externalID)).count == 3)
        #expect(first.allSatisfy { $0.externalID.hasPrefix("\(provider.rawValue):") && $0.number?.key == "1Z999AA1" })
        #expect(first.first?.place?.uppercased().hasPrefix("HOUSTON") == true)
    }
}

@Suite struct `Times of carriers` {
    private static let known = try? Instant.at("2026-05-06T12:00:00Z")

    @Test(
        arguments: [
            ("2026-05-04T10:00:00Z", "2026-05-04T10:00:00.000Z", "exact", nil),
            ("2026-05-04T10:00:00+08:00", "2026-05-04T02:00:00.000Z", "exact", nil),
            // Twelve hours behind UTC: no clock shows this time later.
            ("2026-05-04T10:00:00", "2026-05-04T22:00:00.000Z", "local", "2026-05-04T10:00:00"),
            ("2026-05-04 10:00:00.5", "2026-05-04T22:00:00.500Z", "local", "2026-05-04 10:00:00.5"),
            ("2026-05-04", "2026-05-05T12:00:00.000Z", "local", "2026-05-04"),
            // Known before that.
            ("2026-05-06T11:00:00", "2026-05-06T12:00:00.000Z", "local", "2026-05-06T11:00:00"),
            ("yesterday", "2026-05-06T12:00:00.000Z", "reported", nil),
            (nil, "2026-05-06T12:00:00.000Z", "reported", nil),
            ("2026-02-30", "2026-05-06T12:00:00.000Z", "reported", nil),
        ] as [(String?, String, String, String?)]
    )
    func `no zone is guessed`(_ text: String?, _ latest: String, _ precision: String, _ local: String?) throws {
        let time = CarrierTime(text, known: try #require(Self.known))
        #expect(time.latest.rfc3339 == latest && time.precision.rawValue == precision && time.local == local)
    }
}

@Suite struct `Tracking numbers and carriers` {
    @Test(
        arguments: [
            ("1z 999 aa1-0123", "1Z999AA10123"), ("9400\u{A0}1000\u{2013}0000", "940010000000"), ("", nil),
            (" - ", nil),
            ("\u{FF11}", nil), (String(repeating: "9", count: 101), nil),
        ] as [(String, String?)]
    )
    func `a number is the same however it is written`(_ text: String, _ key: String?) {
        #expect(TrackingNumber(text)?.key == key)
    }

    @Test(
        arguments: [
            ("USPS", "usps", true), ("U.S. Postal Service", "USPS", true), ("DHL Express", "dhl", true),
            ("UPS", "usps", true), ("FedEx", "UPS", false), ("DHL", "Royal Mail", false), ("Other", "fedex", true),
            (nil, "fedex", true), ("UPS", nil, true), ("Österreichische Post", "dhl", true),
        ] as [(String?, String?, Bool)]
    )
    func `only two known carriers that differ do not match`(_ shop: String?, _ provider: String?, _ match: Bool) {
        #expect(Carrier.areCompatible(shop, provider) == match)
        #expect(Carrier.areCompatible(provider, shop) == match)
    }
}
