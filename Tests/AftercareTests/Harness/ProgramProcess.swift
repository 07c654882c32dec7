import Curl
import Foundation
import Support
import Synchronization

@testable import Aftercare

/// `aftercare serve --work`, the built program in a process of its own: one that can be killed, and started again at the
/// same address.
final class ProgramProcess: Sendable {
    let baseURL: String
    private let child: ChildProcess
    private let ending: Task<Int32, Never>
    private let ended = Mutex(false)

    /// Beside the tests, where the build puts both.
    static let path: String = {
        let own = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let beside = URL(filePath: own ?? "").deletingLastPathComponent().appending(path: "aftercare").path
        return FileManager.default.isExecutableFile(atPath: beside)
            ? beside : "\(TestCluster.repository)/.build/debug/aftercare"
    }()

    init(port: Int, settings: [String: String]) throws {
        baseURL = "http://127.0.0.1:\(port)"
        let all = [
            "AFTERCARE_HTTP_PORT": "\(port)",
            "AFTERCARE_SECRET_KEY": TestServer.secretKey,
            "AFTERCARE_RATE_TENANT_PER_MINUTE": "1000000",
            "AFTERCARE_RATE_ADDRESS_PER_MINUTE": "1000000",
            "AFTERCARE_LOG_LEVEL": "error",
        ].merging(settings) { $1 }
        // `env` becomes the program: what is killed is the program itself.
        let child = try ChildProcess("env", all.map { "\($0.key)=\($0.value)" } + [Self.path, "serve", "--work"])
        self.child = child
        ending = Task { await child.status() }
        Task { [ending, self] in
            _ = await ending.value
            ended.withLock { $0 = true }
        }
    }

    var hasEnded: Bool { ended.withLock { $0 } }

    /// Waits until it answers; false if it has ended before.
    func isReady(_ client: HTTPClient) async throws -> Bool {
        while !hasEnded {
            let answer = try? await client.send(.init("GET", "\(baseURL)/health/ready"), deadline: .seconds(2))
            if answer?.status == 200 { return true }
            try await Task.sleep(for: .milliseconds(5))
        }
        return false
    }

    /// Waits until it has killed itself; false if it did not.
    func dies(within limit: Duration) async throws -> Bool {
        let end = ContinuousClock.now + limit
        while !hasEnded, ContinuousClock.now < end { try await Task.sleep(for: .milliseconds(2)) }
        return hasEnded
    }

    /// For `defer`: a test that fails leaves none behind.
    func strike() { child.signal(SIGKILL) }

    /// Kills it, if it is not dead yet; how it ended: the exit status, or the negated number of the signal.
    @discardableResult
    func kill() async -> Int32 {
        child.signal(SIGKILL)
        return await ending.value
    }
}
