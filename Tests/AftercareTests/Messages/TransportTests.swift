import Foundation
import Testing
import Time

@testable import Aftercare

@Suite struct `Mail in files` {
    private func mail() throws -> MailMessage {
        let request = Message.Request(sender: "help@shop.example", recipient: "a@b.example", subject: "x", body: "y")
        return try MailMessage(.new(), request, date: .at("2026-11-23T09:05:07Z"))
    }

    @Test func `a mail becomes a file of its name, whole, and is the only one`() async throws {
        let directory = FileManager.default.temporaryDirectory.appending(path: "mail-\(UUID())/deep")
        defer { try? FileManager.default.removeItem(at: directory.deletingLastPathComponent()) }
        let transport = try FileTransport(directory: directory.path)
        let mail = try mail()
        for _ in 0..<2 { #expect(await transport.send(mail) == .accepted("written to \(mail.id).eml")) }
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path) == ["\(mail.id).eml"])
        #expect(try Data(contentsOf: directory.appending(path: "\(mail.id).eml")) == Data(mail.bytes))
    }

    @Test func `a directory that is gone refuses for the moment`() async throws {
        let directory = FileManager.default.temporaryDirectory.appending(path: "mail-\(UUID())")
        let transport = try FileTransport(directory: directory.path)
        try FileManager.default.removeItem(at: directory)
        guard case .refused(_, isPermanent: false) = await transport.send(try mail()) else {
            Issue.record("not refused")
            return
        }
    }
}
