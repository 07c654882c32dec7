import FoundationEssentials
import JSON
import Time

/// A line of an import, read. Pure.
struct ImportLine: Sendable {
    /// In the file, from 1.
    let number: Int
    let entry: Result<PutOrderEntry, PutOrderEntry.Rejection>

    /// A line as it stands in the file.
    struct Text: Sendable {
        let number: Int
        let bytes: ArraySlice<UInt8>
    }

    /// Those of a piece; blank ones are left out.
    static func texts(of chunk: ImportChunks.Chunk) -> [Text] {
        var texts: [Text] = []
        var number = chunk.firstLine
        for line in chunk.bytes.split(separator: ImportChunks.lineFeed, omittingEmptySubsequences: false).dropLast() {
            if line.count > ImportChunks.maximumLine || !ImportChunks.isBlank(line) {
                // Some programs begin a file with a byte order mark.
                let isMarked = number == 1 && line.starts(with: [0xEF, 0xBB, 0xBF])
                texts.append(Text(number: number, bytes: isMarked ? line.dropFirst(3) : line))
            }
            number += 1
        }
        return texts
    }

    init(_ text: Text, noLaterThan end: Instant) {
        number = text.number
        entry = Self.read(text.bytes, noLaterThan: end)
    }

    private static func read(
        _ line: ArraySlice<UInt8>,
        noLaterThan end: Instant
    ) -> Result<PutOrderEntry, PutOrderEntry.Rejection> {
        guard line.count <= ImportChunks.maximumLine else {
            let detail = "A line has at most \(ImportChunks.maximumLine) bytes."
            return .failure(.init(externalID: nil, code: .payloadTooLarge, detail: detail))
        }
        let json: JSON
        do throws(JSONParseError) {
            json = try line.withUnsafeBufferPointer { (bytes) throws(JSONParseError) in
                try JSON(parsing: UnsafeRawBufferPointer(bytes))
            }
        } catch {
            // Its own line number would be that within the line: always 1.
            let detail = "\(error.kind.rawValue) (byte \(error.offset))"
            return .failure(.init(externalID: nil, code: .malformedJSON, detail: detail))
        }
        do throws(PutOrderEntry.Rejection) {
            return .success(try PutOrderEntry(json, asHistory: true, noLaterThan: end))
        } catch {
            return .failure(error)
        }
    }

    /// Reads the lines of a piece, some on each core: most of an import's time goes into this.
    static func lines(of chunk: ImportChunks.Chunk, noLaterThan end: Instant) async -> [ImportLine] {
        let texts = texts(of: chunk)
        return await withTaskGroup(of: (Int, [ImportLine]).self) { group in
            for start in stride(from: 0, to: texts.count, by: share) {
                let some = texts[start..<min(start + share, texts.count)]
                group.addTask { (start, some.map { ImportLine($0, noLaterThan: end) }) }
            }
            let parts = await group.reduce(into: []) { $0.append($1) }
            return parts.sorted { $0.0 < $1.0 }.flatMap(\.1)
        }
    }

    private static let share = 50

    /// The lines in rounds, each order once in each: a second line about an order comes after the first one.
    static func rounds(_ lines: [ImportLine]) -> [[ImportLine]] {
        var rounds: [[ImportLine]] = [[]]
        var seen: Set<[UInt8]> = []
        for line in lines {
            if case .success(let entry) = line.entry, !seen.insert(Array(entry.externalID.utf8)).inserted {
                rounds.append([])
                seen = [Array(entry.externalID.utf8)]
            }
            rounds[rounds.count - 1].append(line)
        }
        return rounds
    }
}
