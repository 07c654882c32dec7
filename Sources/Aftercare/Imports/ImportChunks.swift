/// Cuts a file of lines, as it comes, into pieces of whole lines. Pure.
///
/// A piece is what the job takes in one transaction: some hundreds of orders, so that writing them is set-based and
/// nobody waits long for their locks.
struct ImportChunks: Sendable {
    struct Chunk: Hashable, Sendable {
        let number: Int
        /// The place of its first line in the file, from 1.
        let firstLine: Int
        /// Each line with its line feed.
        let bytes: [UInt8]
    }

    /// What one line may have: as much as the body of a PUT.
    static let maximumLine = 1 << 20
    /// A piece ends with the line that gets there.
    static let size = 512 << 10
    static let maximumLines = 500

    static let lineFeed = UInt8(ascii: "\n")

    private(set) var byteCount = 0
    /// Without blank ones.
    private(set) var lineCount = 0
    private var number = 0
    private var firstLine = 1
    private var lines = 0
    private var bytes: [UInt8] = []
    /// Where in `bytes` the line begins that is not at its end yet.
    private var lineStart = 0
    private var isBlank = true

    /// The pieces that are complete with what has come.
    mutating func take(_ more: [UInt8]) -> [Chunk] {
        byteCount += more.count
        var chunks: [Chunk] = []
        var rest = more[...]
        while let end = rest.firstIndex(of: Self.lineFeed) {
            append(rest[..<end])
            if let chunk = endLine() { chunks.append(chunk) }
            rest = rest[(end + 1)...]
        }
        append(rest)
        return chunks
    }

    /// The last piece, if there is something in it. The last line needs no line feed.
    mutating func finish() -> Chunk? {
        if bytes.count > lineStart, let chunk = endLine() { return chunk }
        return lines > 0 ? cut() : nil
    }

    private mutating func append(_ part: ArraySlice<UInt8>) {
        if isBlank { isBlank = Self.isBlank(part) }
        // Of a line that is too long, enough is kept to see that it is; and it is none that may be left out.
        let room = Self.maximumLine + 1 - (bytes.count - lineStart)
        if part.count >= room { isBlank = false }
        bytes += part.prefix(max(0, room))
    }

    private mutating func endLine() -> Chunk? {
        bytes.append(Self.lineFeed)
        lines += 1
        if !isBlank { lineCount += 1 }
        (lineStart, isBlank) = (bytes.count, true)
        return lines >= Self.maximumLines || bytes.count >= Self.size ? cut() : nil
    }

    private mutating func cut() -> Chunk {
        let chunk = Chunk(number: number, firstLine: firstLine, bytes: bytes)
        number += 1
        firstLine += lines
        (lines, lineStart) = (0, 0)
        bytes.removeAll(keepingCapacity: true)
        return chunk
    }

    /// A blank line is none: files end with one, or are spread out by them.
    static func isBlank(_ line: some Collection<UInt8>) -> Bool {
        line.allSatisfy { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") || $0 == UInt8(ascii: "\r") }
    }
}
