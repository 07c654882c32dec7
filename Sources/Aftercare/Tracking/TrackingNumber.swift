/// A parcel's number as a key: shops, carriers and people write one number in several ways.
///
/// Upper case, without spaces and dashes. Nil for what cannot be a number: nothing at all, more than a hundred
/// characters, or anything beyond ASCII.
struct TrackingNumber: Hashable, Comparable, Sendable {
    let key: String

    init?(_ text: String) {
        let bare = text.unicodeScalars.filter { !$0.properties.isWhitespace && !$0.properties.isDash }
        guard (1...100).contains(bare.count), bare.allSatisfy({ (0x21...0x7E).contains($0.value) }) else { return nil }
        key = String(String.UnicodeScalarView(bare)).uppercased()
    }

    static func < (a: TrackingNumber, b: TrackingNumber) -> Bool { a.key < b.key }
}
