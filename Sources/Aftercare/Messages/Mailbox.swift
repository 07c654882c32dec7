import FoundationEssentials

/// An address with the name that is shown for it: `Demo Shop <help@shop.example>`.
struct Mailbox: Hashable, Sendable, CustomStringConvertible {
    let name: String?
    let address: String

    /// Reads both forms, the bare address too. Whether the address is one is for `MailMessage` to say.
    init(_ text: String) {
        if text.hasSuffix(">"), let open = text.lastIndex(of: "<") {
            let name = String(text[..<open].trimmingSpaces)
            self.name = name.isEmpty ? nil : name
            address = String(text[text.index(after: open)...].dropLast())
        } else {
            name = nil
            address = text
        }
    }

    private init(name: String?, address: String) {
        self.name = name
        self.address = address
    }

    /// The same address under another name; of the name stays what can stand before `<`.
    func named(_ name: String) -> Mailbox {
        let name = String(name.singleLine(limit: 100).filter { $0 != "<" && $0 != ">" }.trimmingSpaces)
        return Mailbox(name: name.isEmpty ? nil : name, address: address)
    }

    var description: String { name.map { "\($0) <\(address)>" } ?? address }
}

extension String {
    /// On one line, without control characters and at most `limit` characters long: what others wrote, made fit for a
    /// header, a greeting or a log.
    func singleLine(limit: Int) -> String {
        var text = String.UnicodeScalarView()
        for scalar in unicodeScalars {
            switch scalar.properties.generalCategory {
            // Format characters too: some turn the direction in which everything after them is read.
            case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate: text.append(" ")
            default: text.append(scalar)
            }
        }
        return String(String(text).prefix(limit).trimmingSpaces)
    }
}
