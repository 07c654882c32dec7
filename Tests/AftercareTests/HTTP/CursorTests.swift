import Crypto
import FoundationEssentials
import Testing

@testable import Aftercare

@Suite struct `Cursors` {
    private let key = SymmetricKey(data: [UInt8](0..<32))
    private let tenant = UUID(bits: 1)
    private let query = Cursor.Query(
        sort: "-created_at",
        filters: [("state", "open"), ("created_at[gte]", "2026-01-01")]
    )
    private let cursor = Cursor(
        microseconds: 1_767_225_600_123_456,
        id: UUID(bits: 0x0189_0a5d_ac96_774b_bcce_b302_099a_8057)
    )

    private var text: String { cursor.encode(tenant: tenant, query: query, key: key) }

    private func error(
        _ text: String,
        tenant: UUID? = nil,
        query: Cursor.Query? = nil,
        key: SymmetricKey? = nil
    ) -> CursorError? {
        do throws(CursorError) {
            let tenant = tenant ?? self.tenant
            _ = try Cursor.decode(text, tenant: tenant, query: query ?? self.query, key: key ?? self.key)
            return nil
        } catch {
            return error
        }
    }

    @Test(arguments: [1_767_225_600_123_456, 0, -1, Int64.max, Int64.min])
    func `a cursor keeps its microseconds and id`(_ microseconds: Int64) throws {
        let cursor = Cursor(microseconds: microseconds, id: UUID())
        let text = cursor.encode(tenant: tenant, query: query, key: key)
        #expect(text.utf8.count == 66)
        #expect(text.utf8.allSatisfy { $0 != 0x2B && $0 != 0x2F && $0 != 0x3D })
        #expect(try Cursor.decode(text, tenant: tenant, query: query, key: key) == cursor)
    }

    /// Edge case 36.
    @Test func `another tenant's cursor is refused`() {
        #expect(error(text) == nil)
        #expect(error(text, tenant: UUID(bits: 2)) == .notAuthentic)
        #expect(error(text, key: SymmetricKey(data: [UInt8](1..<33))) == .notAuthentic)
    }

    @Test func `a cursor of another query is refused`() {
        #expect(error(text, query: Cursor.Query(sort: "created_at")) == .otherQuery)
        #expect(error(text, query: Cursor.Query(sort: "-created_at", filters: [("state", "open")])) == .otherQuery)
    }

    @Test func `the order of filters does not matter, their borders do`() {
        let filters = [(name: "a", value: "b"), (name: "c", value: "d")]
        #expect(Cursor.Query(sort: "x", filters: filters) == Cursor.Query(sort: "x", filters: filters.reversed()))
        #expect(Cursor.Query(sort: "x", filters: [("a", "bc")]) != Cursor.Query(sort: "x", filters: [("ab", "c")]))
        #expect(Cursor.Query(sort: "x", filters: [("a", "")]) != Cursor.Query(sort: "xa"))
    }

    @Test func `changing any one character is noticed`() {
        for at in 0..<66 {
            var bytes = Array(text.utf8)
            bytes[at] = bytes[at] == 0x41 ? 0x42 : 0x41
            let found = error(String(decoding: bytes, as: UTF8.self))
            #expect(found == .notAuthentic || found == .unknownVersion || (at == 65 && found == .malformed), "\(at)")
        }
    }

    @Test(arguments: ["", "x", "AAAA", String(repeating: "A", count: 65), String(repeating: "A", count: 100_000)])
    func `other texts are malformed`(_ text: String) {
        #expect(error(text) == .malformed)
    }

    @Test func `other alphabets, padding and spare bits are malformed`() {
        #expect(error(String(text.dropLast()) + "=") == .malformed)
        #expect(error(String(text.dropLast()) + "+") == .malformed)
        #expect(error(String(text.dropLast()) + "_") == .malformed)
        #expect(error(String(repeating: "A", count: 66)) == .unknownVersion)
    }

    @Test(arguments: [("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foob", "Zm9vYg"), ("fooba", "Zm9vYmE")])
    func `base64url follows RFC 4648`(_ plain: String, _ encoded: String) {
        #expect(Base64URL.encode(plain.utf8) == encoded)
        #expect(Base64URL.decode(encoded.utf8) == Array(plain.utf8))
    }

    @Test(arguments: ["A", "Zh", "Zm9", "Zg==", "Z g", "Zm9v\n", "Zm+v", "Zm/v", "ZmñA"])
    func `base64url has one text for each value`(_ text: String) {
        #expect(Base64URL.decode(text.utf8) == nil)
    }
}
