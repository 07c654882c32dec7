import Jobs

/// The work: what runs each kind of job.
enum JobHandlers {
    static func all(_ environment: Environment, transport: any MailTransport) -> [JobHandler] {
        [
            ApplyInboundEvent(environment: environment).handler,
            RunWorkflows(environment: environment).handler,
            RunDueWorkflow(environment: environment).handler,
            DeliverMessage(environment, transport: transport).handler,
            AnnounceTicket(environment: environment).handler,
            AdvanceTestClock(environment: environment).handler,
            ImportOrders(environment: environment).handler,
            SweepExpired(environment: environment).handler,
            ReplayEvents(environment: environment).handler,
            CheckConnection(environment: environment).handler,
            RepointOrders(environment: environment).handler,
            RedactPersonalData(environment: environment).handler,
            MatchTracking(environment: environment).handler,
            FindSilentShipments(environment: environment).handler,
            PullOrders(kind: .reconcile, environment: environment).handler,
            PullOrders(kind: .sweep, environment: environment).handler,
            RefreshOrder(environment: environment).handler,
            ResealSecrets(environment: environment).handler,
            SendCommand(environment: environment).handler,
            FollowCommand(environment: environment).handler,
        ]
    }
}
