import Time

/// How one statement of a source is told from another, and which of two is the newer: the source's own time, then the
/// hash of what it said. Never the time of arrival: retries come hours late, and in any order.
struct Stamp: Comparable, Sendable {
    /// Nil, and older than all others, where the source gave no time: such a statement only fills gaps.
    let at: Instant?
    /// SHA-256 of what was understood.
    let hash: [UInt8]
    /// When it reached us, if that is known. It tells no two statements apart, and none is newer by it: the same one
    /// that comes again is nothing new.
    var receivedAt: Instant?

    /// The same statement, as it was received then; the first time counts.
    func received(at instant: Instant) -> Stamp {
        Stamp(at: at, hash: hash, receivedAt: receivedAt ?? instant)
    }

    static func < (a: Stamp, b: Stamp) -> Bool {
        switch (a.at, b.at) {
        case (nil, _?): true
        case (_?, nil): false
        case (let x?, let y?) where x != y: x < y
        default: a.hash.lexicographicallyPrecedes(b.hash)
        }
    }
}

extension Stamp: Hashable {
    static func == (a: Stamp, b: Stamp) -> Bool { a.at == b.at && a.hash == b.hash }

    func hash(into hasher: inout Hasher) {
        hasher.combine(at)
        hasher.combine(hash)
    }
}

/// Which statement each field comes from. Almost always all come from the newest, and so only exceptions are kept.
///
/// That a field remembers its own statement is why the order in which statements arrive makes no difference: an older
/// one may still fill what newer ones did not mention, and is itself replaced by a less old one.
struct Provenance<Field: Hashable & CaseIterable & Sendable>: Hashable, Sendable {
    private(set) var newest: Stamp?
    /// Fields that come from another statement than the newest; nil in it: no statement told them yet.
    private(set) var others: [Field: Stamp?] = [:]

    init() {}

    init(newest: Stamp?, others: [Field: Stamp?]) {
        self.newest = newest
        self.others = others
    }

    func stamp(of field: Field) -> Stamp? { others[field] ?? newest }

    /// Takes note of a statement, and gives the fields it has the say in.
    mutating func admit(_ told: Set<Field>, by stamp: Stamp) -> [Field] {
        var stamps: [Field: Stamp?] = [:]
        var admitted: [Field] = []
        for field in Field.allCases {
            let current = self.stamp(of: field)
            let isNews = told.contains(field) && (current.map { $0 < stamp } ?? true)
            if isNews { admitted.append(field) }
            stamps[field] = .some(isNews ? stamp : current)
        }
        let latest = newest.map { $0 < stamp ? stamp : $0 } ?? stamp
        newest = latest
        others = stamps.filter { $0.value != latest }
        return admitted
    }
}
