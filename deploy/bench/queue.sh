# shellcheck shell=bash disable=SC2154
# The queue: jobs that wait, until the last is done and gone. Sourced by run, which sets the variables.

queue() {
    "$programs/AftercareBench" migrate --url "$server user=postgres"
    database="$server user=postgres dbname=bench"
    sql -d "$database" -f "$bench/jobs.sql"
    # The tenant of every job where there is one.
    whale=$(sql -d "$database" -c "SELECT md5('1')::uuid")
    ! $with_peers || prepare_pgqueuer
    local figures=(queue_pgbench queue_whale queue_tenants queue_effect)
    ! $with_peers || figures+=(queue_pgqueuer)
    interleave "${figures[@]}"
    title "Queue: $jobs jobs that do nothing, drained"
    figure queue_pgbench 'pgbench, claim 100 and delete them, 8 clients' 'jobs/s'
    figure queue_pgqueuer 'pgqueuer 1.6.0, 2 workers x 100' 'jobs/s'
    figure queue_whale 'one worker of ours, all of one tenant' 'jobs/s'
    figure queue_tenants 'one worker of ours, 10,000 tenants' 'jobs/s'
    figure queue_effect 'the same, one tenant, each job writes a row in its own transaction' 'jobs/s'
    ratio queue_whale queue_pgbench 'ours, one tenant / pgbench' '>= 0.6'
    ratio queue_tenants queue_pgbench 'ours, 10,000 tenants / pgbench' '>= 0.6'
    ratio queue_whale queue_pgqueuer 'ours, one tenant / pgqueuer' '>= 2'
    ratio queue_tenants queue_pgqueuer 'ours, 10,000 tenants / pgqueuer' '>= 2'
}

# fill TABLE JOBS TENANTS: ids and times grow as they would; nothing of an earlier run is left to be vacuumed.
fill() {
    sql -d "$database" -c "TRUNCATE $1, bench_effects" -c "
        INSERT INTO $1 (tenant_id, id, kind, subject_id, run_at, created_at)
        SELECT md5((number % $3 + 1)::text)::uuid,
               ('01900000-0000-7000-8000-' || lpad(to_hex(number), 12, '0'))::uuid, 'bench',
               ('01900000-0000-7000-8000-' || lpad(to_hex(number), 12, '0'))::uuid,
               now() - interval '1 minute' + number * interval '1 microsecond', now()
          FROM generate_series(1, $2) AS number" -c "ANALYZE $1" -c CHECKPOINT
}

left() { sql -d "$database" -c "SELECT count(*) FROM $1"; }

# drain FIGURE JOBS TENANTS EFFECT
drain() {
    local rate
    fill jobs "$2" "$3"
    rate=$("$programs/AftercareBench" queue-drain --url "$server user=aftercare_worker dbname=bench" \
        --jobs "$2" --effect "$4")
    [[ $(left jobs) == 0 ]] || fail 'the worker left jobs behind'
    [[ $4 == none || $(left bench_effects) == "$2" ]] || fail 'the worker lost effects'
    record "$1" "$rate"
}

measure_queue_whale() { drain queue_whale "$jobs" 1 none; }
measure_queue_tenants() { drain queue_tenants "$jobs" 10000 none; }
measure_queue_effect() { drain queue_effect "$((jobs / 5))" 1 row; }

# Just as many transactions as there are batches; the last of them find less, so what is gone is counted.
measure_queue_pgbench() {
    local batches=$(((jobs + 799) / 800)) gone
    fill bench_jobs "$jobs" 1
    pgbench -t "$batches" -f "$bench/queue.sql" -D "tenant=$whale" "$database"
    gone=$((jobs - $(left bench_jobs)))
    record queue_pgbench "$(awk -v jobs="$gone" -v tps="$(per_second "$scratch/pgbench")" -v transactions="$((batches * 8))" \
        'BEGIN { printf "%.0f", jobs * tps / transactions }')"
}

with_pgqueuer() {
    env PGHOST="$SOCKET_DIR" PGPORT="$PGPORT" PGUSER=postgres PGDATABASE=pgqueuer "$@" >"$scratch/pgqueuer" 2>&1 ||
        { tail -n 5 "$scratch/pgqueuer" >&2 && fail 'pgqueuer failed'; }
}

prepare_pgqueuer() {
    sql -d "$server user=postgres dbname=postgres" -c 'CREATE DATABASE pgqueuer'
    with_pgqueuer "$venv/bin/pgq" install
    with_pgqueuer "$venv/bin/pgq" autovac
}

# Its own tool, which fills the queue itself.
measure_queue_pgqueuer() {
    with_pgqueuer "$venv/bin/python" "$venv/source/tools/benchmark.py" --strategy drain --jobs "$jobs" \
        --dequeue 2 --dequeue-batch-size 100 --output-json "$scratch/pgqueuer.json"
    record queue_pgqueuer "$("$venv/bin/python" -c \
        'import json, sys; print(round(json.load(open(sys.argv[1]))["rate"]))' "$scratch/pgqueuer.json")"
}
