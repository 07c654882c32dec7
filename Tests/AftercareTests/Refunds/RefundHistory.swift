import Support

/// A random life of one order's refunds, as Shopify would tell it: bodies of `refunds/create`, one of
/// `order_transactions/create` for every answer of the payment provider, and orders' bodies with all of it in between.
struct RefundHistory {
    struct Event: Hashable {
        let topic: String
        let body: String
    }

    private struct Payment {
        let id: Int
        let amount: Int
        let createdAt: Int
        /// Pending first, then what the provider answered, each with its minute.
        var words: [(status: String, minute: Int)]

        func word(at minute: Int) -> (status: String, minute: Int) { words.last { $0.minute <= minute } ?? words[0] }
    }

    private struct Recorded {
        let id: Int
        let createdAt: Int
        var payments: [Payment]
    }

    private var refunds: [Recorded] = []
    let events: [Event]
    private static let end = 200

    init(_ random: inout SeededGenerator) {
        for number in 1...Int.random(in: 1...3, using: &random) {
            let createdAt = Int.random(in: 0...60, using: &random)
            var payments: [Payment] = []
            for payment in 0..<[0, 1, 1, 1, 2, 3][Int.random(in: 0...5, using: &random)] {
                // Some come to a refund later.
                let later = payment > 0 && Bool.random(using: &random) ? Int.random(in: 1...40, using: &random) : 0
                payments.append(Self.payment(number * 10 + payment, at: createdAt + later, &random))
            }
            refunds.append(Recorded(id: number, createdAt: createdAt, payments: payments))
        }
        var events: [Event] = []
        for refund in refunds {
            events.append(Event(topic: "refunds/create", body: Self.json(refund, at: refund.createdAt)))
            for payment in refund.payments {
                events += payment.words.dropFirst().map {
                    Event(topic: "order_transactions/create", body: Self.json(payment, at: $0.minute))
                }
            }
        }
        for _ in 0..<Int.random(in: 0...4, using: &random) {
            events.append(Self.order(refunds, at: Int.random(in: 0...150, using: &random)))
        }
        events.append(Self.order(refunds, at: Self.end))
        self.events = events
    }

    private static func payment(_ id: Int, at createdAt: Int, _ random: inout SeededGenerator) -> Payment {
        var words = [(status: "pending", minute: createdAt)]
        let answers = ["success", "success", "failure", "error"]
        for _ in 0..<[0, 1, 1, 1, 2][Int.random(in: 0...4, using: &random)] {
            let minute = words[words.count - 1].minute + Int.random(in: 1...20, using: &random)
            words.append((answers[Int.random(in: 0...3, using: &random)], minute))
        }
        return Payment(id: id, amount: Int.random(in: 1...9, using: &random), createdAt: createdAt, words: words)
    }

    /// Where each refund ended, worked out from the truth and not from its webhooks.
    var truth: [String: (state: String, isMoved: Bool)] {
        Dictionary(
            uniqueKeysWithValues: refunds.map { refund in
                let last = refund.payments.map { $0.word(at: Self.end).status }
                let state =
                    if last.isEmpty { "recorded" } else if last.contains("failure") || last.contains("error") {
                        "failed"
                    } else if last.contains("pending") { "pending" } else { "succeeded" }
                return ("\(refund.id)", (state, last.contains("success")))
            }
        )
    }

    // MARK: Bodies

    private static func time(_ minute: Int) -> String {
        let (hour, rest) = (minute / 60, minute % 60)
        return "\"2026-05-04T1\(hour):\(rest < 10 ? "0" : "")\(rest):00Z\""
    }

    private static func json(_ payment: Payment, at minute: Int) -> String {
        let word = payment.word(at: minute)
        let processedAt = word.status == "pending" ? "null" : time(word.minute)
        return """
            {"id":\(payment.id),"order_id":1,"kind":"refund","status":"\(word.status)","amount":"\(payment.amount).00",\
            "currency":"EUR","parent_id":\(payment.id + 500),"created_at":\(time(payment.createdAt)),\
            "processed_at":\(processedAt)}
            """
    }

    private static func json(_ refund: Recorded, at minute: Int) -> String {
        let payments = refund.payments.filter { $0.createdAt <= minute }.map { json($0, at: minute) }
        return """
            {"id":\(refund.id),"order_id":1,"created_at":\(time(refund.createdAt)),\
            "transactions":[\(payments.joined(separator: ","))]}
            """
    }

    private static func order(_ refunds: [Recorded], at minute: Int) -> Event {
        let known = refunds.filter { $0.createdAt <= minute }.map { json($0, at: minute) }
        return Event(
            topic: "orders/updated",
            body: "{\"id\":1,\"updated_at\":\(time(minute)),\"refunds\":[\(known.joined(separator: ","))]}"
        )
    }
}
