public import Configuration
import Curl
import FoundationEssentials
import HTTPTypes
import HummingbirdCore
import Jobs
import Logging
import Metrics
import NIOCore
import NIOPosix
import Observability
import Postgres
import Schema
import ServiceLifecycle
import Time
public import UnixSignals

/// The program's ways to run, put together from a configuration.
public struct Program: Sendable {
    /// What a process does.
    public struct Duties: OptionSet, Sendable {
        public let rawValue: Int

        public init(rawValue: Int) { self.rawValue = rawValue }

        /// Answer the API.
        public static let serve = Duties(rawValue: 1)
        /// Run jobs and the schedule.
        public static let work = Duties(rawValue: 2)
    }

    /// How long a graceful stop may take in all.
    static let stopTimeout = Duration.seconds(25)

    let config: Config
    let logger: Logger
    let registry: PrometheusRegistry

    /// Reads the configuration and sets up logs and metrics; once in a process.
    public init(_ reader: ConfigReader) throws {
        let config = try Config(reader)
        LoggingSystem.bootstrap { JSONLogHandler(label: $0, level: config.logLevel) }
        self.init(config, logger: Logger(label: "aftercare"))
        MetricsSystem.bootstrap(registry)
    }

    init(_ config: Config, logger: Logger) {
        self.config = config
        self.logger = logger
        registry = PrometheusRegistry(help: [
            "http_request_duration": "Time to answer, by method, route template and status.",
            "database_connections": "Connections of this process, by state.",
            "database_callers_waiting": "Calls that wait for a connection.",
            "connection_checks": "Hourly checks of connections, by what they came to: per hour, how many are so.",
        ])
    }

    /// Runs until the process is told to stop.
    ///
    /// - Parameters:
    ///   - signals: what tells it to stop.
    ///   - onServing: called with the port once requests are answered.
    public func run(
        _ duties: Duties,
        stoppingOn signals: [UnixSignal] = [.sigterm, .sigint],
        onServing: @escaping @Sendable (Int) async throws -> Void = { _ in }
    ) async throws {
        try await run(duties, clock: nil, stoppingOn: signals, onServing: onServing)
    }

    /// - Parameter clock: another one than its own, for whoever compares times with it to the microsecond.
    func run(
        _ duties: Duties,
        clock: DatabaseClock?,
        stoppingOn signals: [UnixSignal],
        onServing: @escaping @Sendable (Int) async throws -> Void
    ) async throws {
        let pool = pool()
        try await StartChecks.role(pool)
        try await Migrator(pool).verify()
        let clock = if let clock { clock } else { try await DatabaseClock(pool) }
        let environment = try environment(pool, clock)
        var services: [any Service] = [PoolService(pool: pool), ClockService(pool: pool, clock: clock, logger: logger)]
        var atOnce: [any Service] = []
        if duties.contains(.work) {
            let heartbeats = self.pool(of: 1)
            services.append(PoolService(pool: heartbeats))
            atOnce.append(try workerService(environment, heartbeats))
        }
        if duties.contains(.serve) {
            services.append(RefusedSignaturesService(environment: environment))
            atOnce.append(try apiService(environment, onServing))
        }
        services.append(SideBySide(services: atOnce))
        var configuration = ServiceGroupConfiguration(
            services: services,
            gracefulShutdownSignals: signals,
            logger: logger
        )
        configuration.maximumGracefulShutdownDuration = Self.stopTimeout
        logger.info("started", metadata: ["duties": "\(duties.names)"])
        try await ServiceGroup(configuration: configuration).run()
        logger.info("stopped")
    }

    func pool() -> Pool { pool(of: config.databaseConnections) }

    private func pool(of maximum: Int) -> Pool {
        Pool(
            Pool.Settings(
                connection: ConnectionSettings(
                    url: config.databaseURL.reveal(),
                    preparesStatements: config.preparesStatements
                ),
                maximumConnections: maximum
            )
        )
    }

    func environment(_ pool: Pool, _ clock: DatabaseClock, wakeWorker: WakeUp = WakeUp()) throws -> Environment {
        let limits = RateLimits(
            credentialPerMinute: config.keyPerMinute,
            tenantPerMinute: config.tenantPerMinute,
            addressPerMinute: config.addressPerMinute
        )
        let outbound = Outbound(allowsPrivateAddresses: config.allowsPrivateAddresses)
        return Environment(
            pool: pool,
            clock: clock,
            access: Access(pool: pool, clock: clock, limits: limits, life: SessionLife()),
            masterKey: MasterKey(config.secretKey, previous: config.previousSecretKey),
            shops: ShopTransport(outbound: outbound, origin: config.shopOrigin),
            pulls: config.pulls,
            passwords: try Passwords(cost: config.passwordCost, maximumWaiting: config.passwordsWaiting),
            outbound: outbound,
            mailFrom: config.mailFrom,
            publicURL: config.publicURL,
            bodiesKept: .seconds(config.bodyDays * 86_400),
            wakeWorker: wakeWorker,
            failpoint: Failpoint(config.failpoint),
            logger: logger
        )
    }

