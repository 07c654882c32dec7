import HTTPTypes

extension HTTPField.Name {
    /// Base64 of HMAC-SHA256 over the body. Other products of AfterShip's have headers of other names, and tell of other
    /// things than parcels on their way.
    static let aftershipSignature = HTTPField.Name("aftership-hmac-sha256") ?? .authorization
}
