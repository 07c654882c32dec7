import JSON

/// What a shop can be told to do with an order. None of it pays money back.
///
/// Each is sent once. Where the shop may have it and did not say so, the outcome is `unknown`, and it is for a person, or
/// for the next look at the order, to find out.
extension ShopifyAdmin: CommandedShop {
    func carryOut(_ parameters: CommandParameters, on externalID: String) async -> CommandOutcome {
        guard Self.isID(externalID) else { return .refused(.refusedByShop, detail: "the shop has no such order") }
        switch parameters {
        case .cancelOrder(let cancellation):
            // The shop does it by and by, and names the job that does.
            return await tell(.cancelOrder(externalID, cancellation), "orderCancel", "job")
        case .changeShippingAddress(let address):
            return await tell(.changeShippingAddress(of: externalID, to: address), "orderUpdate", "order")
        case .createReturn(let new):
            return await createReturn(of: externalID, new)
        }
    }

    /// That an order is cancelled is read with the order itself.
    func shows(_ command: Command, on externalID: String) async -> Bool? {
        switch command.parameters {
        case .changeShippingAddress(let address)?:
            guard let order = try? await data(for: .shippingAddress(of: externalID))["order"], !order.isNull
            else { return nil }
            // The shop writes numbers in its own way.
            let parts = (ShopifyQuery.address(address).objectValue ?? [:]).filter { $0.name != "phone" }
            return parts.allSatisfy { part in
                (order["shippingAddress"]?[part.name]?.stringValue ?? "").trimmingSpaces
                    == (part.value.stringValue ?? "").trimmingSpaces
            }
        case .createReturn?:
            guard let id = command.reference, Self.isID(id), let known = try? await data(for: .returned(id))["return"]
            else { return nil }
            // "Requested" too: it waits for the shop's people, and is there.
            return ["REQUESTED", "OPEN", "CLOSED"].contains(known["status"]?.stringValue ?? "")
        case .cancelOrder?, nil:
            return nil
        }
    }

    // MARK: Returns

    /// The shop takes a return by the lines of its shipments. So it is asked first which of them can still come back.
    private func createReturn(of externalID: String, _ new: NewReturn) async -> CommandOutcome {
        var left: [ShippedLine]
        do throws(PullFailure) {
            left = try await returnable(externalID)
        } catch {
            // Only asked so far.
            return .notDone(error)
        }
        var chosen: [JSON] = []
        for line in new.lines {
            var missing = line.quantity
            for index in left.indices where left[index].orderLine == line.orderLine && missing > 0 {
                let quantity = min(missing, left[index].quantity)
                guard quantity > 0 else { continue }
                missing -= quantity
                left[index].quantity -= quantity
                chosen.append(left[index].returned(quantity, of: line, note: new.note))
            }
            guard missing <= 0 else {
                let detail = "of line \(line.orderLine) only \(line.quantity - missing) can be returned"
                return .refused(.refusedByShop, detail: detail)
            }
        }
        return await tell(.createReturn(of: externalID, chosen), "returnCreate", "return")
    }

    private struct ShippedLine {
        /// The reasons the shop has a code for; what has none stands in the note.
        private static let reasons: Set<String> = [
            "COLOR", "DEFECTIVE", "NOT_AS_DESCRIBED", "OTHER", "SIZE_TOO_LARGE", "SIZE_TOO_SMALL", "STYLE", "UNKNOWN",
            "UNWANTED", "WRONG_ITEM",
        ]

        let id: String
        /// As webhooks write it.
        let orderLine: String
        var quantity: Int

        init?(_ node: JSON) {
            let item = node["fulfillmentLineItem"]
            guard let id = item?["id"]?.stringValue, let quantity = node["quantity"]?.int64Value,
                let line = item?["lineItem"]?["id"]?.stringValue.map(ShopifyAdmin.lastPart)
            else { return nil }
            (self.id, orderLine, self.quantity) = (id, line, Int(clamping: quantity))
        }

        func returned(_ quantity: Int, of line: NewReturn.Line, note: String?) -> JSON {
            let code = line.reason?.uppercased() ?? "UNKNOWN"
            let isKnown = Self.reasons.contains(code)
            let notes = [isKnown ? nil : line.reason, note].compactMap { $0 }.joined(separator: ": ")
            return [
                "fulfillmentLineItemId": .string(id), "quantity": .number(JSONNumber(quantity)),
                "returnReason": .string(isKnown ? code : "OTHER"),
                "returnReasonNote": .string(String(notes.prefix(255))),
            ]
        }
    }

    private func returnable(_ externalID: String) async throws(PullFailure) -> [ShippedLine] {
        var lines: [ShippedLine] = []
        var cursor: String?
        var seen: Set<String> = []
        repeat {
            let list = try await data(for: .returnable(externalID, after: cursor))["returnableFulfillments"]
            guard let fulfillments = list?["nodes"]?.arrayValue else {
                throw .unreadable("no list of what can be returned")
            }
            for fulfillment in fulfillments {
                let items = fulfillment["returnableFulfillmentLineItems"]
                guard let nodes = items?["nodes"]?.arrayValue, items?["pageInfo"]?["hasNextPage"]?.boolValue == false
                else {
                    throw .unreadable("more lines in a shipment than can be listed")
                }
                lines += nodes.compactMap { ShippedLine($0) }
            }
            cursor = nil
            if list?["pageInfo"]?["hasNextPage"]?.boolValue == true {
                cursor = list?["pageInfo"]?["endCursor"]?.stringValue
                guard let cursor, seen.insert(cursor).inserted else { throw .unreadable("a list that does not end") }
            }
        } while cursor != nil
        return lines
    }

    private static func lastPart(_ globalID: String) -> String {
        globalID.split(separator: "/").last.map(String.init) ?? globalID
    }

    // MARK: Telling

    /// - Parameters:
    ///   - name: of the mutation.
    ///   - made: the member of its answer that says that it was taken, by an id.
    private func tell(_ mutation: ShopifyQuery, _ name: String, _ made: String) async -> CommandOutcome {
        let answer: ShopifyAnswer
        do throws(ShopTransport.Silence) {
            answer = try await send(mutation)
        } catch {
            return CommandOutcome(error)
        }
        let said = answer.data?[name]
        switch answer.outcome {
        case .tooCostly:
            return .refused(.refusedByShop, detail: "it costs more than one question may")
        case .failure(let failure):
            // An error beside an answer: it was carried out before something of it could not be told.
            if let said, !said.isNull { return .perhapsDone(failure) }
            switch failure {
            case .unauthorized, .forbidden, .missingScope, .apiSunset, .throttled: return .notDone(failure)
            case .unavailable, .unreadable: return answer.mayHaveRun ? .perhapsDone(failure) : .refused(failure)
            }
        case .data:
            let errors = ["orderCancelUserErrors", "userErrors"].flatMap { said?[$0]?.arrayValue ?? [] }
            guard errors.isEmpty else {
                let words = errors.map { $0["message"]?.stringValue ?? "" }.joined(separator: " ")
                return .refused(.refusedByShop, detail: words.singleLine(limit: 500))
            }
            guard let id = said?[made]?["id"]?.stringValue else {
                return .perhapsDone(.unreadable("no answer to \(name)"))
            }
            // Of a return, as webhooks write it; what else it names is nothing that the mirror knows.
            return .accepted(detail: "200", reference: made == "return" ? Self.lastPart(id) : nil)
        }
    }
}
