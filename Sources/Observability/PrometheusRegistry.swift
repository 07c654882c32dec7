public import CoreMetrics
import Synchronization

/// The metrics of this process, as swift-metrics records them and Prometheus scrapes them.
///
/// A label becomes a name by the rules of Prometheus: other characters turn into `_`; a counter ends in `_total`, a
/// timer in `_seconds`. Meters and plain recorders are gauges, aggregating recorders summaries without quantiles, timers
/// histograms over ``timerBuckets``.
///
/// One name has one kind and a bounded number of series: a label value that comes from outside cannot fill the memory.
/// What goes over the bound, or asks for a name as another kind, is recorded nowhere but in
/// `metrics_dropped_series_total`.
public final class PrometheusRegistry: MetricsFactory {
    /// Upper bounds of a timer's buckets, in seconds; the last, infinity, is implied.
    public static let timerBuckets: [Double] = [
        0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
    ]

    private static let droppedName = "metrics_dropped_series_total"
    private let maximumSeriesPerName: Int
    private let maximumNames: Int
    private let help: [String: String]
    private let families = Mutex<[String: Family]>([:])
    private let dropped = Atomic<Int64>(0)

    private struct Family: Sendable {
        var kind: Kind
        var help: String
        /// By rendered label set, `a="1",b="2"`; empty without labels.
        var series: [String: any Series] = [:]
    }

    enum Kind: String {
        case counter
        case gauge
        case summary
        case histogram
    }

    /// - Parameters:
    ///   - help: what a metric means, by the label it is made with. Without an entry the label itself is shown.
    ///   - maximumSeriesPerName: sets of label values per name.
    public init(help: [String: String] = [:], maximumSeriesPerName: Int = 1000, maximumNames: Int = 1000) {
        self.help = help
        self.maximumSeriesPerName = maximumSeriesPerName
        self.maximumNames = maximumNames
    }

    /// Everything recorded so far, in the text format 0.0.4, names and label sets in order.
    ///
    /// Serve it as `text/plain; version=0.0.4; charset=utf-8`.
    public func render() -> String {
        let families = families.withLock { $0 }
        var text = ""
        for (name, family) in families.sorted(by: { $0.key < $1.key }) {
            text += PrometheusText.heading(name, family.kind.rawValue, family.help)
            for (labels, series) in family.series.sorted(by: { $0.key < $1.key }) { series.render(name, labels, &text) }
        }
        let name = PrometheusRegistry.droppedName
        text += PrometheusText.heading(name, "counter", "Instruments not recorded: bound or kind of the name violated.")
        text += "\(name) \(dropped.load(ordering: .relaxed))\n"
        return text
    }

    public func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        series(label, "_total", dimensions, .counter) { IntegerSeries() }
    }

    public func makeFloatingPointCounter(
        label: String,
        dimensions: [(String, String)]
    ) -> any FloatingPointCounterHandler {
        series(label, "_total", dimensions, .counter) { NumberSeries(onlyGrows: true) }
    }

    public func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
        series(label, "", dimensions, .gauge) { NumberSeries(onlyGrows: false) }
    }

    public func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
        aggregate
            ? series(label, "", dimensions, .summary) { DistributionSeries(bounds: []) }
            : series(label, "", dimensions, .gauge) { NumberSeries(onlyGrows: false) }
    }

    public func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        series(label, "_seconds", dimensions, .histogram) {
            DistributionSeries(bounds: PrometheusRegistry.timerBuckets)
        }
    }

    public func destroyCounter(_ handler: any CounterHandler) { remove(handler) }
    public func destroyFloatingPointCounter(_ handler: any FloatingPointCounterHandler) { remove(handler) }
    public func destroyMeter(_ handler: any MeterHandler) { remove(handler) }
    public func destroyRecorder(_ handler: any RecorderHandler) { remove(handler) }
    public func destroyTimer(_ handler: any TimerHandler) { remove(handler) }

    /// The series of that name and those labels, made on first use. Past a bound it is one that nobody renders.
    private func series<S: Series>(
        _ label: String,
        _ suffix: String,
        _ dimensions: [(String, String)],
        _ kind: Kind,
        make: () -> S
    ) -> S {
        let name = PrometheusText.name(label, suffix: suffix)
        let labels = PrometheusText.labels(dimensions)
        let found: S? = families.withLock { families in
            if let known = families[name]?.series[labels] { return families[name]?.kind == kind ? known as? S : nil }
            guard name != PrometheusRegistry.droppedName, families[name] != nil || families.count < maximumNames else {
                return nil
            }
            var family = families.removeValue(forKey: name) ?? Family(kind: kind, help: help[label] ?? label)
            defer { families[name] = family }
            guard family.kind == kind, family.series.count < maximumSeriesPerName else { return nil }
            let made = make()
            family.series[labels] = made
            return made
        }
        if let found { return found }
        dropped.add(1, ordering: .relaxed)
        return make()
    }

    private func remove(_ handler: AnyObject) {
        families.withLock { families in
            for (name, family) in families {
                guard let labels = family.series.first(where: { $0.value === handler })?.key else { continue }
                families[name]?.series[labels] = nil
                if families[name]?.series.isEmpty == true { families[name] = nil }
                return
            }
        }
    }
}
