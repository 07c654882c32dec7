@testable import Curl

/// Answers made for tests of what reads them.
enum HTTPAnswer {
    static func response(_ status: Int, headers: [(String, String)] = [], body: String = "") -> HTTPClient.Response {
        HTTPClient.Response(status: status, headers: headers.map { (name: $0.0, value: $0.1) }, body: Array(body.utf8))
    }
}
