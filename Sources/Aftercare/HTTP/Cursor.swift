import Crypto
import FoundationEssentials

/// Why a cursor is refused; every case answers 400 `invalid_cursor`.
enum CursorError: Error, Hashable {
    /// Not base64url of the right length.
    case malformed
    /// Made by a version of this program whose cursors this one does not read.
    case unknownVersion
    /// Not signed by us, or for another tenant; the two cannot be told apart.
    case notAuthentic
    /// Made for another sort order or other filters than those of this request.
    case otherQuery
}

/// Where a page of a list ended: the position of its last row.
///
/// As text: base64url without padding of version (1 byte), microseconds (8, big-endian), UUID (16), query hash (8) and
/// HMAC-SHA256 truncated to 16 bytes over the tenant's UUID and all before: 66 characters, opaque to clients.
struct Cursor: Hashable {
    /// The sort column of the row, in microseconds since 1970-01-01T00:00:00Z: PostgreSQL's own precision, so that no
    /// row is skipped or repeated.
    let microseconds: Int64
    /// The id of the row, which decides among equal times.
    let id: UUID

    /// The query a cursor belongs to, as 8 bytes: sort order and filters, in any order.
    struct Query: Hashable {
        fileprivate let hash: [UInt8]

        init(sort: String, filters: [(name: String, value: String)] = []) {
            var hasher = SHA256()
            // Each part comes with its length, so that no two queries give the same bytes.
            func add(_ part: String) {
                withUnsafeBytes(of: UInt64(part.utf8.count).bigEndian) { hasher.update(bufferPointer: $0) }
                hasher.update(data: Array(part.utf8))
            }
            add(sort)
            for filter in filters.sorted(by: { ($0.name, $0.value) < ($1.name, $1.value) }) {
                add(filter.name)
                add(filter.value)
            }
            hash = Array(hasher.finalize().prefix(8))
        }
    }

    private static let version: UInt8 = 1
    private static let signedCount = 1 + 8 + 16 + 8
    private static let macCount = 16

    func encode(tenant: UUID, query: Query, key: SymmetricKey) -> String {
        var bytes = [Cursor.version]
        bytes.reserveCapacity(Cursor.signedCount + Cursor.macCount)
        withUnsafeBytes(of: microseconds.bigEndian) { bytes.append(contentsOf: $0) }
        withUnsafeBytes(of: id.uuid) { bytes.append(contentsOf: $0) }
        bytes.append(contentsOf: query.hash)
        bytes.append(contentsOf: Cursor.mac(bytes, tenant: tenant, key: key))
        return Base64URL.encode(bytes)
    }

    /// Reads a cursor that `encode` gave for the same tenant, query and key.
    static func decode(
        _ text: some StringProtocol,
        tenant: UUID,
        query: Query,
        key: SymmetricKey
    ) throws(CursorError) -> Cursor {
        // The length first: what a client sends may be long.
        guard text.utf8.count == 66, let bytes = Base64URL.decode(text.utf8),
            bytes.count == signedCount + macCount
        else { throw .malformed }
        guard bytes[0] == version else { throw .unknownVersion }
        let signed = Array(bytes[..<signedCount])
        var difference: UInt8 = 0
        for (a, b) in zip(mac(signed, tenant: tenant, key: key), bytes[signedCount...]) { difference |= a ^ b }
        guard difference == 0 else { throw .notAuthentic }
        guard signed[25...].elementsEqual(query.hash) else { throw .otherQuery }
        return signed.withUnsafeBytes { signed in
            Cursor(
                microseconds: Int64(bigEndian: signed.loadUnaligned(fromByteOffset: 1, as: Int64.self)),
                id: UUID(uuid: signed.loadUnaligned(fromByteOffset: 9, as: uuid_t.self))
            )
        }
    }

    private static func mac(_ bytes: [UInt8], tenant: UUID, key: SymmetricKey) -> [UInt8] {
        var hmac = HMAC<SHA256>(key: key)
        // The key may serve other purposes too; this says which one.
        hmac.update(data: Array("aftercare cursor".utf8))
        withUnsafeBytes(of: tenant.uuid) { hmac.update(data: Array($0)) }
        hmac.update(data: bytes)
        return Array(hmac.finalize().prefix(macCount))
    }
}

/// RFC 4648, section 5, without padding; every byte sequence has exactly one text.
enum Base64URL {
    private static let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)
    private static let values: [UInt8] = {
        var values = [UInt8](repeating: 255, count: 256)
        for (value, digit) in digits.enumerated() { values[Int(digit)] = UInt8(value) }
        return values
    }()

    static func encode(_ bytes: some Sequence<UInt8>) -> String {
        var text: [UInt8] = []
        var pending: UInt32 = 0
        var bits: UInt32 = 0
        for byte in bytes {
            pending = pending << 8 | UInt32(byte)
            bits += 8
            while bits >= 6 {
                bits -= 6
                text.append(digits[Int(pending >> bits & 63)])
            }
        }
        if bits > 0 { text.append(digits[Int(pending << (6 - bits) & 63)]) }
        return String(decoding: text, as: UTF8.self)
    }

    /// Nil for other characters, padding, a length no encoding has, or spare bits that are not zero.
    static func decode(_ text: some Sequence<UInt8>) -> [UInt8]? {
        var bytes: [UInt8] = []
        var pending: UInt32 = 0
        var bits: UInt32 = 0
        for byte in text {
            let value = values[Int(byte)]
            guard value != 255 else { return nil }
            pending = pending << 6 | UInt32(value)
            bits += 6
            if bits >= 8 {
                bits -= 8
                bytes.append(UInt8(truncatingIfNeeded: pending >> bits))
            }
        }
        guard bits < 6, pending & (1 << bits - 1) == 0 else { return nil }
        return bytes
    }
}
