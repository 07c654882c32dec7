import HTTPTypes

/// One operation of the API: the table of these is the API (`App/Routes`), and a test compares it with
/// `openapi/openapi.yaml` both ways.
struct Route: Sendable {
    typealias Handler = @Sendable (Call) async throws -> Reply

    /// A path such as `/v1/orders/{order_id}`.
    struct Template: Hashable, Sendable, CustomStringConvertible {
        let description: String
        let segments: [Substring]
        /// What each segment is called that is a parameter.
        private let names: [String?]

        init(_ description: String) {
            self.description = description
            segments = description.split(separator: "/")
            names = segments.map { $0.hasPrefix("{") ? String($0.dropFirst().dropLast()) : nil }
        }

        /// What stands in a path of this form where the template says `{name}`.
        func parameter(_ name: String, of path: [Substring]) -> Substring? {
            names.firstIndex { $0 == name }.map { path[$0] }
        }
    }

    enum Body: Sendable {
        case none
        /// JSON of at most 1 MiB.
        case json
        /// A JSON merge patch (RFC 7396).
        case mergePatch
        /// Bytes as they are, from a program that does not know our rules: what it accepts and adds to the path is
        /// its own affair.
        case raw(maximum: Int)
        /// Lines of JSON, taken as they come (`Call.stream`) and never held as a whole.
        case lines(maximum: Int)

        static let maximumJSON = 1 << 20

        var isStreamed: Bool { if case .lines = self { true } else { false } }

        var isRaw: Bool { if case .raw = self { true } else { false } }

        var maximum: Int {
            switch self {
            case .none: 0
            case .json, .mergePatch: Self.maximumJSON
            case .raw(let maximum), .lines(let maximum): maximum
            }
        }
    }

    /// Who may call. Checked by the handler through `Access`, in the transaction that reads or writes; stated here
    /// for the rate limits and for the tests that try every operation with every scope.
    enum Audience: Hashable, Sendable {
        case anyone
        case holder(of: Scope)
        /// Whoever has any valid credential.
        case holderOfAny
    }

    let method: HTTPRequest.Method
    let template: Template
    let audience: Audience
    let body: Body
    /// The query parameters it takes; any other is refused.
    let query: Set<String>
    let handler: Handler

    init(
        _ method: HTTPRequest.Method,
        _ path: String,
        _ audience: Audience,
        body: Body = .none,
        query: Set<String> = [],
        _ handler: @escaping Handler
    ) {
        self.method = method
        template = Template(path)
        self.audience = audience
        self.body = body
        self.query = query
        self.handler = handler
    }
}
