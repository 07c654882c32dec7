import Time

extension ConnectionHealth {
    /// What pulls that fail say of a connection: each reason once, since when it is so.
    static func findings(_ pulls: [Pull]) -> [Finding] {
        pulls.compactMap(Finding.init).reduce(into: []) { findings, finding in
            if !findings.contains(where: { $0.reason == finding.reason }) { findings.append(finding) }
        }
    }
}

extension ConnectionHealth.Finding {
    /// Nil of one whose last page was answered. What only a person can mend is unhealthy; the rest may pass.
    fileprivate init?(_ pull: Pull) {
        guard let failure = pull.failure, let failedAt = pull.lastFailedAt else { return nil }
        since = pull.lastSucceededAt ?? failedAt
        switch failure {
        case .credentialsRefused: (reason, state) = (.credentialsRefused, .unhealthy)
        case .accessDenied: (reason, state) = (.accessDenied, .unhealthy)
        case .missingScope: (reason, state) = (.missingScope, .unhealthy)
        case .apiSunset: (reason, state) = (.apiSunset, .unhealthy)
        case .throttled: (reason, state) = (.throttled, .degraded)
        case .unreachable: (reason, state) = (.unreachable, .degraded)
        case .unreadable: (reason, state) = (.unreadable, .degraded)
        }
        let why = pull.failureDetail.map { ": \($0)" } ?? ""
        detail = "Asked for its orders, the shop did not answer as it should\(why)."
    }
}
