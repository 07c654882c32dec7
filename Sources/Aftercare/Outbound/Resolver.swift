import Dispatch
import Glibc
import Synchronization

/// Asks the system for the addresses of a name, on threads of its own: the system's call blocks for as long as it
/// likes.
final class Resolver: Sendable {
    typealias LookUp = @Sendable (String) -> [IPAddress]

    private let lookUp: LookUp
    private let queues: [DispatchQueue]
    private let waiting = Atomic<Int>(0)
    private let next = Atomic<Int>(0)
    private static let maximumWaiting = 256

    /// - Parameter lookUp: may block.
    init(_ lookUp: @escaping LookUp = Resolver.system) {
        self.lookUp = lookUp
        queues = (0..<8).map { DispatchQueue(label: "resolver \($0)") }
    }

    /// Nil where the answer did not come in time, or too many wait already.
    func addresses(of host: String, within limit: Duration) async -> [IPAddress]? {
        if let address = IPAddress(host) { return [address] }
        guard waiting.wrappingAdd(1, ordering: .relaxed).newValue <= Self.maximumWaiting else {
            waiting.wrappingSubtract(1, ordering: .relaxed)
            return nil
        }
        let queue = queues[next.wrappingAdd(1, ordering: .relaxed).newValue % queues.count]
        return await withCheckedContinuation { continuation in
            let answer = Answer(continuation)
            queue.async { [self] in
                answer.give(lookUp(host))
                waiting.wrappingSubtract(1, ordering: .relaxed)
            }
            let (seconds, attoseconds) = limit.components
            let nanoseconds = Int(seconds) * 1_000_000_000 + Int(attoseconds / 1_000_000_000)
            DispatchQueue.global().asyncAfter(deadline: .now() + .nanoseconds(nanoseconds)) { answer.give(nil) }
        }
    }

    /// Whoever is first resumes the caller.
    private final class Answer: Sendable {
        private let continuation: Mutex<CheckedContinuation<[IPAddress]?, Never>?>

        init(_ continuation: CheckedContinuation<[IPAddress]?, Never>) { self.continuation = Mutex(continuation) }

        func give(_ addresses: [IPAddress]?) {
            let waiting = continuation.withLock { continuation in
                defer { continuation = nil }
                return continuation
            }
            waiting?.resume(returning: addresses)
        }
    }

    /// `getaddrinfo`, in the order in which they should be tried; none for a name that has none.
    static let system: LookUp = { host in
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(host, nil, &hints, &list) == 0 else { return [] }
        defer { freeaddrinfo(list) }
        var addresses: [IPAddress] = []
        var entry = list
        while let info = entry?.pointee {
            if let address = info.ai_addr, let found = read(address, info.ai_family) { addresses.append(found) }
            entry = info.ai_next
        }
        return addresses
    }

    private static func read(_ address: UnsafeMutablePointer<sockaddr>, _ family: Int32) -> IPAddress? {
        switch family {
        case AF_INET:
            let address = UnsafeRawPointer(address).loadUnaligned(as: sockaddr_in.self)
            return withUnsafeBytes(of: address.sin_addr) { IPAddress(bytes: Array($0)) }
        case AF_INET6:
            let address = UnsafeRawPointer(address).loadUnaligned(as: sockaddr_in6.self)
            return withUnsafeBytes(of: address.sin6_addr) { IPAddress(bytes: Array($0)) }
        default:
            return nil
        }
    }
}
