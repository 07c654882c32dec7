import FoundationEssentials

/// What an ``ID`` identifies. `prefix` is 1 to 63 of `a-z` and `_`, neither first nor last an underscore.
protocol IDKind {
    static var prefix: String { get }
}

/// The id of one kind of thing: a UUID in the database, a TypeID (spec v0.3) such as
/// `ord_01h455vb4pex5vsknk084sn02q` everywhere else.
struct ID<Kind: IDKind>: Hashable, Sendable {
    let uuid: UUID

    init(_ uuid: UUID) { self.uuid = uuid }

    /// A fresh id; ids made later in this process sort after it.
    static func new() -> Self { Self(.v7()) }

    /// Nil unless the text is this kind's prefix, `_` and 26 lower-case base32 digits that fit 128 bits.
    init?(_ string: some StringProtocol) {
        self.init(String(string))
    }

    /// From the 26 digits alone.
    init?(digits: some Collection<UInt8>) {
        guard let uuid = TypeIDText.decode(digits) else { return nil }
        self.uuid = uuid
    }
}

extension ID: LosslessStringConvertible {
    var description: String { TypeIDText.encode(uuid, prefix: Kind.prefix) }

    init?(_ description: String) {
        var text = description
        guard let uuid = text.withUTF8({ TypeIDText.decode($0, prefix: Kind.prefix) }) else { return nil }
        self.uuid = uuid
    }
}

extension ID: Comparable {
    /// As PostgreSQL orders `uuid`, and as the texts sort.
    static func < (a: Self, b: Self) -> Bool { a.uuid.bits < b.uuid.bits }
}

/// The text form: Crockford's base32 in lower case, 130 bits of digits for 128 of value.
private enum TypeIDText {
    static let digitCount = 26
    static let digits = Array("0123456789abcdefghjkmnpqrstvwxyz".utf8)
    /// The value of each byte as a digit; 255 for none. Upper case and the look-alikes `i l o u` are none.
    static let values: [UInt8] = {
        var values = [UInt8](repeating: 255, count: 256)
        for (value, digit) in digits.enumerated() { values[Int(digit)] = UInt8(value) }
        return values
    }()

    static func encode(_ uuid: UUID, prefix: String) -> String {
        let bits = uuid.bits
        let length = prefix.utf8.count
        let total = length + 1 + digitCount
        return String(unsafeUninitializedCapacity: total) { text in
            _ = text.initialize(fromContentsOf: prefix.utf8)
            text.initializeElement(at: length, to: 0x5F)
            for place in 0..<digitCount {
                let digit = Int(truncatingIfNeeded: bits >> UInt128(5 * (digitCount - 1 - place))) & 31
                text.initializeElement(at: length + 1 + place, to: digits[digit])
            }
            return total
        }
    }

    static func decode(_ text: UnsafeBufferPointer<UInt8>, prefix: String) -> UUID? {
        let length = prefix.utf8.count
        guard text.count == length + 1 + digitCount, text[length] == 0x5F, text.starts(with: prefix.utf8) else {
            return nil
        }
        return decode(text[(length + 1)...])
    }

    static func decode(_ text: some Collection<UInt8>) -> UUID? {
        guard let first = text.first, values[Int(first)] < 8 else { return nil }
        var bits: UInt128 = 0
        var count = 0
        for byte in text {
            let value = values[Int(byte)]
            guard value != 255, count < digitCount else { return nil }
            bits = bits << 5 | UInt128(value)
            count += 1
        }
        return count == digitCount ? UUID(bits: bits) : nil
    }
}

extension UUID {
    /// The 128 bits, the first byte the most significant.
    var bits: UInt128 {
        withUnsafeBytes(of: uuid) { UInt128(bigEndian: $0.loadUnaligned(as: UInt128.self)) }
    }

    init(bits: UInt128) {
        self = withUnsafeBytes(of: bits.bigEndian) { UUID(uuid: $0.loadUnaligned(as: uuid_t.self)) }
    }
}

enum TenantKind: IDKind { static let prefix = "tnt" }
enum StoreKind: IDKind { static let prefix = "sto" }
enum UserKind: IDKind { static let prefix = "usr" }
enum APIKeyKind: IDKind { static let prefix = "key" }
enum SessionKind: IDKind { static let prefix = "ses" }
enum ConnectionKind: IDKind { static let prefix = "con" }
enum OrderKind: IDKind { static let prefix = "ord" }
enum CustomerKind: IDKind { static let prefix = "cus" }
enum WorkflowKind: IDKind { static let prefix = "wfl" }
enum RunKind: IDKind { static let prefix = "run" }
enum MessageKind: IDKind { static let prefix = "msg" }
enum TicketKind: IDKind { static let prefix = "tkt" }
enum InboundEventKind: IDKind { static let prefix = "evt" }
enum ShipmentKind: IDKind { static let prefix = "shp" }
enum JobKind: IDKind { static let prefix = "job" }
enum OperationKind: IDKind { static let prefix = "opn" }
enum PolicyKind: IDKind { static let prefix = "pol" }
enum ScheduleKind: IDKind { static let prefix = "sch" }

typealias TenantID = ID<TenantKind>
typealias StoreID = ID<StoreKind>
typealias UserID = ID<UserKind>
typealias APIKeyID = ID<APIKeyKind>
typealias SessionID = ID<SessionKind>
typealias ConnectionID = ID<ConnectionKind>
typealias OrderID = ID<OrderKind>
typealias CustomerID = ID<CustomerKind>
typealias WorkflowID = ID<WorkflowKind>
typealias RunID = ID<RunKind>
typealias MessageID = ID<MessageKind>
typealias TicketID = ID<TicketKind>
typealias InboundEventID = ID<InboundEventKind>
typealias ShipmentID = ID<ShipmentKind>
typealias JobID = ID<JobKind>
typealias OperationID = ID<OperationKind>
typealias ScheduleID = ID<ScheduleKind>
