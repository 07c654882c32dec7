import Observability

/// The API: every operation of every feature.
enum Routes {
    static func all(_ environment: Environment, _ registry: PrometheusRegistry, _ readiness: Readiness) -> [Route] {
        [
            HealthRoutes(environment: environment, registry: registry, readiness: readiness).routes,
            SessionRoutes(environment: environment).routes,
            UserRoutes(environment: environment).routes,
            APIKeyRoutes(environment: environment).routes,
            StoreRoutes(environment: environment).routes,
            TestClockRoutes(environment: environment).routes,
            ConnectionRoutes(environment: environment).routes,
            CredentialRoutes(environment: environment).routes,
            PullRoutes(environment: environment).routes,
            RefreshRoutes(environment: environment).routes,
            ConnectionHealthRoutes(environment: environment).routes,
            Receive(environment: environment).routes,
            InboundEventRoutes(environment: environment).routes,
            ReplayRoutes(environment: environment).routes,
            OrderRoutes(environment: environment).routes,
            OrderStateRoutes(environment: environment).routes,
            PutOrderRoutes(environment: environment).routes,
            OrderPartRoutes(environment: environment).routes,
            OrderRiskRoutes(environment: environment).routes,
            TrackingByNumberRoutes(environment: environment).routes,
            ReturnRoutes(environment: environment).routes,
            PutReturnRoutes(environment: environment).routes,
            DisputeRoutes(environment: environment).routes,
            CustomerRoutes(environment: environment).routes,
            PutCustomerRoutes(environment: environment).routes,
            StockRoutes(environment: environment).routes,
            PrivacyRoutes(environment: environment).routes,
            BulkOrderRoutes(environment: environment).routes,
            ImportRoutes(environment: environment).routes,
            WatermarkRoutes(environment: environment).routes,
            TimelineRoutes(environment: environment).routes,
            CommandRoutes(environment: environment).routes,
            CommandEndpointRoutes(environment: environment).routes,
            AutomationRoutes(environment: environment).routes,
            MessageRoutes(environment: environment).routes,
            TicketRoutes(environment: environment).routes,
            OperationRoutes(environment: environment).routes,
        ].flatMap { $0 }
    }
}
