import FoundationEssentials
import HTTPTypes
import JSON
import Postgres
import Time

/// `/v1/orders/{order_id}/state`: what is known of an order, as of when, and what contradicts itself.
///
/// Without an ETag: what it says of ages is another thing a second later.
struct OrderStateRoutes {
    let environment: Environment

    var routes: [Route] { [Route(.get, "/v1/orders/{order_id}/state", .holder(of: .ordersRead), get)] }

    @Sendable private func get(_ call: Call) async throws -> Reply {
        let id = try call.id("order_id", OrderKind.self)
        let (_, rows) = try await environment.access.read(call) {
            OrderAssessmentStore.picture(id, tenant: $0.tenant)
        }
        guard let picture = try OrderAssessmentStore.decode(rows) else { throw Problem.notFound }
        let assessment = OrderAssessment(picture.state, verifiedAt: picture.verifiedAt)
        let now = picture.store.now(environment.clock.now())
        return .json { OrderStateWriter(id: id, picture: picture, now: now).write(assessment, to: &$0) }
    }
}

/// The answer's members.
private struct OrderStateWriter {
    let id: OrderID
    let picture: OrderAssessmentStore.Picture
    let now: Instant

    private var values: OrderValues { picture.state.values }

    func write(_ assessment: OrderAssessment, to object: inout JSONObjectWriter) {
        object.member("order_id", id)
        object.member("store_id", picture.store.id)
        object.member("external_id", picture.externalID)
        object.member("number", values.number)
        object.member("is_complete", picture.state.isComplete)
        object.member("historical", picture.state.isHistorical)
        object.member("version", picture.version)
        object.member("now", now)
        object.member("as_of", assessment.everything.asOf)
        object.member("age_seconds", assessment.everything.age(at: now))
        object.object("order") { write(order: assessment.order, to: &$0) }
        object.object("money") { write(money: assessment, to: &$0) }
        object.object("shipment") { object in
            write(assessment.shipment, to: &object)
            object.array("parcels", assessment.parcels) { writer, parcel in writer.object { write(parcel, to: &$0) } }
        }
        object.object("return") { write(returns: assessment, to: &$0) }
        object.object("dispute") { write(disputes: assessment, to: &$0) }
        object.array("unknowns", assessment.unknowns) { writer, unknown in
            writer.object { object in
                object.member("kind", unknown.kind.rawValue)
                write(unknown.subject, to: &object)
                object.member("sentence", unknown.kind.sentence)
            }
        }
        object.array("conflicts", assessment.conflicts) { writer, conflict in
            writer.object { write(conflict, to: &$0) }
        }
    }

    private func write(_ times: KnownTimes, to object: inout JSONObjectWriter) {
        object.member("happened_at", times.happenedAt)
        object.member("received_at", times.receivedAt)
        object.member("verified_at", times.verifiedAt)
        object.member("as_of", times.asOf)
        object.member("age_seconds", times.age(at: now))
    }

    // MARK: Groups

    private func write(order times: KnownTimes, to object: inout JSONObjectWriter) {
        object.member("lifecycle_status", values.lifecycle.rawValue)
        object.member("lifecycle_status_raw", values.lifecycleRaw)
        object.member("cancel_reason", values.cancelReason)
        object.member("fulfillment_status", values.fulfillment.rawValue)
        object.member("fulfillment_status_raw", values.fulfillmentRaw)
        object.member("placed_at", values.placedAt)
        write(times, to: &object)
    }

    private func write(money assessment: OrderAssessment, to object: inout JSONObjectWriter) {
        object.member("financial_status", values.financial.rawValue)
        object.member("financial_status_raw", values.financialRaw)
        object.member("total", values.total)
        object.member("presentment_total", values.presentmentTotal)
        object.member("moved", Money.sum(assessment.refundAges.compactMap(\.refund.moved)))
        write(assessment.money, to: &object)
        object.array("refunds", assessment.refundAges) { writer, part in
            writer.object { object in
                object.member("id", picture.refunds[part.externalID])
                object.member("external_id", part.externalID)
                object.member("state", part.refund.state.rawValue)
                object.member("amount", part.refund.amount)
                object.member("moved", part.refund.moved)
                write(part.times, to: &object)
            }
        }
    }

