import JSON
import Support
import Testing
import Time

@testable import Aftercare

@Suite struct ImportChunksTests {
    /// The file in pieces of these sizes, over and over.
    private func cut(_ bytes: [UInt8], _ sizes: [Int]) -> (chunks: [ImportChunks.Chunk], cutter: ImportChunks) {
        var cutter = ImportChunks()
        var chunks: [ImportChunks.Chunk] = []
        var (rest, index) = (bytes[...], 0)
        while !rest.isEmpty {
            chunks += cutter.take(Array(rest.prefix(sizes[index % sizes.count])))
            rest = rest.dropFirst(sizes[index % sizes.count])
            index += 1
        }
        if let last = cutter.finish() { chunks.append(last) }
        return (chunks, cutter)
    }

    @Test func `however a file comes, its pieces are the same, and are whole lines`() {
        var random = SeededGenerator(seed: 15)
        for _ in 0..<20 {
            let lines = (0..<Int.random(in: 0...1400, using: &random)).map { number in
                Int.random(in: 0...9, using: &random) == 0
                    ? " \t\r" : "\(number) " + String(repeating: "x", count: Int.random(in: 0...900, using: &random))
            }
            let bytes = Array((lines.joined(separator: "\n") + "\n").utf8)
            let whole = cut(bytes, [bytes.count + 1])
            let sizes = (0..<7).map { _ in Int.random(in: 1...70_000, using: &random) }
            let pieces = cut(bytes, sizes)
            #expect(pieces.chunks == whole.chunks)
            #expect(whole.chunks.flatMap(\.bytes) == (lines.isEmpty ? [ImportChunks.lineFeed] : bytes))
            #expect(whole.chunks.map(\.number) == Array(0..<whole.chunks.count))
            #expect(pieces.cutter.byteCount == bytes.count)
            #expect(pieces.cutter.lineCount == lines.count { !$0.hasPrefix(" ") && !$0.isEmpty })
            for chunk in whole.chunks {
                let count = chunk.bytes.count { $0 == ImportChunks.lineFeed }
                #expect(chunk.bytes.last == ImportChunks.lineFeed && count <= ImportChunks.maximumLines)
                #expect(chunk.bytes.count <= ImportChunks.size + 1000)
            }
            // Each piece goes on where the one before ended.
            for (one, next) in zip(whole.chunks, whole.chunks.dropFirst()) {
                #expect(next.firstLine == one.firstLine + one.bytes.count { $0 == ImportChunks.lineFeed })
            }
        }
    }

    @Test func `the last line needs no line feed, and nothing is no line`() {
        #expect(cut(Array("a\nb".utf8), [2]).chunks.flatMap(\.bytes) == Array("a\nb\n".utf8))
        #expect(cut([], [1]).chunks == [])
        #expect(cut(Array("a".utf8), [1]).cutter.lineCount == 1)
        #expect(cut(Array("\r\n \n".utf8), [1]).cutter.lineCount == 0)
    }

    @Test func `a line that is too long is cut, and those around it are not`() async {
        let long = [UInt8](repeating: UInt8(ascii: "x"), count: 3 << 20)
        let chunks = cut(Array("a\n".utf8) + long + Array("\nb\n".utf8), [65_536]).chunks
        let lines = chunks.flatMap { $0.bytes.split(separator: ImportChunks.lineFeed) }
        #expect(lines.map(\.count) == [1, ImportChunks.maximumLine + 1, 1])
        #expect(chunks.allSatisfy { $0.bytes.count <= 2 << 20 })
        var read: [ImportLine] = []
        for chunk in chunks { read += await ImportLine.lines(of: chunk, noLaterThan: Instant(seconds: 0)) }
        #expect(read.map(\.number) == [1, 2, 3])
        #expect(read.map { $0.rejection?.code } == [.malformedJSON, .payloadTooLarge, .malformedJSON])
    }

