import HTTPTypes

/// Finds the route that takes a request: the templates of all routes as a tree, so that a path is gone through once,
/// however many routes there are.
///
/// Not Hummingbird's router: it compares a path's part with one sibling after the other, which was a twelfth of what a
/// request costs, and does not say which methods a path has.
struct RouteTable: Sendable {
    enum Match {
        /// The route, and the parts of the path, of which its template names some.
        case route(Route, path: [Substring])
        /// The path has only these methods, in the order of the alphabet.
        case otherMethods([String])
        case nothing
    }

    /// A place in the tree: what paths that lead here may go on with, and the routes of those that end here.
    private struct Node {
        var literals: [Substring: Int] = [:]
        var parameter: Int?
        var routes: [Route] = []
    }

    private var nodes = [Node()]

    init(_ routes: [Route]) {
        for route in routes {
            var place = 0
            for segment in route.template.segments { place = next(after: place, for: segment) }
            nodes[place].routes.append(route)
        }
    }

    private mutating func next(after place: Int, for segment: Substring) -> Int {
        let isParameter = segment.hasPrefix("{")
        if let known = isParameter ? nodes[place].parameter : nodes[place].literals[segment] { return known }
        nodes.append(Node())
        if isParameter {
            nodes[place].parameter = nodes.count - 1
        } else {
            nodes[place].literals[segment] = nodes.count - 1
        }
        return nodes.count - 1
    }

    /// Empty parts of the path, such as one after a slash at its end, count as not there. HEAD is for whatever GET is.
    func find(_ method: HTTPRequest.Method, _ path: String) -> Match {
        let path = Self.segments(of: path)
        let method = method == .head ? .get : method
        var others: Set<String> = []
        if let route = route(method, path[...], from: 0, &others) { return .route(route, path: path) }
        if others.contains(HTTPRequest.Method.get.rawValue) { others.insert(HTTPRequest.Method.head.rawValue) }
        return others.isEmpty ? .nothing : .otherMethods(others.sorted())
    }

    /// By hand, for every request's sake: `split` makes its array larger piece by piece.
    private static func segments(of path: String) -> [Substring] {
        var segments: [Substring] = []
        segments.reserveCapacity(8)
        var start = path.startIndex
        while start < path.endIndex {
            let end = path.utf8[start...].firstIndex(of: UInt8(ascii: "/")) ?? path.endIndex
            if start < end { segments.append(path[start..<end]) }
            guard end < path.endIndex else { break }
            start = path.utf8.index(after: end)
        }
        return segments
    }

    /// What a template says literally goes before a parameter; a path that leads nowhere so is tried as the other.
    private func route(
        _ method: HTTPRequest.Method,
        _ path: ArraySlice<Substring>,
        from place: Int,
        _ others: inout Set<String>
    ) -> Route? {
        let node = nodes[place]
        guard let segment = path.first else {
            if let route = node.routes.first(where: { $0.method == method }) { return route }
            others.formUnion(node.routes.lazy.map(\.method.rawValue))
            return nil
        }
        let rest = path.dropFirst()
        if let next = node.literals[segment], let route = route(method, rest, from: next, &others) { return route }
        if let next = node.parameter { return route(method, rest, from: next, &others) }
        return nil
    }
}
