import FoundationEssentials
import HTTPTypes
import JSON
import Postgres
import Time

/// `/v1/orders`.
struct OrderRoutes {
    let environment: Environment

    private static let filters: Set<String> = ["store_id", "email", "external_id", "customer_id"]

    var routes: [Route] {
        [
            Route(
                .get,
                "/v1/orders",
                .holder(of: .ordersRead),
                query: Page.parameters.union(Self.filters),
                list
            ),
            Route(.get, "/v1/orders/{order_id}", .holder(of: .ordersRead), get),
        ]
    }

    @Sendable private func list(_ call: Call) async throws -> Reply {
        let page = try Page(call, filters: Self.filters, key: environment.masterKey.cursors)
        let filter = OrderStore.Filter(
            store: try call.query.id("store_id"),
            email: call.query["email"].map { MailAddress.normalized($0) },
            externalID: call.query["external_id"],
            customer: try call.query.id("customer_id")
        )
        let (_, rows) = try await environment.access.read(call) {
            [OrderStore.orders(page, filter, tenant: $0.tenant)]
        }
        let orders = try rows[0].map(OrderStore.decode)
        return page.reply(orders, position: { ($0.createdAt, $0.id.uuid) }, write)
    }

    @Sendable private func get(_ call: Call) async throws -> Reply {
        let id = try call.id("order_id", OrderKind.self)
        let (_, rows) = try await environment.access.find(call) { OrderStore.whole(id, tenant: $0.tenant) }
        guard let order = try OrderStore.decodeWhole(rows) else { throw Problem.notFound }
        let reply = Reply.json(version: order.version) { writeWhole(order, to: &$0) }
        return call.unlessMatching(version: order.version, reply)
    }

    // MARK: Writing

    /// With its lines, shipments and refunds.
    func writeWhole(_ order: Order, to object: inout JSONObjectWriter) {
        write(order, to: &object)
        let currency = order.state.values.total?.currency
        object.array("lines", order.state.values.lines) { writer, line in
            writer.object { write(line, in: currency, to: &$0) }
        }
        object.array("shipments", order.shipments) { writer, shipment in
            writer.object { write(shipment.shipment, shipment.id, shipment.externalID, to: &$0) }
        }
        object.array("refunds", order.refunds) { writer, refund in refund.write(to: &writer) }
        object.array("risk_assessments", order.state.risks.sorted { $0.key < $1.key }) { writer, risk in
            writer.object { write(risk.value, by: risk.key, to: &$0) }
        }
    }

    private func write(_ order: Order, to object: inout JSONObjectWriter) {
        let values = order.state.values
        object.member("id", order.id)
        object.member("store_id", order.store)
        object.member("external_id", order.externalID)
        object.member("number", values.number)
        object.member("email", values.email)
        object.member("customer_name", values.customerName)
        object.member("customer_locale", values.customerLocale)
        object.member("customer_id", order.customer)
        object.member("is_complete", order.state.isComplete)
        object.member("historical", order.state.isHistorical)
        object.member("financial_status", values.financial.rawValue)
        object.member("financial_status_raw", values.financialRaw)
        object.member("fulfillment_status", values.fulfillment.rawValue)
        object.member("fulfillment_status_raw", values.fulfillmentRaw)
        object.member("lifecycle_status", values.lifecycle.rawValue)
        object.member("lifecycle_status_raw", values.lifecycleRaw)
        object.member("cancel_reason", values.cancelReason)
        object.member("return_status", values.returns.rawValue)
        object.member("return_status_raw", values.returnsRaw)
        object.member("risk_level", order.state.riskLevel?.rawValue)
        object.member("total", values.total)
        object.member("presentment_total", values.presentmentTotal)
        object.member("placed_at", values.placedAt)
        object.member("as_of", order.asOf)
        object.member("version", order.version)
        object.member("created_at", order.createdAt)
        object.member("updated_at", order.updatedAt)
    }

    private func write(_ risk: RiskAssessment, by source: String, to object: inout JSONObjectWriter) {
        object.member("source", source)
        object.member("level", risk.level.rawValue)
        object.member("level_raw", risk.levelRaw)
        object.array("reasons", risk.reasons) { writer, reason in writer.value(reason) }
        object.member("assessed_at", risk.assessedAt)
        object.member("as_of", risk.stamp.at)
    }

    private func write(_ line: OrderLine, in currency: String?, to object: inout JSONObjectWriter) {
        object.member("external_id", line.externalID)
        object.member("title", line.title)
        object.member("sku", line.sku)
        object.member("quantity", line.quantity)
        var price: Money?
        if let amount = line.unitPrice, let currency { price = Money(amount: amount, currency: currency) }
        object.member("unit_price", price)
    }

    private func write(
        _ shipment: Shipment,
        _ id: ShipmentID,
        _ externalID: String,
        to object: inout JSONObjectWriter
    ) {
        object.member("id", id)
        object.member("external_id", externalID)
        object.member("carrier", shipment.values.carrier)
        object.member("tracking_number", shipment.values.trackingNumber)
        object.member("tracking_url", shipment.values.trackingURL)
        object.member("status", shipment.status.rawValue)
        object.member("status_raw", shipment.statusRaw)
        object.member("status_at", shipment.statusAt)
        object.member("is_delayed", shipment.isDelayed)
        object.member("shipped_at", shipment.shippedAt)
        object.member("delivered_at", shipment.deliveredAt)
        object.member("estimated_delivery", shipment.tracker?.estimatedDelivery?.description)
        object.member("signed_by", shipment.tracker?.signedBy)
        object.array("events", shipment.events.values.sorted { $0.precedes($1) }) { writer, event in
            writer.object { object in
                object.member("external_id", event.externalID)
                object.member("status", event.kind.rawValue)
                object.member("status_raw", event.raw)
                object.member("message", event.message)
                object.member("place", event.place)
                object.member("happened_at", event.happenedAt)
                object.member("precision", event.precision.rawValue)
                object.member("local_time", event.localTime)
                object.member("received_at", event.receivedAt)
            }
        }
    }
}

extension Money: JSONWritable {
    func write(to writer: inout JSONWriter) {
        writer.object { object in
            object.member("amount", amount)
            object.member("currency", currency)
        }
    }
}
