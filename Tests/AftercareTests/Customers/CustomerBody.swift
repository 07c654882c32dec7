import JSON
import Postgres
import Time

@testable import Aftercare

/// Bodies of Shopify's customer topics, in the shapes they come in.
enum CustomerBody {
    static func customer(_ id: Int, email: String, minute: Int = 0, name: String = "Ada") -> [UInt8] {
        Array(
            """
            {"id":\(id),"email":"\(email)","first_name":"\(name)","last_name":"Example","locale":"de",
             "updated_at":"2026-05-04T10:0\(minute):00Z",
             "email_marketing_consent":{"state":"not_subscribed","opt_in_level":"single_opt_in",
              "consent_updated_at":"2026-05-01T00:00:00Z"}}
            """.utf8
        )
    }

    static func consent(_ id: Int, _ state: String) -> [UInt8] {
        Array(
            """
            {"customer_id":\(id),"email_address":"ada@example.com",
             "email_marketing_consent":{"state":"\(state)","opt_in_level":"single_opt_in",
              "consent_updated_at":"2026-05-04T12:00:00Z"}}
            """.utf8
        )
    }

    static func deletion(_ id: Int) -> [UInt8] { Array(#"{"id":\#(id),"phone":null,"addresses":[]}"#.utf8) }

    static func merger(_ merged: Int, into kept: Int, _ status: String = "completed") -> [UInt8] {
        Array(
            """
            {"admin_graphql_api_customer_kept_id":"gid://shopify/Customer/\(kept)",
             "admin_graphql_api_customer_deleted_id":"gid://shopify/Customer/\(merged)",
             "admin_graphql_api_job_id":null,"status":"\(status)","errors":[]}
            """.utf8
        )
    }

    /// An order of an account, or of a guest.
    static func order(_ id: Int, customer: Int?, email: String) -> [UInt8] {
        let account = customer.map { #"{"id":\#($0),"first_name":"Ada"}"# } ?? "null"
        return Array(
            """
            {"id":\(id),"name":"#\(id)","email":"\(email)","customer":\(account),"financial_status":"paid",
             "line_items":[],"updated_at":"2026-05-04T10:00:00Z"}
            """.utf8
        )
    }
}

extension TestTenant {
    func customers(_ email: String) async throws -> [JSON] { try await list("/v1/customers?email=\(email)") }

    /// The external ids of a customer's orders, sorted.
    func orders(of customer: JSON?) async throws -> [String] {
        let id = customer?["id"]?.stringValue ?? ""
        return try await list("/v1/orders?customer_id=\(id)").compactMap { $0["external_id"]?.stringValue }.sorted()
    }
}
