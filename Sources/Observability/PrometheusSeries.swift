import CoreMetrics
import Synchronization

/// One name with one set of labels: what is recorded into, and the lines it renders to.
protocol Series: AnyObject, Sendable {
    func render(_ name: String, _ labels: String, _ text: inout String)
}

/// A counter of whole things. At its maximum it stays there.
final class IntegerSeries: Series, CounterHandler {
    private let value = Atomic<Int64>(0)

    func increment(by amount: Int64) {
        // A counter that goes down reads as a restart to Prometheus.
        guard amount > 0 else { return }
        var old = value.load(ordering: .relaxed)
        while true {
            let (sum, overflow) = old.addingReportingOverflow(amount)
            let result = value.weakCompareExchange(
                expected: old,
                desired: overflow ? .max : sum,
                ordering: .relaxed
            )
            if result.exchanged { return }
            old = result.original
        }
    }

    func reset() { value.store(0, ordering: .relaxed) }

    func render(_ name: String, _ labels: String, _ text: inout String) {
        text += PrometheusText.sample(name, labels, String(value.load(ordering: .relaxed)))
    }
}

/// A single number: a gauge, or a counter of fractions.
final class NumberSeries: Series, FloatingPointCounterHandler, MeterHandler, RecorderHandler {
    private let value = Mutex<Double>(0)
    private let onlyGrows: Bool

    init(onlyGrows: Bool) {
        self.onlyGrows = onlyGrows
    }

    func increment(by amount: Double) {
        // The comparison is false for NaN, which would stick for ever.
        guard onlyGrows ? amount > 0 && amount.isFinite : !amount.isNaN else { return }
        value.withLock { $0 += amount }
    }

    func decrement(by amount: Double) { increment(by: -amount) }
    func set(_ new: Int64) { set(Double(new)) }
    func set(_ new: Double) { value.withLock { $0 = new } }
    func record(_ new: Int64) { set(Double(new)) }
    func record(_ new: Double) { set(new) }
    func reset() { set(0.0) }

    func render(_ name: String, _ labels: String, _ text: inout String) {
        text += PrometheusText.sample(name, labels, PrometheusText.number(value.withLock { $0 }))
    }
}

/// Sum and count of many values, and how many fell into each bucket: a histogram, or without bounds a summary.
final class DistributionSeries: Series, RecorderHandler, TimerHandler {
    private struct State {
        var sum = 0.0
        var count: UInt64 = 0
        /// Per bucket, not cumulated; the last is everything above the last bound.
        var buckets: [UInt64]
    }

    private let bounds: [Double]
    private let state: Mutex<State>

    init(bounds: [Double]) {
        self.bounds = bounds
        state = Mutex(State(buckets: Array(repeating: 0, count: bounds.count + 1)))
    }

    func record(_ value: Int64) { record(Double(value)) }

    func record(_ value: Double) {
        guard value.isFinite else { return }
        let bucket = bounds.firstIndex { value <= $0 } ?? bounds.count
        state.withLock { state in
            state.sum += value
            state.count += 1
            state.buckets[bucket] += 1
        }
    }

    func recordNanoseconds(_ duration: Int64) { record(Double(duration) / 1e9) }

    func render(_ name: String, _ labels: String, _ text: inout String) {
        let state = state.withLock { $0 }
        if !bounds.isEmpty {
            var total: UInt64 = 0
            for (bound, count) in zip(bounds + [.infinity], state.buckets) {
                total += count
                let le = "le=\"\(PrometheusText.number(bound))\""
                text += PrometheusText.sample(name + "_bucket", labels, String(total), extra: le)
            }
        }
        text += PrometheusText.sample(name + "_sum", labels, PrometheusText.number(state.sum))
        text += PrometheusText.sample(name + "_count", labels, String(state.count))
    }
}
