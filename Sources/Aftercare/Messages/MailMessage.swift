import FoundationEssentials
import Time

/// A mail as it goes over the wire (RFC 5322), the same bytes at every attempt.
struct MailMessage: Sendable {
    enum Invalid: String, Error, Hashable {
        case sender = "sender_address_invalid"
        case recipient = "recipient_address_invalid"
        /// What was to be sent has been deleted, for privacy.
        case deleted = "request_deleted"
    }

    let id: MessageID
    let from: Mailbox
    let to: String
    let bytes: [UInt8]

    /// Addresses are the only text that gets into the header as it is, so they are looked at again; everything else is
    /// encoded, and has no way to begin a new line.
    init(_ id: MessageID, _ request: Message.Request, date: Instant) throws(Invalid) {
        let from = Mailbox(request.sender)
        guard let domain = Self.domain(of: from.address) else { throw .sender }
        guard Self.domain(of: request.recipient) != nil else { throw .recipient }
        self.id = id
        self.from = from
        to = request.recipient
        let header = [
            "Date: \(date.internetMessageDate) +0000",
            "From: \(Self.mailbox(from))",
            "To: <\(request.recipient)>",
            "Subject: \(Self.unstructured(request.subject))",
            // Stable, so that a mail that came twice all the same is shown once by many mailboxes.
            "Message-ID: <\(id)@\(domain)>",
            "X-Aftercare-Message: \(id)",
            "Auto-Submitted: auto-generated",
            "MIME-Version: 1.0",
            "Content-Type: text/plain; charset=utf-8",
            "Content-Transfer-Encoding: quoted-printable",
        ]
        bytes = Array((header.joined(separator: "\r\n") + "\r\n\r\n").utf8) + QuotedPrintable.encode(request.body)
    }

    /// The part after the `@` of an address that can stand in a header: valid, and ASCII, because not every server on
    /// the way takes more (RFC 6531).
    private static func domain(of address: String) -> Substring? {
        guard MailAddress.isValid(address), address.utf8.count <= 254, address.utf8.allSatisfy({ $0 < 0x7F }),
            let at = address.lastIndex(of: "@"), !address[..<at].contains("@")
        else { return nil }
        return address[address.index(after: at)...]
    }

    // MARK: Header fields

    private static func mailbox(_ mailbox: Mailbox) -> String {
        guard let name = mailbox.name?.singleLine(limit: 100), !name.isEmpty else { return "<\(mailbox.address)>" }
        if isPlain(name) {
            let quoted = name.map { $0 == "\"" || $0 == "\\" ? "\\\($0)" : "\($0)" }.joined()
            return "\"\(quoted)\" <\(mailbox.address)>"
        }
        return "\(encodedWords(name))\r\n <\(mailbox.address)>"
    }

    private static func unstructured(_ text: String) -> String {
        let text = text.singleLine(limit: 400)
        return isPlain(text) ? text : encodedWords(text)
    }

    /// Short printable ASCII that nobody could take for an encoded word.
    private static func isPlain(_ text: String) -> Bool {
        text.utf8.count <= 60 && text.utf8.allSatisfy { (0x20...0x7E).contains($0) } && !text.contains("=?")
    }

    /// RFC 2047, in base64, one word a line. A word is at most 64 characters, so that a line stays within 76, and
    /// ends between characters.
    private static func encodedWords(_ text: String) -> String {
        let bytesInWord = 39
        var words: [String] = []
        var word: [UInt8] = []
        for scalar in text.unicodeScalars {
            let bytes = Array(String(scalar).utf8)
            if word.count + bytes.count > bytesInWord {
                words.append(encodedWord(word))
                word.removeAll()
            }
            word += bytes
        }
        words.append(encodedWord(word))
        return words.joined(separator: "\r\n ")
    }

    private static func encodedWord(_ bytes: [UInt8]) -> String { "=?utf-8?B?\(Data(bytes).base64EncodedString())?=" }
}

/// RFC 2045, 6.7, for text: lines of at most 76 characters that end with CR LF.
enum QuotedPrintable {
    static func encode(_ text: String) -> [UInt8] {
        var bytes: [UInt8] = []
        // As scalars, because CR LF is one character.
        var line: [UInt8] = []
        var previous: Unicode.Scalar?
        for scalar in text.unicodeScalars {
            if scalar == "\n" || scalar == "\r" {
                // CR LF is one line break, and so is each of them alone.
                if !(scalar == "\n" && previous == "\r") { write(&line, to: &bytes) }
            } else {
                line += Array(String(scalar).utf8)
            }
            previous = scalar
        }
        if !line.isEmpty { write(&line, to: &bytes) }
        return bytes
    }

    private static func write(_ line: inout [UInt8], to bytes: inout [UInt8]) {
        var column = 0
        for (index, byte) in line.enumerated() {
            let isLast = index == line.count - 1
            let code = isLiteral(byte, atStart: column == 0, atEnd: isLast) ? [byte] : escape(byte)
            // Room for the `=` of a soft line break.
            if column + code.count > 75 {
                bytes += [0x3D, 0x0D, 0x0A]
                column = 0
            }
            bytes += column == 0 && !isLiteral(byte, atStart: true, atEnd: isLast) ? escape(byte) : code
            column += code.count
        }
        bytes += [0x0D, 0x0A]
        line.removeAll()
    }

    /// White space at a line's end is lost on the way. A dot or an F at its beginning is changed on the way by some:
    /// they take it for the end of the mail, or for the beginning of the next one in a mailbox file.
    private static func isLiteral(_ byte: UInt8, atStart: Bool, atEnd: Bool) -> Bool {
        switch byte {
        case UInt8(ascii: "="): false
        case UInt8(ascii: " "), UInt8(ascii: "\t"): !atEnd
        case UInt8(ascii: "."), UInt8(ascii: "F"): !atStart
        default: (0x21...0x7E).contains(byte)
        }
    }

    private static func escape(_ byte: UInt8) -> [UInt8] {
        let digits = Array("0123456789ABCDEF".utf8)
        return [0x3D, digits[Int(byte >> 4)], digits[Int(byte & 15)]]
    }
}
