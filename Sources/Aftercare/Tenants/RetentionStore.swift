import FoundationEssentials
import Jobs
import Postgres
import Time

/// Deletes what has been kept for long enough, so many rows at a time.
///
/// Each statement finds its rows by an index, oldest first, and deletes them by their place (`ctid`): joined by key, each
/// would be looked for among all others where the planner last saw the table empty. None of these rows is changed any
/// more, so nothing else waits for them; one that is all the same is looked at anew, or left for the next night.
enum RetentionStore {
    /// Deletes at most `limit` rows of a tenant that are older than `end`.
    static func delete(
        _ subject: Retention.Subject,
        tenant: UUID,
        before end: Instant,
        limit: Int,
        now: Instant
    ) -> SQL {
        switch subject {
        case .idempotencyKeys: idempotencyKeys(tenant, end, limit)
        case .inboundDeliveries: inboundDeliveries(tenant, end, limit)
        case .sessions: sessions(tenant, end, limit)
        case .fired: fired(tenant, end, limit)
        case .nights: nights(tenant, end, limit)
        case .operations: operations(tenant, end, limit)
        case .importChunks: importChunks(tenant, end, limit)
        case .importErrors: importErrors(tenant, end, limit)
        case .imports: imports(tenant, end, limit)
        case .trackers: trackers(tenant, end, limit)
        case .bodies: bodies(of: "'applied', 'ignored'", tenant, end, limit, now)
        case .quarantinedBodies: bodies(of: "'quarantined'", tenant, end, limit, now)
        case .connectionHours: connectionHours(tenant, end, limit)
        }
    }

    /// By `idempotency_keys_by_age`.
    private static func idempotencyKeys(_ tenant: UUID, _ end: Instant, _ limit: Int) -> SQL {
        """
        DELETE FROM idempotency_keys
         WHERE tenant_id = \(tenant) AND created_at < \(end)
           AND ctid = ANY (ARRAY(SELECT ctid
                                   FROM idempotency_keys
                                  WHERE tenant_id = \(tenant) AND created_at < \(end)
                                  ORDER BY created_at
                                  LIMIT \(limit)))
        """
    }

    /// By `inbound_deliveries_by_age`.
    private static func inboundDeliveries(_ tenant: UUID, _ end: Instant, _ limit: Int) -> SQL {
        """
        DELETE FROM inbound_deliveries
         WHERE tenant_id = \(tenant) AND received_at < \(end)
           AND ctid = ANY (ARRAY(SELECT ctid
                                   FROM inbound_deliveries
                                  WHERE tenant_id = \(tenant) AND received_at < \(end)
                                  ORDER BY received_at
                                  LIMIT \(limit)))
        """
    }

    /// By `sessions_by_end`: the end that every session has, however it was used, and even if it was revoked before.
    private static func sessions(_ tenant: UUID, _ end: Instant, _ limit: Int) -> SQL {
        """
        DELETE FROM sessions
         WHERE tenant_id = \(tenant) AND expires_at < \(end)
           AND ctid = ANY (ARRAY(SELECT ctid
                                   FROM sessions
                                  WHERE tenant_id = \(tenant) AND expires_at < \(end)
                                  ORDER BY expires_at
                                  LIMIT \(limit)))
        """
    }

    /// By primary key: its ids are those of the schedule's rows, which are made in the order of time. Both the time it
    /// was scheduled and the time it was due have to be past, for a row may be scheduled for long after, and a test
    /// clock's dates lie anywhere.
    private static func fired(_ tenant: UUID, _ end: Instant, _ limit: Int) -> SQL {
        """
        DELETE FROM fired
         WHERE tenant_id = \(tenant) AND schedule_id < \(UUID.firstV7(at: end)) AND due_at < \(end)
           AND kind NOT IN (\(SweepExpired.kind), \(CheckConnection.kind))
           AND ctid = ANY (ARRAY(SELECT ctid
                                   FROM fired
                                  WHERE tenant_id = \(tenant) AND schedule_id < \(UUID.firstV7(at: end)) AND due_at < \(end)
                                    AND kind NOT IN (\(SweepExpired.kind), \(CheckConnection.kind))
                                  ORDER BY schedule_id
                                  LIMIT \(limit)))
        """
    }

    /// By the first two columns of `fired_is_once`: of these kinds there are as many rows as nights and hours are kept.
    private static func nights(_ tenant: UUID, _ end: Instant, _ limit: Int) -> SQL {
        """
        DELETE FROM fired
         WHERE tenant_id = \(tenant) AND kind IN (\(SweepExpired.kind), \(CheckConnection.kind)) AND due_at < \(end)
           AND ctid = ANY (ARRAY(SELECT ctid
                                   FROM fired
                                  WHERE tenant_id = \(tenant) AND kind IN (\(SweepExpired.kind), \(CheckConnection.kind)) AND due_at < \(end)
                                  LIMIT \(limit)))
        """
    }

