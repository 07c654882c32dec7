import Foundation

/// A source file as the lints see it.
struct SwiftSource: Sendable {
    /// Inside the repository, such as `Sources/Jobs/Job.swift`.
    let path: String
    let text: String
    /// Its string literals, without comments; each interpolation is a `$`.
    let literals: [String]
    /// The literals that are whole SQL statements, without SQL's comments.
    let statements: [String]

    init(path: String, text: String) {
        self.path = path
        self.text = text
        var reader = LiteralReader(Array(text.utf8))
        literals = reader.readAll()
        statements = literals.map(Self.withoutComments).filter(Self.isStatement)
    }

    var name: String { path.split(separator: "/").last.map(String.init) ?? path }

    /// The Swift files below a folder of the repository.
    static func files(below folder: String) throws -> [SwiftSource] {
        // This file's own place leads there, also when it is built through a symbolic link.
        var root = URL(filePath: #filePath).resolvingSymlinksInPath()
        for _ in 0..<4 { root.deleteLastPathComponent() }
        let top = root.appending(path: folder)
        return try FileManager.default.subpathsOfDirectory(atPath: top.path())
            .filter { $0.hasSuffix(".swift") }
            .sorted()
            .map {
                let text = try String(contentsOf: top.appending(path: $0), encoding: .utf8)
                return SwiftSource(path: "\(folder)/\($0)", text: text)
            }
    }

    /// The modules it imports.
    var imports: [String] {
        text.split(separator: "\n").compactMap { line in
            let words = line.split(separator: " ").drop { $0.hasPrefix("@") || $0 == "public" || $0 == "internal" }
            guard words.first == "import", let module = words.dropFirst().first else { return nil }
            return String(module)
        }
    }

    private static func withoutComments(_ sql: String) -> String {
        sql.split(separator: "\n", omittingEmptySubsequences: false)
            .map { $0.split(separator: "--", maxSplits: 1, omittingEmptySubsequences: false)[0] }
            .joined(separator: "\n")
    }

    private static func isStatement(_ text: String) -> Bool {
        text.contains(
            // Not Unicode\'s, for which `a.b` is one word.
            #/\bSELECT\b[\s\S]*\bFROM\b|\bINSERT INTO\b|\bUPDATE\s+\w+\s[\s\S]*\bSET\b|\bDELETE FROM\b/#
                .wordBoundaryKind(.simple)
        )
    }
}

/// Finds string literals in Swift: one line or many, raw or not, with literals in their interpolations.
private struct LiteralReader {
    private let text: [UInt8]
    private var place = 0
    private var literals: [String] = []

    init(_ text: [UInt8]) {
        self.text = text
    }

    mutating func readAll() -> [String] {
        while place < text.count { step() }
        return literals
    }

    private func at(_ characters: String) -> Bool {
        text[place...].starts(with: characters.utf8)
    }

    private mutating func step() {
        if at("//") {
            while place < text.count, !at("\n") { place += 1 }
        } else if at("/*") {
            while place < text.count, !at("*/") { place += 1 }
        } else if at("\"") || at("#") {
            literal()
        } else {
            place += 1
        }
    }

    private mutating func literal() {
        let start = place
        while at("#") { place += 1 }
        let marks = String(repeating: "#", count: place - start)
        guard at("\"") else {
            place = max(place, start + 1)
            return
        }
        let quote = at("\"\"\"") ? "\"\"\"" : "\""
        place += quote.count
        var content: [UInt8] = []
        while place < text.count, !at(quote + marks) {
            if at("\\" + marks + "(") {
                place += marks.count + 1
                interpolation()
                content.append(UInt8(ascii: "$"))
            } else if at("\\" + marks) {
                content.append(contentsOf: text[place..<min(place + marks.count + 2, text.count)])
                place += marks.count + 2
            } else {
                content.append(text[place])
                place += 1
            }
        }
        place += quote.count + marks.count
        literals.append(String(decoding: content, as: UTF8.self))
    }

    private mutating func interpolation() {
        var depth = 0
        repeat {
            if at("(") { depth += 1 }
            if at(")") { depth -= 1 }
            if at("\"") { literal() } else { place += 1 }
        } while place < text.count && depth > 0
    }
}
