import FoundationEssentials
import Synchronization

/// How many requests of each tenant this process works on at the moment, at most so many: a tenant whose requests are
/// slow, or many, must not hold every connection to the database.
///
/// A tenant's places are for credentials that have proved to be its own. One that has not been seen before waits with
/// its like at the address it comes from, until its first answer; else anybody could fill a tenant's places with
/// made-up tokens, for which it is enough to know the tenant's id.
final class InFlight: Sendable {
    /// One request's place, to be given back.
    struct Place: Sendable {
        fileprivate let room: Room
    }

    fileprivate enum Room: Hashable, Sendable {
        case tenant(UUID)
        case address(String)
    }

    private struct State {
        var taken: [Room: Int] = [:]
        /// The hashes of credentials that were valid when last used.
        var known: Set<[UInt8]> = []
    }

    /// What `violated_policies` calls it.
    static let policy = "in_flight"
    private static let maximumKnown = 10_000

    private let maximum: Int
    private let state = Mutex(State())

    init(maximum: Int) { self.maximum = maximum }

    /// Nil if all places are taken.
    func enter(_ credential: Credential, from address: @autoclosure () -> String) -> Place? {
        let isKnown = state.withLock { $0.known.contains(credential.hash) }
        // Not while all others wait for the lock: it may be taken out of a header of any length.
        let room: Room = isKnown ? .tenant(credential.tenant.uuid) : .address(address())
        return state.withLock { state in
            guard state.taken[room, default: 0] < maximum else { return nil }
            state.taken[room, default: 0] += 1
            return Place(room: room)
        }
    }

    /// - Parameter isValid: whether the credential was found to be valid; nil if nobody looked.
    func leave(_ place: Place, _ credential: Credential, isValid: Bool?) {
        state.withLock { state in
            let rest = state.taken[place.room, default: 1] - 1
            state.taken[place.room] = rest > 0 ? rest : nil
            switch (isValid, place.room) {
            case (true, .address):
                // They are learned again soon enough.
                if state.known.count >= Self.maximumKnown { state.known.removeAll(keepingCapacity: true) }
                state.known.insert(credential.hash)
            case (false, .tenant): state.known.remove(credential.hash)
            default: break
            }
        }
    }
}