    private func write(_ parcel: OrderAssessment.Parcel, to object: inout JSONObjectWriter) {
        let shipment = parcel.shipment
        object.member("id", picture.shipments[parcel.externalID])
        object.member("external_id", parcel.externalID)
        object.member("carrier", shipment.values.carrier)
        object.member("tracking_number", shipment.values.trackingNumber)
        object.member("status", shipment.status.rawValue)
        object.member("status_raw", shipment.statusRaw)
        object.member("is_delayed", shipment.isDelayed)
        object.member("estimated_delivery", shipment.tracker?.estimatedDelivery?.description)
        object.member("told_by", parcel.toldBy?.rawValue)
        write(parcel.times, to: &object)
    }

    private func write(returns assessment: OrderAssessment, to object: inout JSONObjectWriter) {
        object.member("return_status", values.returns.rawValue)
        object.member("return_status_raw", values.returnsRaw)
        write(assessment.returns, to: &object)
        object.array("returns", assessment.returnAges) { writer, part in
            writer.object { object in
                object.member("id", picture.returns[part.externalID])
                object.member("external_id", part.externalID)
                object.member("state", part.known.state.rawValue)
                object.member("announced_quantity", part.known.announcedQuantity)
                object.member("received_quantity", part.known.receivedQuantity)
                write(part.times, to: &object)
            }
        }
    }

    private func write(disputes assessment: OrderAssessment, to object: inout JSONObjectWriter) {
        object.member("is_open", assessment.disputeAges.contains { $0.dispute.isOpen })
        write(assessment.disputes, to: &object)
        object.array("disputes", assessment.disputeAges) { writer, part in
            writer.object { object in
                let word = part.dispute.word
                object.member("id", picture.disputes[part.externalID])
                object.member("external_id", part.externalID)
                object.member("type", word.type.rawValue)
                object.member("type_raw", word.typeRaw)
                object.member("status", word.status.rawValue)
                object.member("status_raw", word.statusRaw)
                object.member("amount", word.amount)
                object.member("evidence_due_by", word.evidenceDueBy)
                write(part.times, to: &object)
            }
        }
    }

    // MARK: What contradicts itself

    private func write(_ conflict: OrderConflict, to object: inout JSONObjectWriter) {
        object.member("kind", conflict.kind.rawValue)
        object.member("severity", conflict.severity.rawValue)
        object.member("sentence", conflict.kind.sentence)
        object.member("ticket_id", conflict.effectKey(id).flatMap { picture.tickets[$0] })
        object.array("evidence", conflict.evidence) { writer, evidence in
            writer.object { object in
                object.member("source", evidence.source.rawValue)
                write(evidence.subject, to: &object)
                object.member("says", evidence.says)
                object.member("amount", evidence.amount)
                object.member("happened_at", evidence.at)
                object.member("received_at", evidence.receivedAt)
            }
        }
    }

    private func write(_ subject: OrderConflict.Evidence.Subject, to object: inout JSONObjectWriter) {
        object.member("subject", subject.name.rawValue)
        object.member("id", publicID(subject))
        object.member("external_id", subject.externalID ?? picture.externalID)
    }

    /// Of a report, that of its shipment: it has none of its own.
    private func publicID(_ subject: OrderConflict.Evidence.Subject) -> String? {
        switch subject {
        case .order: "\(id)"
        case .shipment(let name), .trackingEvent(_, let name): picture.shipments[name].map { "\($0)" }
        case .refund(let name): picture.refunds[name].map { "\($0)" }
        case .return(let name): picture.returns[name].map { "\($0)" }
        case .dispute(let name): picture.disputes[name].map { "\($0)" }
        }
    }
}
