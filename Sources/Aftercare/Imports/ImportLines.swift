import FoundationEssentials
import JSON
import Time

/// A line of an import, read. Pure.
struct ImportLine: Sendable {
    /// In the file, from 1.
    let number: Int
    let entry: Result<PutOrderEntry, PutOrderEntry.Rejection>

    /// Those of a piece; blank ones are left out.
    static func lines(of chunk: ImportChunks.Chunk, noLaterThan end: Instant) -> [ImportLine] {
        var lines: [ImportLine] = []
        var number = chunk.firstLine
        for line in chunk.bytes.split(separator: ImportChunks.lineFeed, omittingEmptySubsequences: false).dropLast() {
            if !ImportChunks.isBlank(line) {
                lines.append(ImportLine(number: number, entry: read(line, noLaterThan: end)))
            }
            number += 1
        }
        return lines
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
