/// The members of a JSON object, in their order, each name once.
///
/// Names are compared byte by byte, so two spellings of `é` are two names, as they are to every other JSON reader.
/// Up to eight members are searched one after the other; larger objects keep a dictionary beside them, whose hashing
/// is seeded, so a sender cannot make look-ups slow by choice of names.
public struct JSONObject: Sendable {
    public struct Member: Hashable, Sendable {
        public let name: String
        public var value: JSON

        public init(name: String, value: JSON) {
            self.name = name
            self.value = value
        }
    }

    private(set) var members: [Member] = []
    private var index: [Name: Int]?

    static let linearLimit = 8

    public init() {}

    public mutating func reserveCapacity(_ count: Int) { members.reserveCapacity(count) }

    public var names: some Sequence<String> { members.lazy.map(\.name) }

    /// Reads, replaces in place, appends, or (with nil) removes a member. Removal takes time linear in the members.
    public subscript(name: String) -> JSON? {
        get { position(of: name).map { members[$0].value } }
        set {
            switch (position(of: name), newValue) {
            case (let at?, let value?): members[at].value = value
            case (let at?, nil): remove(at: at)
            case (nil, let value?): append(name, value)
            case (nil, nil): break
            }
        }
    }

    /// Where the member with this name stands, for callers that keep a note per member.
    public func position(of name: String) -> Int? {
        if let index { return index[Name(text: name)] }
        return members.firstIndex { sameBytes($0.name, name) }
    }

    /// Adds a member whose name is known to be new.
    private mutating func append(_ name: String, _ value: JSON) {
        members.append(Member(name: name, value: value))
        if index != nil {
            index?[Name(text: name)] = members.count - 1
        } else if members.count > JSONObject.linearLimit {
            reindex()
        }
    }

    /// Adds a member, or gives the position of the one that has this name already.
    mutating func appendIfNew(_ name: String, _ value: JSON) -> Int? {
        if let at = position(of: name) { return at }
        append(name, value)
        return nil
    }

    mutating func replaceValue(at position: Int, with value: JSON) { members[position].value = value }

    private mutating func remove(at position: Int) {
        members.remove(at: position)
        index = nil
        if members.count > JSONObject.linearLimit { reindex() }
    }

    private mutating func reindex() {
        var fresh = [Name: Int](minimumCapacity: members.count * 2)
        for (at, member) in members.enumerated() { fresh[Name(text: member.name)] = at }
        index = fresh
    }
}

extension JSONObject: RandomAccessCollection {
    public var startIndex: Int { 0 }
    public var endIndex: Int { members.count }
    public subscript(position: Int) -> Member { members[position] }
}

extension JSONObject: Hashable {
    /// Order does not matter: RFC 8259 calls an object an unordered collection.
    public static func == (a: JSONObject, b: JSONObject) -> Bool {
        a.count == b.count && a.members.allSatisfy { b[$0.name] == $0.value }
    }

    public func hash(into hasher: inout Hasher) {
        var sum = 0
        for member in members { sum ^= member.hashValue }
        hasher.combine(sum)
    }
}

extension JSONObject: ExpressibleByDictionaryLiteral {
    public init(dictionaryLiteral elements: (String, JSON)...) {
        for (name, value) in elements { self[name] = value }
    }
}

/// A member name hashed and compared by its UTF-8 bytes; `String` itself would fold canonically equivalent spellings.
private struct Name: Hashable {
    let text: String

    static func == (a: Name, b: Name) -> Bool { sameBytes(a.text, b.text) }

    func hash(into hasher: inout Hasher) {
        let hashed: Void? = text.utf8.withContiguousStorageIfAvailable {
            hasher.combine(bytes: UnsafeRawBufferPointer($0))
        }
        if hashed == nil {
            for byte in text.utf8 { hasher.combine(byte) }
        }
    }
}

/// Equality as JSON has it; that of `String` takes canonically equivalent texts for the same.
func sameBytes(_ a: String, _ b: String) -> Bool {
    a.utf8.count == b.utf8.count && a.utf8.elementsEqual(b.utf8)
}
