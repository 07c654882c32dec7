-- Claim and complete for pgbench, as a queue of nothing else would: a batch of 100 leased, and deleted.
WITH picked AS MATERIALIZED (
    SELECT id
      FROM bench_jobs
     WHERE state = 'ready' AND tenant_id = :tenant::uuid AND run_at <= now()
     ORDER BY run_at, id
     LIMIT 100
       FOR UPDATE SKIP LOCKED
), claimed AS (
    UPDATE bench_jobs
       SET state = 'leased', attempt = attempt + 1, lease_no = lease_no + 1,
           worker = :tenant::uuid, leased_until = now() + interval '20 seconds'
      FROM picked
     WHERE bench_jobs.tenant_id = :tenant::uuid AND bench_jobs.id = picked.id
 RETURNING bench_jobs.id
)
SELECT coalesce(array_agg(id), '{}') AS ids FROM claimed \gset
DELETE FROM bench_jobs WHERE tenant_id = :tenant::uuid AND id = ANY (:ids::uuid[]);
