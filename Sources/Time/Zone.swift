// The one file of the project that asks Foundation about time zones. The full Foundation, because FoundationEssentials
// knows no named zone on Linux.
import Foundation

/// A time zone of the IANA database, checked when it is made.
///
/// Of the zone data only the offset at an instant is used; `Calendar` and `DateComponents` follow rules of their own
/// for gaps and folds, `Zone+Resolution.swift` follows ours.
public struct Zone: Hashable, Sendable {
    /// As given, such as `Europe/Berlin`. An alias stays an alias: `Asia/Calcutta` differs from `Asia/Kolkata`.
    public let identifier: String

    private let data: TimeZone

    public static let utc = Zone(identifier: "UTC", data: .gmt)

    /// Accepts `UTC` and every zone the data knows by a name of the form Area/Location, in its exact spelling:
    /// `America/New_York`, `America/Indiana/Knox`, `US/Eastern`, `Etc/GMT+2`.
    ///
    /// Nil for offsets (`+02:00`, `GMT+2`) and for names without an area (`EST`, `CET`, `PST8PDT`, `Japan`): most are
    /// abbreviations, which say neither where nor whether the clock is changed in summer. Also nil for `SystemV/...`,
    /// which ICU still knows and the IANA database does not.
    public init?(_ identifier: String) {
        if identifier == "UTC" {
            self = .utc
            return
        }
        // Foundation keeps the zones it has made, so there is no need for a cache here. A name it had to normalise
        // is not one of the database.
        guard Self.isAreaAndLocation(identifier), let data = TimeZone(identifier: identifier),
            data.identifier == identifier
        else { return nil }
        self.init(identifier: identifier, data: data)
    }

    /// Looks at every byte, because ICU reads `Europe/Berlin` and a NUL as Berlin now and then.
    private static func isAreaAndLocation(_ identifier: String) -> Bool {
        var hasSlash = false
        for byte in identifier.utf8 {
            switch byte {
            case UInt8(ascii: "/"): hasSlash = true
            case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"): break
            case UInt8(ascii: "0")...UInt8(ascii: "9"): break
            case UInt8(ascii: "_"), UInt8(ascii: "-"), UInt8(ascii: "+"): break
            default: return false
            }
        }
        return hasSlash && !identifier.hasPrefix("SystemV/")
    }

    private init(identifier: String, data: TimeZone) {
        self.identifier = identifier
        self.data = data
    }

    /// The version of the zone data in use, such as `2025b`, or `unknown`.
    ///
    /// On Linux it is the data compiled into Swift's own ICU (`lib_FoundationICU`), not `/usr/share/zoneinfo`: it
    /// changes with the Swift toolchain the program was built with, not with Debian's `tzdata`.
    public static let dataVersion: String = {
        let version = TimeZone.timeZoneDataVersion
        return version.isEmpty ? "unknown" : version
    }()

    /// Seconds to add to UTC to get local time, at an instant in seconds since 1970.
    func offset(at seconds: Int64) -> Int64 {
        Int64(data.secondsFromGMT(for: Date(timeIntervalSince1970: Double(seconds))))
    }

    public static func == (a: Zone, b: Zone) -> Bool { a.identifier == b.identifier }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(identifier)
    }
}

extension Zone: CustomStringConvertible {
    public var description: String { identifier }
}

/// Encoded as its identifier.
extension Zone: Codable {
    public init(from decoder: any Decoder) throws {
        self = try decoder.text("an IANA time zone such as Europe/Berlin") { Zone($0) }
    }

    public func encode(to encoder: any Encoder) throws {
        try encoder.encode(text: identifier)
    }
}
