import Aftercare
import ArgumentParser
import Foundation

@main struct AftercareCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "aftercare",
        abstract: "The backend an online store runs its after-purchase support on.",
        subcommands: [Serve.self, Work.self, Migrate.self, CreateTenant.self, Doctor.self, Dev.self]
    )
}

struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Answer the API.")

    @Flag(help: "Run jobs and the schedule in the same process.")
    var work = false

    func run() async throws {
        try await reporting { try await Program.fromEnvironment().run(work ? [.serve, .work] : .serve) }
    }
}

struct Work: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Run jobs and the schedule.")

    func run() async throws {
        try await reporting { try await Program.fromEnvironment().run(.work) }
    }
}

struct Migrate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Bring the database's schema up to this program.")

    func run() async throws {
        try await reporting {
            let names = try await Operator.migrate()
            print(names.isEmpty ? "nothing to migrate" : names.map { "applied \($0)" }.joined(separator: "\n"))
        }
    }
}

struct CreateTenant: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Create a tenant and its first owner.",
        discussion: "The owner's password is read from standard input, one line of at least 12 characters."
    )

    @Option(help: "The tenant's name.")
    var name: String

    @Option(help: "The owner's e-mail address, which signs in.")
    var email: String

    @Option(help: "The owner's name.")
    var owner: String

    func run() async throws {
        guard let password = readLine() else { throw ValidationError("no password on standard input") }
        try await reporting {
            print(try await Operator.createTenant(name: name, email: email, owner: owner, password: password))
        }
    }
}

struct Doctor: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Check configuration, database, role and schema.",
        discussion: "Prints a line for each check. Fails if one does."
    )

    func run() async throws {
        let findings = await Operator.examine()
        for finding in findings { print("\(finding.isHealthy ? "ok  " : "FAIL") \(finding.text)") }
        if findings.contains(where: { !$0.isHealthy }) { throw ExitCode.failure }
    }
}

struct Dev: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run everything on this machine, with a PostgreSQL of its own and a demo store."
    )

    @Option(help: "Where the data lives; made if it is not there.")
    var data = "data"

    @Option(help: "The port to listen on at 127.0.0.1; 0 takes a free one.")
    var port = 8080

    func run() async throws {
        try await reporting {
            try await Development(directory: data, port: port).run { line in
                // Not `print`, which holds lines back where the output is no terminal.
                FileHandle.standardOutput.write(Data("\(line)\n".utf8))
            }
        }
    }
}

/// One clear line on standard error and a failing exit, instead of a crash report.
private func reporting(_ body: () async throws -> Void) async throws {
    do {
        try await body()
    } catch {
        throw CleanFailure(error)
    }
}
