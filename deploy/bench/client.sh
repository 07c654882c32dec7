# shellcheck shell=bash disable=SC2154
# The database client: the shortest tenant transaction, read one row. Sourced by run, which sets the variables.

client() {
    sql -d "$server user=postgres dbname=postgres" -f "$bench/orders.sql"
    application="$server user=bench_app dbname=postgres"
    reader=00000000-0000-0000-0000-000000000003
    interleave client_pgbench client_loop client_swift
    title 'Database client: a tenant transaction that reads one row, 8 connections, Unix socket'
    figure client_pgbench 'pgbench, a round trip for each of 4 commands' 'tx/s'
    figure client_loop 'bare C loop over libpq, one pipeline' 'tx/s'
    figure client_swift 'our client, one pipeline, 32 tasks' 'tx/s'
    ratio client_swift client_pgbench 'ours / pgbench' '>= 0.55'
    ratio client_swift client_loop 'ours / C loop' '>= 0.7'
}

measure_client_pgbench() {
    pgbench -T "$seconds" -f "$bench/reads.sql" -D "tenant=$reader" "$application"
    record client_pgbench "$(per_second "$scratch/pgbench")"
}

measure_client_loop() { record client_loop "$("$scratch/loop" "$application" "$reader" 8 "$seconds")"; }

measure_client_swift() {
    record client_swift \
        "$("$programs/AftercareBench" client --url "$application" --tenant "$reader" --seconds "$seconds")"
}
