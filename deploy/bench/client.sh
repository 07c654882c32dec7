# shellcheck shell=bash disable=SC2154
# The database client: the shortest tenant transaction, read one row. Sourced by run, which sets the variables.

client() {
    sql -d "$server user=postgres dbname=postgres" -f "$bench/orders.sql"
    application="$server user=bench_app dbname=postgres"
    reader=00000000-0000-0000-0000-000000000003
    interleave client_pgbench client_loop client_transaction client_look_up
    title 'Database client: a tenant transaction that reads one row, 8 connections, Unix socket'
    figure client_pgbench 'pgbench, a round trip for each of 4 commands' 'tx/s'
    figure client_loop 'bare C loop over libpq, one pipeline' 'tx/s'
    figure client_transaction 'our client, `transaction`: one pipeline, 32 tasks' 'tx/s'
    figure client_look_up 'our client, `lookUp`: those of the same moment together, 32 tasks' 'tx/s'
    ratio client_transaction client_pgbench '`transaction` / pgbench' '>= 0.55'
    ratio client_transaction client_loop '`transaction` / C loop' '>= 0.7'
    ratio client_look_up client_loop '`lookUp` / C loop' '>= 0.7'
    ratio client_look_up client_transaction '`lookUp` / `transaction`' '>= 1.1'
}

measure_client_pgbench() {
    pgbench -T "$seconds" -f "$bench/reads.sql" -D "tenant=$reader" "$application"
    record client_pgbench "$(per_second "$scratch/pgbench")"
}

measure_client_loop() { record client_loop "$("$scratch/loop" "$application" "$reader" 8 "$seconds")"; }

measure_client_transaction() { record client_transaction "$(measure_our_client transaction)"; }

measure_client_look_up() { record client_look_up "$(measure_our_client look-up)"; }

# measure_our_client transaction|look-up
measure_our_client() {
    "$programs/AftercareBench" client --url "$application" --tenant "$reader" --by "$1" --seconds "$seconds"
}
