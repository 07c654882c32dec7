import Glibc

/// What `deploy/bench/run` measures of ours, each figure a subcommand that prints one number. Not part of the product.
@main struct AftercareBench {
    static func main() async {
        do {
            var arguments = CommandLine.arguments.dropFirst()
            let command = arguments.popFirst() ?? ""
            let options = try Options(Array(arguments))
            switch command {
            case "client": try await measureClient(options)
            case "migrate": try await migrate(options)
            case "queue-drain": try await measureDrain(options)
            case "bare-http": try await serveBareHTTP(options)
            default: throw Misuse("usage: AftercareBench client|migrate|queue-drain|bare-http [--name value]…")
            }
        } catch {
            let line = "AftercareBench: \(String(reflecting: error))\n"
            _ = line.utf8.withContiguousStorageIfAvailable { write(2, $0.baseAddress, $0.count) }
            exit(1)
        }
    }
}

struct Misuse: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}

/// `--name value` pairs.
struct Options {
    private var values: [String: String] = [:]

    init(_ arguments: [String]) throws(Misuse) {
        var rest = arguments[...]
        while let name = rest.popFirst() {
            guard name.hasPrefix("--"), let value = rest.popFirst() else { throw Misuse("\(name) is no --name value") }
            values[String(name.dropFirst(2))] = value
        }
    }

    func string(_ name: String) throws(Misuse) -> String {
        guard let value = values[name] else { throw Misuse("--\(name) is missing") }
        return value
    }

    func int(_ name: String, _ standard: Int? = nil) throws(Misuse) -> Int {
        guard let text = values[name] else {
            guard let standard else { throw Misuse("--\(name) is missing") }
            return standard
        }
        guard let value = Int(text) else { throw Misuse("--\(name) is no number") }
        return value
    }
}
