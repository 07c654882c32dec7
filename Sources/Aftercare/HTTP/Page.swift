import Crypto
import FoundationEssentials
import HTTPTypes
import JSON
import Postgres
import Time

/// Which part of a list a request asks for: `limit`, `cursor`, and the filters that the cursor is bound to.
///
/// Lists are ordered by creation, newest first; a statement asks for `limit + 1` rows after `position`:
///
/// ```sql
/// WHERE tenant_id = $1 AND (created_at, id) < ($2, $3) ORDER BY created_at DESC, id DESC LIMIT $4
/// ```
struct Page: Sendable {
    /// The query parameters every list takes.
    static let parameters: Set<String> = ["limit", "cursor"]

    let limit: Int
    /// Where the page before ended; after everything for the first page.
    let createdAt: Instant
    let id: UUID

    private let tenant: UUID
    private let query: Cursor.Query
    private let key: SymmetricKey
    private let target: String

    /// - Parameter filters: the names of the parameters that choose rows.
    init(_ call: Call, filters: Set<String> = [], key: SymmetricKey) throws(Problem) {
        guard let tenant = call.credential?.tenant.uuid else { throw Access.unauthenticated }
        let limit = try call.query.value("limit", "an integer of at least 1") { text in
            Int(text).flatMap { $0 >= 1 ? min($0, 200) : nil }
        }
        self.limit = limit ?? 50
        self.tenant = tenant
        self.key = key
        // The tenant is part of it too: a cursor names a position among one tenant's rows.
        let used = call.query.items.filter { filters.contains($0.name) }
        query = Cursor.Query(sort: "-created_at", filters: used + [("path", call.path)])
        target = call.path + "?" + used.map { "\($0.name)=\($0.value.percentEncoded)&" }.joined()
        guard let text = call.query["cursor"] else {
            createdAt = Instant(microseconds: Int64.max / 2)
            id = UUID(bits: .max)
            return
        }
        do throws(CursorError) {
            let cursor = try Cursor.decode(text, tenant: tenant, query: query, key: key)
            createdAt = Instant(microseconds: cursor.microseconds)
            id = cursor.id
        } catch {
            throw Problem(.invalidCursor, "Pass next_cursor as it was given, with the same filters.")
        }
    }

    /// The rows to ask the database for: one more than the page holds tells whether there is a next one.
    var rowLimit: Int { limit + 1 }

    /// `{"data": […], "has_more": …, "next_cursor": …}` with a `Link` to the next page.
    func reply<Element>(
        _ elements: [Element],
        position: (Element) -> (createdAt: Instant, id: UUID),
        _ write: (Element, inout JSONObjectWriter) -> Void
    ) -> Reply {
        let shown = elements.prefix(limit)
        let last = elements.count > limit ? shown.last.map(position) : nil
        let next = last.map {
            Cursor(microseconds: $0.createdAt.microseconds, id: $0.id).encode(tenant: tenant, query: query, key: key)
        }
        var reply = Reply.json { object in
            object.array("data", shown) { writer, element in
                writer.object { write(element, &$0) }
            }
            object.member("has_more", next != nil)
            object.member("next_cursor", next)
        }
        if let next { reply.headers[.link] = "<\(target)limit=\(limit)&cursor=\(next)>; rel=\"next\"" }
        return reply
    }
}

extension String {
    /// With everything but RFC 3986's unreserved characters percent-encoded.
    var percentEncoded: String {
        var text = ""
        for byte in utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "~"):
                text.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                text += "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
            }
        }
        return text
    }
}
