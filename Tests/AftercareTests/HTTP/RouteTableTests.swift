import HTTPTypes
import Testing

@testable import Aftercare

@Suite struct `The table of routes` {
    private let table = RouteTable(
        [
            Route(.get, "/v1/orders", .holderOfAny) { _ in .noContent },
            Route(.post, "/v1/orders", .holderOfAny) { _ in .noContent },
            Route(.get, "/v1/orders/{order_id}", .holderOfAny) { _ in .noContent },
            Route(.delete, "/v1/orders/{order_id}", .holderOfAny) { _ in .noContent },
            Route(.post, "/v1/orders/search", .holderOfAny) { _ in .noContent },
            Route(.get, "/v1/orders/{order_id}/lines/{line}", .holderOfAny) { _ in .noContent },
            Route(.get, "/v1/orders/search/next", .holderOfAny) { _ in .noContent },
        ]
    )

    /// The template of the route that takes the request, with its parameters; the methods of the path; or nothing.
    private func found(_ method: HTTPRequest.Method, _ path: String) -> String {
        switch table.find(method, path) {
        case .route(let route, let path):
            let parameters = ["order_id", "line"].compactMap { route.template.parameter($0, of: path) }
            return ([route.template.description] + parameters.map(String.init)).joined(separator: " ")
        case .otherMethods(let methods): return methods.joined(separator: ", ")
        case .nothing: return "nothing"
        }
    }

    @Test(arguments: [
        ("/v1/orders", "/v1/orders"),
        ("/v1/orders/7", "/v1/orders/{order_id} 7"),
        ("/v1/orders/7/lines/a%2Fb", "/v1/orders/{order_id}/lines/{line} 7 a%2Fb"),
        ("//v1/orders//7/", "/v1/orders/{order_id} 7"),
    ])
    func `finds a path's route and what its parameters are`(path: String, expected: String) {
        #expect(found(.get, path) == expected)
    }

    @Test(arguments: [
        "", "/", "/v1", "/v1/order", "/v1/ordersx", "/V1/orders", "/v1/orders/7/lines", "/v1/orders/7/lines/1/x",
    ])
    func `finds nothing for other paths`(path: String) {
        #expect(found(.get, path) == "nothing")
    }

    @Test func `what is written out goes before a parameter, unless it leads nowhere`() {
        #expect(found(.post, "/v1/orders/search") == "/v1/orders/search")
        #expect(found(.get, "/v1/orders/search") == "/v1/orders/{order_id} search")
        #expect(found(.get, "/v1/orders/search/next") == "/v1/orders/search/next")
        #expect(found(.get, "/v1/orders/search/lines/1") == "/v1/orders/{order_id}/lines/{line} search 1")
    }

    @Test func `a path with other methods has those of all its routes`() {
        #expect(found(.put, "/v1/orders") == "GET, HEAD, POST")
        #expect(found(.put, "/v1/orders/7") == "DELETE, GET, HEAD")
        #expect(found(.put, "/v1/orders/search") == "DELETE, GET, HEAD, POST")
    }

    @Test func `HEAD is for whatever GET is, and for nothing else`() {
        #expect(found(.head, "/v1/orders/7") == "/v1/orders/{order_id} 7")
        let table = RouteTable([Route(.post, "/v1/sessions", .anyone) { _ in .noContent }])
        guard case .otherMethods(["POST"]) = table.find(.head, "/v1/sessions") else {
            Issue.record("a path without GET has no HEAD")
            return
        }
    }
}
