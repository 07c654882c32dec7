import Testing

@testable import Aftercare

@Suite struct PasswordTests {
    @Test func `a password verifies against its own hash only`() async throws {
        let passwords = try Passwords(cost: .cheap)
        let hash = try await passwords.hash("correct horse")
        #expect(hash.hasPrefix("$scrypt$ln=5,r=8,p=1$"))
        #expect(try await passwords.verify("correct horse", against: hash))
        #expect(try await !passwords.verify("correct horsf", against: hash))
        #expect(try await !passwords.verify("decoy", against: nil))
        #expect(try await passwords.hash("correct horse") != hash)
    }

    @Test func `a hash of another cost still verifies`() async throws {
        let hash = try await Passwords(cost: Passwords.Cost(ln: 6, r: 4, p: 2)).hash("correct horse")
        #expect(try await Passwords(cost: .cheap).verify("correct horse", against: hash))
    }

    @Test(arguments: ["", "$scrypt$", "$scrypt$ln=5,r=8$a$b", "$argon2$ln=5,r=8,p=1$AA$AA", "$scrypt$ln=5,r=8,p=1$!$!"])
    func `a hash that cannot be read verifies nothing`(hash: String) async throws {
        #expect(try await !Passwords(cost: .cheap).verify("x", against: hash))
    }
}
