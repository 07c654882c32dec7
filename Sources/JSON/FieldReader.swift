/// What a merge patch (RFC 7396) says about one member.
public enum Patch<Value> {
    /// Not mentioned: leave as it is.
    case absent
    /// `null`: clear.
    case null
    case value(Value)

    /// What the field holds after the patch.
    public func applied(to current: Value?) -> Value? {
        switch self {
        case .absent: current
        case .null: nil
        case .value(let value): value
        }
    }
}

extension Patch: Equatable where Value: Equatable {}
extension Patch: Hashable where Value: Hashable {}
extension Patch: Sendable where Value: Sendable {}

/// Reads a request body member by member and reports everything wrong with it at once.
///
///     struct NewOrder {
///         let name: String
///         let note: String?
///         let items: [NewItem]
///
///         init(_ body: inout FieldReader) throws(FieldErrors) {
///             (name, note, items) = try body.finish(
///                 body.required("name", .string(1...200)),
///                 body.optional("note", .string(0...10_000)),
///                 body.required("items", .array(count: 1...100, of: .object(NewItem.init)))
///             )
///         }
///     }
///
///     let order = try FieldReader.read(json, NewOrder.init)
///
/// (A closure in place of the initialiser has to say `(body) throws(FieldErrors) in`; Swift 6.3 does not infer it.)
///
/// Every getter gives an optional that is nil when the field was wrong, and the error has been noted. ``finish(_:)``
/// unwraps them all, or throws all errors; members nobody asked for are errors too. A getter for a field that may be
/// missing gives an optional of an optional, of which `finish` takes the outer layer: nothing can be used before the
/// whole body has been found good, and nothing is unwrapped by force.
///
/// To compare fields, keep the getters' results, look at those that are there, and ``report(_:_:_:)`` what is wrong
/// before `finish`.
public struct FieldReader {
    private let object: JSONObject?
    private let location: FieldLocation
    private var errors = FieldErrors()
    private var asked: [Bool]

    /// A reader of a body; anything but an object is an error at `#`.
    public init(_ json: JSON) { self.init(json, at: .root) }

    init(_ json: JSON, at location: FieldLocation) {
        self.location = location
        object = json.objectValue
        asked = Array(repeating: false, count: object?.count ?? 0)
        if object == nil { report(at: location, .invalidType, "must be an object") }
    }

    /// Reads a whole body, also when `body` forgets to call ``finish(_:)``.
    public static func read<Value>(
        _ json: JSON,
        _ body: (inout FieldReader) throws(FieldErrors) -> Value
    ) throws(FieldErrors) -> Value {
        try read(json, at: .root, body)
    }

    static func read<Value>(
        _ json: JSON,
        at location: FieldLocation,
        _ body: (inout FieldReader) throws(FieldErrors) -> Value
    ) throws(FieldErrors) -> Value {
        var reader = FieldReader(json, at: location)
        let value: Value
        do {
            value = try body(&reader)
        } catch {
            // `finish` leaves the reader empty, so this adds only what a body that threw of its own accord left.
            var all = error
            all.append(contentsOf: reader.takeErrors())
            throw all
        }
        try reader.finish()
        return value
    }

    /// A member that must be there and not `null`.
    public mutating func required<Value>(_ name: String, _ rule: FieldRule<Value>) -> Value? {
        guard object != nil else { return nil }
        switch take(name) {
        case nil:
            report(at: location.member(name), .required, "is required")
            return nil
        case .null?:
            report(at: location.member(name), .required, "must not be null")
            return nil
        case let json?:
            return rule.checked(json, location.member(name), &errors)
        }
    }

    /// A member that may be missing or `null`, which mean the same: `.some(nil)`. The outer nil is an error.
    public mutating func optional<Value>(_ name: String, _ rule: FieldRule<Value>) -> Value?? {
        guard object != nil else { return nil }
        guard let json = take(name), !json.isNull else { return .some(nil) }
        return rule.checked(json, location.member(name), &errors).map(Optional.some)
    }

    /// A member of a merge patch whose field can be cleared.
    public mutating func patch<Value>(_ name: String, _ rule: FieldRule<Value>) -> Patch<Value>? {
        guard object != nil else { return nil }
        guard let json = take(name) else { return .absent }
        if json.isNull { return .null }
        return rule.checked(json, location.member(name), &errors).map(Patch.value)
    }

    /// A member of a merge patch whose field always has a value: `.some(nil)` when absent, an error when `null`.
    public mutating func change<Value>(_ name: String, _ rule: FieldRule<Value>) -> Value?? {
        guard object != nil else { return nil }
        if position(name) == nil { return .some(nil) }
        return required(name, rule).map(Optional.some)
    }

    /// Adds an error about a member, for rules that concern several.
    public mutating func report(_ name: String, _ code: FieldError.Code, _ detail: String) {
        report(at: location.member(name), code, detail)
    }

    /// Adds an error about something within a member, for rules that concern several: `["items", "0", "quantity"]`.
    public mutating func report(at path: [String], _ code: FieldError.Code, _ detail: String) {
        report(at: path.reduce(location) { $0.member($1) }, code, detail)
    }

    /// Unwraps what the getters gave, or throws all errors found, with those for unknown members.
    ///
    /// The arguments are read before the errors are looked at, so the getters can be called in the argument list. A
    /// nil that no getter gave counts as an error at the object itself.
    public mutating func finish<each Value>(
        _ values: repeat (each Value)?
    ) throws(FieldErrors) -> (repeat each Value) {
        try close()
        let incomplete = FieldErrors([
            FieldError(pointer: location.pointer, code: .required, detail: "is incomplete")
        ])
        func unwrap<Wrapped>(_ value: Wrapped?) throws(FieldErrors) -> Wrapped {
            guard let value else { throw incomplete }
            return value
        }
        return (repeat try unwrap(each values))
    }

    /// Throws all errors found so far, with those for members nobody asked for; can be called again.
    private mutating func close() throws(FieldErrors) {
        for (at, member) in (object ?? JSONObject()).enumerated() where !asked[at] {
            asked[at] = true
            report(at: location.member(member.name), .unknownMember, "is not a member of this object")
        }
        let found = takeErrors()
        if !found.isEmpty { throw found }
    }

    private mutating func takeErrors() -> FieldErrors {
        defer { errors = FieldErrors() }
        return errors
    }

    private func position(_ name: String) -> Int? { object?.position(of: name) }

    private mutating func take(_ name: String) -> JSON? {
        guard let at = position(name) else { return nil }
        asked[at] = true
        return object?[at].value
    }

    private mutating func report(at location: FieldLocation, _ code: FieldError.Code, _ detail: String) {
        errors.append(FieldError(pointer: location.pointer, code: code, detail: detail))
    }
}