    private func envelope(_ environment: Environment, _ readiness: Readiness) -> Envelope {
        let server = Server(
            access: environment.access,
            pepper: environment.masterKey.pepper,
            formerPepper: environment.masterKey.formerPepper,
            inFlight: InFlight(maximum: config.tenantInFlight),
            trustedProxies: config.trustedProxies,
            bodyTimeout: .seconds(config.httpBodySeconds)
        )
        return Envelope(routes: Routes.all(environment, registry, readiness), server: server, logger: logger)
    }

    private func apiService(
        _ environment: Environment,
        _ onServing: @escaping @Sendable (Int) async throws -> Void
    ) throws -> APIService {
        let readiness = Readiness()
        let envelope = envelope(environment, readiness)
        let logger = logger
        let patience = ClientPatience(
            head: .seconds(config.httpIdleSeconds),
            body: .seconds(config.httpBodySeconds),
            answer: .seconds(config.httpIdleSeconds)
        )
        // The framework's own handler behind it goes on closing what is idle when the process stops.
        let builder = HTTPServerBuilder.http1(configuration: .init(additionalChannelHandlers: [SlowClients(patience)]))
        let server = try builder.buildServer(
            configuration: ServerConfiguration(
                address: .hostname(config.httpHost, port: config.httpPort),
                availableConnectionsDelegate: MaximumAvailableConnections(config.httpConnections)
            ),
            eventLoopGroup: MultiThreadedEventLoopGroup.singleton,
            logger: logger,
            responder: { request, writer, channel in
                let reply = await envelope.answer(request, from: channel.remoteAddress)
                // Its headers are those that a GET would have, Content-Length among them.
                let body = request.method == .head ? [] : reply.body
                try await writer.write(
                    response: HTTPResponse(status: reply.status, headerFields: reply.headers),
                    body: ResponseBody(byteBuffer: ByteBuffer(bytes: body))
                )
            },
            onServerRunning: { channel in
                do {
                    try await onServing(channel.localAddress?.port ?? 0)
                } catch {
                    logger.error("could not announce the server", metadata: ["error": "\(String(reflecting: error))"])
                }
            }
        )
        return APIService(server: server, readiness: readiness)
    }

    /// Mail goes into files where a directory is set, else to the mail server.
    private func mailTransport() throws -> any MailTransport {
        if let directory = config.mailDirectory { return try FileTransport(directory: directory) }
        guard let host = config.smtpHost else {
            throw Config.Invalid(name: "AFTERCARE_SMTP_HOST", reason: "is not set, nor is AFTERCARE_MAIL_DIRECTORY")
        }
        let security: SMTPClient.Security =
            switch config.smtpSecurity {
            case "tls": .tls
            case "none": .none
            default: .startTLS
            }
        let server = SMTPClient.Server(
            host: host,
            port: config.smtpPort,
            security: security,
            username: config.smtpUsername,
            password: config.smtpPassword?.reveal()
        )
        return SMTPTransport(client: SMTPClient(server), maximumSends: config.smtpConnections)
    }

    private func workerService(_ environment: Environment, _ heartbeats: Pool) throws -> WorkerService {
        var settings = Worker.Settings()
        settings.capacity = config.workCapacity
        settings.leaseTime = .seconds(config.workLeaseSeconds)
        settings.heartbeat = settings.leaseTime / 4
        settings.sweep = settings.leaseTime / 10
        settings.distribution = Distribution(rawValue: config.distribution) ?? .single
        let worker = Worker(
            pool: environment.pool,
            heartbeats: heartbeats,
            clock: environment.clock,
            handlers: JobHandlers.all(environment, transport: try mailTransport()),
            settings: settings,
            logger: logger
        )
        environment.wakeWorker.connect { worker.wake() }
        return WorkerService(worker: worker)
    }
}

extension Program.Duties {
    fileprivate var names: String {
        [contains(.serve) ? "serve" : nil, contains(.work) ? "work" : nil].compactMap { $0 }.joined(separator: ", ")
    }
}