    /// By primary key; operations are few, and one that runs is never old.
    private static func operations(_ tenant: UUID, _ end: Instant, _ limit: Int) -> SQL {
        """
        DELETE FROM operations
         WHERE tenant_id = \(tenant) AND id < \(UUID.firstV7(at: end)) AND state <> 'running'
           AND ctid = ANY (ARRAY(SELECT ctid
                                   FROM operations
                                  WHERE tenant_id = \(tenant) AND id < \(UUID.firstV7(at: end)) AND state <> 'running'
                                  ORDER BY id
                                  LIMIT \(limit)))
        """
    }

    /// By primary key. Of an import that runs they are what is still to be done.
    private static func importChunks(_ tenant: UUID, _ end: Instant, _ limit: Int) -> SQL {
        """
        DELETE FROM import_chunks
         WHERE tenant_id = \(tenant) AND import_id < \(UUID.firstV7(at: end))
           AND ctid = ANY (ARRAY(SELECT chunk.ctid
                                   FROM import_chunks AS chunk
                                   JOIN imports ON imports.tenant_id = \(tenant) AND imports.id = chunk.import_id
                                  WHERE chunk.tenant_id = \(tenant) AND chunk.import_id < \(UUID.firstV7(at: end))
                                    AND imports.state <> 'running'
                                  ORDER BY chunk.import_id, chunk.number
                                  LIMIT \(limit)))
        """
    }

    /// By primary key.
    private static func importErrors(_ tenant: UUID, _ end: Instant, _ limit: Int) -> SQL {
        """
        DELETE FROM import_errors
         WHERE tenant_id = \(tenant) AND import_id < \(UUID.firstV7(at: end))
           AND ctid = ANY (ARRAY(SELECT ctid
                                   FROM import_errors
                                  WHERE tenant_id = \(tenant) AND import_id < \(UUID.firstV7(at: end))
                                  ORDER BY import_id, line
                                  LIMIT \(limit)))
        """
    }

    /// By primary key, as operations.
    private static func imports(_ tenant: UUID, _ end: Instant, _ limit: Int) -> SQL {
        """
        DELETE FROM imports
         WHERE tenant_id = \(tenant) AND id < \(UUID.firstV7(at: end)) AND state <> 'running'
           AND ctid = ANY (ARRAY(SELECT ctid
                                   FROM imports
                                  WHERE tenant_id = \(tenant) AND id < \(UUID.firstV7(at: end)) AND state <> 'running'
                                  ORDER BY id
                                  LIMIT \(limit)))
        """
    }

    /// By `trackers_by_age`: by the last time that any of it was told.
    private static func trackers(_ tenant: UUID, _ end: Instant, _ limit: Int) -> SQL {
        """
        DELETE FROM trackers
         WHERE tenant_id = \(tenant) AND updated_at < \(end)
           AND ctid = ANY (ARRAY(SELECT ctid
                                   FROM trackers
                                  WHERE tenant_id = \(tenant) AND updated_at < \(end)
                                  ORDER BY updated_at
                                  LIMIT \(limit)))
        """
    }

    /// By `inbound_events_with_body`. Empties them: the rows stay, with what their bodies were. One that is to be read again
    /// meanwhile is left alone.
    private static func bodies(of states: String, _ tenant: UUID, _ end: Instant, _ limit: Int, _ now: Instant) -> SQL {
        """
        UPDATE inbound_events
           SET body = '', body_hash = sha256(body), body_length = octet_length(body), body_expired_at = \(now)
         WHERE tenant_id = \(tenant) AND state IN (\(unsafe: states)) AND state <> 'received'
           AND body_expired_at IS NULL AND redacted_at IS NULL
           AND ctid = ANY (ARRAY(SELECT ctid
                                   FROM inbound_events
                                  WHERE tenant_id = \(tenant) AND state IN (\(unsafe: states)) AND state <> 'received'
                                    AND received_at < \(end) AND body_expired_at IS NULL AND redacted_at IS NULL
                                  LIMIT \(limit)))
        """
    }

    /// By `connection_hours_by_age`.
    private static func connectionHours(_ tenant: UUID, _ end: Instant, _ limit: Int) -> SQL {
        """
        DELETE FROM connection_hours
         WHERE tenant_id = \(tenant) AND hour < \(end)
           AND ctid = ANY (ARRAY(SELECT ctid
                                   FROM connection_hours
                                  WHERE tenant_id = \(tenant) AND hour < \(end)
                                  ORDER BY hour
                                  LIMIT \(limit)))
        """
    }

    // MARK: The next night

    static func store(_ id: UUID, tenant: UUID) -> SQL { TenantStore.store(StoreID(id), tenant: TenantID(tenant)) }

    /// Whether the store's next night is scheduled already, by `schedule_is_once`.
    static func isScheduled(_ store: UUID, tenant: UUID) -> SQL {
        """
        SELECT EXISTS (SELECT FROM schedule
                        WHERE tenant_id = \(tenant) AND kind = \(SweepExpired.kind)
                          AND rule_id = \(store) AND subject_id = \(store))
        """
    }
}
