import Foundation
import JSON
import Support
import Testing
import Time

@testable import Aftercare

@Suite struct `Mail on the wire` {
    private let id = MessageID(UUID(bits: 1))

    private func mail(
        sender: String = "Demo Shop <help@shop.example>",
        recipient: String = "ada@example.com",
        subject: String = "Hello",
        body: String = "Hi"
    ) throws -> MailMessage {
        let request = Message.Request(sender: sender, recipient: recipient, subject: subject, body: body)
        return try MailMessage(id, request, date: .at("2026-11-23T09:05:07.5Z"))
    }

    /// Header fields, unfolded, and body.
    private func parts(_ mail: MailMessage) throws -> (header: [String], body: String) {
        let text = String(decoding: mail.bytes, as: UTF8.self)
        let end = try #require(text.firstRange(of: "\r\n\r\n"))
        var header: [String] = []
        for line in text[..<end.lowerBound].split(separator: "\r\n") {
            if line.hasPrefix(" ") { header[header.count - 1] += line } else { header.append(String(line)) }
        }
        return (header, String(text[end.upperBound...]))
    }

    private func value(_ name: String, _ mail: MailMessage) throws -> String {
        let fields = try parts(mail).header.filter { $0.hasPrefix("\(name): ") }
        #expect(fields.count == 1)
        return String(try #require(fields.first).dropFirst(name.count + 2))
    }

    /// RFC 2047, as far as this program writes it.
    private func decoded(_ field: String) throws -> String {
        var bytes: [UInt8] = []
        for word in field.split(separator: " ") {
            #expect(word.hasPrefix("=?utf-8?B?") && word.hasSuffix("?=") && word.utf8.count <= 75)
            let data = try #require(Data(base64Encoded: String(word.dropFirst(10).dropLast(2))))
            // Each word is whole characters.
            #expect(String(validating: data, as: UTF8.self) != nil)
            bytes += data
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private func decodedQuotedPrintable(_ text: String) throws -> String {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "=") else {
                bytes.append(byte)
                continue
            }
            let code = String(decoding: rest.prefix(2), as: UTF8.self)
            rest = rest.dropFirst(2)
            if code != "\r\n" { bytes.append(try #require(UInt8(code, radix: 16))) }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private func expectWellFormed(_ mail: MailMessage) throws {
        var isPaired = true
        var (length, longest) = (0, 0)
        var previous: UInt8 = 0
        for byte in mail.bytes {
            // CR and LF come in pairs only.
            isPaired = isPaired && (byte == 0x0A) == (previous == 0x0D)
            length = byte == 0x0A ? 0 : length + 1
            longest = max(longest, length)
            previous = byte
        }
        #expect(isPaired && previous == 0x0A)
        #expect(longest <= 998)
        #expect(mail.bytes.allSatisfy { $0 < 0x7F })
        let names = try parts(mail).header.map { String($0.prefix { $0 != ":" }) }
        #expect(
            names == [
                "Date", "From", "To", "Subject", "Message-ID", "X-Aftercare-Message", "Auto-Submitted", "MIME-Version",
                "Content-Type", "Content-Transfer-Encoding",
            ]
        )
    }

    @Test func `a mail is the same bytes at every attempt`() throws {
        let expected = """
            Date: Mon, 23 Nov 2026 09:05:07 +0000
            From: "Demo Shop" <help@shop.example>
            To: <ada@example.com>
            Subject: Hello
            Message-ID: <\(id)@shop.example>
            X-Aftercare-Message: \(id)
            Auto-Submitted: auto-generated
            MIME-Version: 1.0
            Content-Type: text/plain; charset=utf-8
            Content-Transfer-Encoding: quoted-printable

            Hi

            """
        let mail = try mail()
        let lines = String(decoding: mail.bytes, as: UTF8.self).components(separatedBy: "\r\n").joined(separator: "\n")
        #expect(lines == expected)
        #expect(mail.bytes == (try self.mail()).bytes)
        #expect(mail.to == "ada@example.com" && mail.from.address == "help@shop.example")
    }

    @Test(arguments: [
        "\r\nBcc: eve@example.com", "x\nBcc: eve@example.com", "x\rBcc: eve@example.com", "x\r\n\r\nbody",
        "\u{2028}Bcc: e@example.com", "x\u{0}y", "=?utf-8?B?QmNjOg==?=", "=?utf-8?Q?=0D=0ABcc:_eve@example.com?=",
    ])
    func `no text begins a header field of its own`(_ text: String) throws {
        for mail in [
            try mail(subject: text), try mail(sender: "\(text) <help@shop.example>"), try mail(body: text),
            try mail(sender: "\(Mailbox("help@shop.example").named(text))"),
        ] {
            try expectWellFormed(mail)
        }
    }

    @Test(arguments: [
        "ada@example.com\r\nBcc: eve@example.com", "ada@example.com, eve@example.com", "ada", "@example.com", "ada@",
        "Ada <ada@example.com>", "ada@exa mple.com", "a@b@example.com", "ad\u{E4}@example.com", "",
        "ada@ex\u{E4}mple.com", "ada@example.com\u{0}", "<ada@example.com>",
        String(repeating: "a", count: 250) + "@b.co",
    ])
    func `an address that is none, or more than one, is refused`(_ address: String) throws {
        #expect(throws: MailMessage.Invalid.recipient) { try mail(recipient: address) }
        #expect(throws: MailMessage.Invalid.sender) { try mail(sender: "Shop <\(address)>") }
    }

    @Test func `a subject beyond ASCII comes back whole`() throws {
        let subject = String(repeating: "Grüße, 世界 👩‍👩‍👧 ", count: 8) + "Ende"
        let mail = try mail(subject: subject)
        try expectWellFormed(mail)
        let shown = try decoded(value("Subject", mail))
        // The joiners of the family are format characters, which could also turn the text around: they become spaces.
        #expect(shown == subject.singleLine(limit: 400))
        #expect(shown.hasPrefix("Grüße, 世界 👩 👩 👧"))
        let lines = String(decoding: mail.bytes, as: UTF8.self).components(separatedBy: "\r\n")
        #expect(lines.prefix { !$0.isEmpty }.allSatisfy { $0.utf8.count <= 76 })
    }

    @Test(arguments: [("Müllers \"Bücher\" & Co.", false), ("Joe's \"Best\" \\ Shop, Inc.", true)])
    func `a sender's name comes back whole`(_ name: String, _ isPlain: Bool) throws {
        let mail = try mail(sender: "\(Mailbox("help@shop.example").named(name))")
        try expectWellFormed(mail)
        let from = try value("From", mail)
        #expect(from.hasSuffix(" <help@shop.example>"))
        let shown = String(from.dropLast(" <help@shop.example>".count))
        if isPlain {
            #expect(shown == "\"Joe's \\\"Best\\\" \\\\ Shop, Inc.\"")
        } else {
            #expect(try decoded(shown) == name)
        }
    }

    @Test(arguments: [
        "", "Hi", "one\ntwo", "one\r\ntwo\rthree\n", "trailing space \nand tab\t", ".", "..", ".\n.",
        "From me\nFrom you",
        "a=b", "Grüße 世界", String(repeating: "x", count: 1000), String(repeating: "ü", count: 500),
        String(repeating: "word ", count: 300), String(repeating: " ", count: 200),
        String(repeating: "=", count: 100) + ".", String(repeating: "a", count: 75) + ".b",
        String(repeating: "a", count: 74) + " ", "\n\n\n", "tab\there\u{7}bell\u{0}nul",
    ])
    func `a body comes back whole, in lines a mail may have`(_ body: String) throws {
        let mail = try mail(body: body)
        try expectWellFormed(mail)
        let wire = try parts(mail).body
        for line in wire.components(separatedBy: "\r\n") {
            #expect(line.utf8.count <= 76)
            #expect(!line.hasSuffix(" ") && !line.hasSuffix("\t"))
            #expect(!line.hasPrefix(".") && !line.hasPrefix("From "))
        }
        var expected = body.components(separatedBy: "\r\n").joined(separator: "\n")
        expected = expected.components(separatedBy: "\r").joined(separator: "\n")
        if !expected.isEmpty, !expected.hasSuffix("\n") { expected += "\n" }
        #expect(try decodedQuotedPrintable(wire).components(separatedBy: "\r\n").joined(separator: "\n") == expected)
    }

    @Test func `any text at all gives a well-formed mail`() throws {
        var random = SeededGenerator(seed: 3)
        let alphabet = Array("ab =?.<>@\"\\:\r\n\t\u{0}\u{E9}\u{1F600}\u{2028}F".unicodeScalars)
        for _ in 0..<2000 {
            let length = Int.random(in: 0...150, using: &random)
            var text = String.UnicodeScalarView()
            for _ in 0..<length { text.append(alphabet.randomElement(using: &random) ?? "a") }
            let mailbox = Mailbox("help@shop.example").named(String(text))
            try expectWellFormed(mail(sender: "\(mailbox)", subject: String(text), body: String(text)))
            #expect(Mailbox("\(mailbox)") == mailbox)
        }
    }

    @Test func `a mail client reads what was meant`() async throws {
        let subject = "Ihre Bestellung #1001 für Zoë: ist alles in Ordnung? " + String(repeating: "ß", count: 40)
        let body = "Grüße,\n\n.Punkt am Anfang\nFrom am Anfang\n" + String(repeating: "lang ", count: 40) + "\n"
        let mail = try mail(sender: "Bücher & \"Mehr\" <help@shop.example>", subject: subject, body: body)
        let script = """
            import base64, email, email.policy, json, sys
            mail = email.message_from_bytes(base64.b64decode(sys.argv[1]), policy=email.policy.default)
            assert not mail.defects and not any(mail[name].defects for name in mail.keys()), mail.items()
            sender = mail["From"].addresses[0]
            parts = [sender.display_name, sender.addr_spec, mail["To"].addresses[0].addr_spec, mail["Subject"],
                     mail["Date"].datetime.isoformat(), mail.get_content().replace("\\r\\n", "\\n")]
            print(json.dumps(parts))
            """
        let python = try ChildProcess("python3", ["-c", script, Data(mail.bytes).base64EncodedString()])
        let line = try #require(await python.nextLine())
        let expected = [
            "Bücher & \"Mehr\"", "help@shop.example", "ada@example.com", subject, "2026-11-23T09:05:07+00:00", body,
        ]
        #expect(try JSON(parsing: line) == .array(expected.map { .string($0) }), "\(line)")
    }
}
