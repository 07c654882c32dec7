import CoreMetrics
import Foundation
import Observability
import Testing

struct PrometheusRegistryTests {
    let registry = PrometheusRegistry(help: ["http.requests": "Requests\nserved by \\ \"us\"."])

    /// A scrape, read by the rules of the text format 0.0.4 and nothing looser.
    struct Scrape {
        var types: [String: String] = [:]
        var help: [String: String] = [:]
        /// By sample with its labels as written.
        var samples: [String: Double] = [:]

        init(_ text: String) throws {
            #expect(text.hasSuffix("\n"))
            let sample = /([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\n"])*",?)+\})? (\S+)/
            var current = ""
            for line in text.split(separator: "\n", omittingEmptySubsequences: false).dropLast() {
                let words = line.split(separator: " ", maxSplits: 3).map(String.init)
                if line.hasPrefix("# HELP ") {
                    current = words[2]
                    try #require(help.updateValue(words[3], forKey: current) == nil, "one HELP per name")
                } else if line.hasPrefix("# TYPE ") {
                    #expect(words[2] == current)
                    types[current] = words[3]
                } else {
                    let match = try #require(try sample.wholeMatch(in: line), "\(line)")
                    #expect(match.1.hasPrefix(current), "samples follow their heading")
                    let value = match.3 == "+Inf" ? .infinity : try #require(Double(match.3))
                    let key = "\(match.1)\(match.2 ?? "")"
                    try #require(samples.updateValue(value, forKey: key) == nil, "one line per series")
                }
            }
        }
    }

    private func scrape() throws -> Scrape { try Scrape(registry.render()) }

    @Test func `a counter of two label sets renders in order, whatever the order of labels`() throws {
        for method in ["POST", "GET", "GET"] {
            Counter(label: "http.requests", dimensions: [("path", "/a"), ("method", method)], factory: registry)
                .increment()
        }
        Counter(label: "http.requests", dimensions: [("method", "GET"), ("path", "/a")], factory: registry).increment(
            by: 5
        )
        #expect(
            registry.render().hasPrefix(
                """
                # HELP http_requests_total Requests\\nserved by \\\\ "us".
                # TYPE http_requests_total counter
                http_requests_total{method="GET",path="/a"} 7
                http_requests_total{method="POST",path="/a"} 1

                """
            )
        )
    }

    @Test func `names and label values are made fit, whatever they hold`() throws {
        let nasty = "a\"b\\c\nd{}=,\u{1F9FE}"
        Counter(label: "9-\u{fc}.x_total", dimensions: [("1 a", nasty), ("le", "x"), ("__n", "y")], factory: registry)
            .increment()
        let key = #"_9___x_total{_1_a="a\"b\\c\nd{}=,"# + "\u{1F9FE}" + #"",label___n="y",label_le="x"}"#
        #expect(try scrape().samples[key] == 1)
    }

    @Test func `gauges go up and down, and know infinity`() throws {
        let meter = Meter(label: "pool.size", factory: registry)
        meter.set(5)
        meter.decrement(by: 2.5)
        meter.increment()
        Gauge(label: "age", factory: registry).record(Double.infinity)
        let scrape = try scrape()
        #expect(scrape.samples["pool_size"] == 3.5)
        #expect(scrape.samples["age"] == .infinity)
        #expect(scrape.types["pool_size"] == "gauge")
    }

    @Test func `counters never go down and stop at their maximum`() throws {
        let counter = Counter(label: "c", factory: registry)
        counter.increment(by: Int64.max)
        counter.increment(by: 2)
        counter.increment(by: -5)
        let fractions = FloatingPointCounter(label: "f", factory: registry)
        for amount in [0.5, -1, .nan, 0.25] { fractions.increment(by: amount) }
        let scrape = try scrape()
        #expect(scrape.samples["c_total"] == Double(Int64.max))
        #expect(scrape.samples["f_total"] == 0.75)
        #expect(scrape.types["f_total"] == "counter")
    }

    @Test func `a timer is a histogram in seconds with cumulated buckets`() throws {
        let timer = Timer(label: "job", dimensions: [("kind", "mail")], factory: registry)
        for milliseconds in [0, 1, 2, 7, 300, 10_000, 60_000] { timer.recordMilliseconds(milliseconds) }
        let scrape = try scrape()
        #expect(scrape.types["job_seconds"] == "histogram")
        let expected: [(String, Double)] = [
            ("0.001", 2), ("0.0025", 3), ("0.005", 3), ("0.01", 4), ("0.025", 4), ("0.05", 4), ("0.1", 4), ("0.25", 4),
            ("0.5", 5), ("1", 5), ("2.5", 5), ("5", 5), ("10", 6), ("+Inf", 7),
        ]
        for (bound, count) in expected {
            #expect(scrape.samples["job_seconds_bucket{kind=\"mail\",le=\"\(bound)\"}"] == count, "\(bound)")
        }
        #expect(scrape.samples["job_seconds_count{kind=\"mail\"}"] == 7)
        let sum = try #require(scrape.samples["job_seconds_sum{kind=\"mail\"}"])
        #expect(abs(sum - 70.31) < 1e-9)
    }

    @Test func `an aggregating recorder is a summary, a plain one a gauge`() throws {
        for value in [1, 2, 4] {
            Recorder(label: "size", aggregate: true, factory: registry).record(value)
            Recorder(label: "last", aggregate: false, factory: registry).record(value)
        }
        let scrape = try scrape()
        #expect(scrape.types["size"] == "summary")
        #expect(scrape.samples["size_sum"] == 7)
        #expect(scrape.samples["size_count"] == 3)
        #expect(scrape.samples["last"] == 4)
    }

    @Test func `series over the bound are dropped and counted, those below go on`() throws {
        let registry = PrometheusRegistry(maximumSeriesPerName: 3, maximumNames: 2)
        for number in 0..<10 {
            Counter(label: "hits", dimensions: [("path", "/\(number)")], factory: registry).increment()
        }
        Counter(label: "hits", dimensions: [("path", "/0")], factory: registry).increment()
        Counter(label: "two", factory: registry).increment()
        Counter(label: "three", factory: registry).increment()
        let scrape = try Scrape(registry.render())
        #expect(scrape.samples.keys.filter { $0.hasPrefix("hits_total") }.count == 3)
        #expect(scrape.samples["hits_total{path=\"/0\"}"] == 2)
        #expect(scrape.samples["two_total"] == 1)
        #expect(scrape.samples["three_total"] == nil)
        #expect(scrape.samples["metrics_dropped_series_total"] == 8)
    }

    @Test func `a name keeps its first kind`() throws {
        Meter(label: "x", factory: registry).set(1)
        Recorder(label: "x", aggregate: true, factory: registry).record(9)
        Counter(label: "metrics.dropped.series", factory: registry).increment(by: 100)
        let scrape = try scrape()
        #expect(scrape.types["x"] == "gauge")
        #expect(scrape.samples["x"] == 1)
        #expect(scrape.samples["metrics_dropped_series_total"] == 2)
    }

    @Test func `a destroyed metric is gone`() throws {
        let counter = Counter(label: "gone", dimensions: [("a", "1")], factory: registry)
        counter.increment()
        counter.destroy()
        let timer = Timer(label: "gone.too", factory: registry)
        timer.destroy()
        #expect(!registry.render().contains("gone"))
    }

    @Test func `nothing is lost between many tasks and scrapes`() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for task in 0..<8 {
                group.addTask {
                    for number in 0..<500 {
                        let dimensions = [("n", "\(number % 10)")]
                        Counter(label: "c", dimensions: dimensions, factory: registry).increment()
                        Timer(label: "t", dimensions: dimensions, factory: registry).recordNanoseconds(1_000_000)
                        FloatingPointCounter(label: "f", factory: registry).increment(by: 0.5)
                        if number % 100 == task { _ = try Scrape(registry.render()) }
                    }
                }
            }
            try await group.waitForAll()
        }
        let scrape = try scrape()
        for number in 0..<10 {
            #expect(scrape.samples["c_total{n=\"\(number)\"}"] == 400)
            #expect(scrape.samples["t_seconds_bucket{n=\"\(number)\",le=\"0.001\"}"] == 400)
            #expect(scrape.samples["t_seconds_count{n=\"\(number)\"}"] == 400)
        }
        #expect(scrape.samples["f_total"] == 2000)
    }
}