    @Test func `a line of nothing but too many blanks is one that is too long, however it comes`() async {
        let blanks = [UInt8](repeating: UInt8(ascii: " "), count: ImportChunks.maximumLine + 1)
        for parts in [[65_536], [1 << 22]] {
            let cut = cut(blanks + Array("{}\n \n".utf8), parts)
            var read: [ImportLine] = []
            for chunk in cut.chunks { read += await ImportLine.lines(of: chunk, noLaterThan: Instant(seconds: 0)) }
            #expect(read.map { $0.rejection?.code } == [.payloadTooLarge] && cut.cutter.lineCount == 1)
        }
    }

    @Test func `a byte order mark before the first line is passed over, and before another it is none`() async throws {
        func read(firstLine: Int) async throws -> ImportLine? {
            let bytes = [0xEF, 0xBB, 0xBF] + Array((order("A-1") + "\n").utf8)
            let chunk = ImportChunks.Chunk(number: 0, firstLine: firstLine, bytes: bytes)
            return await ImportLine.lines(of: chunk, noLaterThan: try .at("2026-06-01T00:00:00Z")).first
        }
        #expect(try await read(firstLine: 1)?.rejection == nil)
        #expect(try await read(firstLine: 11)?.rejection?.code == .malformedJSON)
    }

    // MARK: Lines

    private func lines(_ text: String) async throws -> [ImportLine] {
        let chunk = ImportChunks.Chunk(number: 0, firstLine: 11, bytes: Array(text.utf8))
        return await ImportLine.lines(of: chunk, noLaterThan: try .at("2026-06-01T00:00:00Z"))
    }

    private func order(_ id: String) -> String { PutBody.order.with("external_id", .string(id)).serialized }

    @Test func `each line is read by itself, with its place in the file`() async throws {
        let late = PutBody.order.with("external_id", "L").with("as_of", "2026-06-01T00:00:01Z").serialized
        let news = PutBody.order.with("external_id", "N").with("historical", false).with("total", 3).serialized
        let read = try await lines(
            "\(order("A"))\n\n\(late)\r\n{\"external_id\": 7}\nnull\n{]\n\(news)\n\(PutBody.order)\n"
        )
        #expect(read.map(\.number) == [11, 13, 14, 15, 16, 17, 18])
        let first = try read[0].entry.get()
        #expect(first.externalID == "A" && first.order.isHistorical)
        #expect(read[1].pointers == ["#/as_of"] && read[1].rejection?.externalID == "L")
        #expect(read[2].pointers.contains("#/external_id") && read[2].pointers.contains("#/as_of"))
        #expect(read[2].rejection?.externalID == nil)
        #expect(read[3].pointers == ["#"])
        #expect(read[4].rejection?.code == .malformedJSON && read[4].rejection?.detail.hasSuffix("(byte 1)") == true)
        #expect(read[5].pointers == ["#/historical", "#/total"])
        #expect(read[6].pointers == ["#/external_id"])
    }

    @Test func `a second line about an order comes in a later round`() async throws {
        func rounds(_ ids: [String]) async throws -> [[String]] {
            let read = try await lines(ids.map { order($0) + "\n" }.joined())
            return try ImportLine.rounds(read).map { try $0.map { try $0.entry.get().externalID } }
        }
        #expect(try await rounds(["A", "B", "C"]) == [["A", "B", "C"]])
        #expect(try await rounds(["A", "B", "A", "C", "B", "B"]) == [["A", "B"], ["A", "C", "B"], ["B"]])
        // Two spellings of one letter are two ids, as they are to the database.
        #expect(try await rounds(["\u{E9}", "e\u{301}"]).count == 1)
    }
}

extension ImportLine {
    fileprivate var rejection: PutOrderEntry.Rejection? {
        if case .failure(let rejection) = entry { rejection } else { nil }
    }
    fileprivate var pointers: [String] { rejection?.errors.map(\.pointer) ?? [] }
}
