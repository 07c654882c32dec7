/// The spelling rules of the Prometheus text format 0.0.4.
enum PrometheusText {
    /// `[a-zA-Z_:][a-zA-Z0-9_:]*`, with `suffix` unless it is there already.
    static func name(_ label: String, suffix: String) -> String {
        let name = sanitised(label, allowing: ":")
        return name.hasSuffix(suffix) ? name : name + suffix
    }

    /// `a="1",b="2"`, by name; of two labels with one name the first counts.
    static func labels(_ dimensions: [(String, String)]) -> String {
        if dimensions.isEmpty { return "" }
        var values: [String: String] = [:]
        for (name, value) in dimensions {
            var name = sanitised(name, allowing: "_")
            // `le` and `quantile` belong to histograms and summaries, a leading "__" to Prometheus itself.
            if name == "le" || name == "quantile" || name.hasPrefix("__") { name = "label_" + name }
            if values[name] == nil { values[name] = value }
        }
        return values.sorted { $0.key < $1.key }.map { "\($0.key)=\"\(escaped($0.value, quotes: true))\"" }
            .joined(separator: ",")
    }

    static func heading(_ name: String, _ kind: String, _ help: String) -> String {
        "# HELP \(name) \(escaped(help, quotes: false))\n# TYPE \(name) \(kind)\n"
    }

    /// One sample line. `extra` is one more label, already spelled.
    static func sample(_ name: String, _ labels: String, _ value: String, extra: String = "") -> String {
        let all = labels.isEmpty || extra.isEmpty ? labels + extra : labels + "," + extra
        return all.isEmpty ? "\(name) \(value)\n" : "\(name){\(all)} \(value)\n"
    }

    static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        let text = value.description
        return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
    }

    private static func sanitised(_ text: String, allowing extra: Character) -> String {
        // A program's own names are fine as they are, and this is asked for each recorded request.
        if text.utf8.first.map(isLetter) == true, text.utf8.allSatisfy({ isLetter($0) || $0 == UInt8(ascii: "_") }) {
            return text
        }
        var name = ""
        for character in text {
            let fits = character.isASCII && (character.isLetter || character.isNumber) || character == extra
            name.append(fits ? character : "_")
        }
        if name.first?.isNumber ?? true { name = "_" + name }
        return name
    }

    private static func isLetter(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
    }

    private static func escaped(_ text: String, quotes: Bool) -> String {
        var escaped = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": escaped += "\\\\"
            case "\n": escaped += "\\n"
            case "\"" where quotes: escaped += "\\\""
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }
}
