# shellcheck shell=bash disable=SC2154
# The import: a file of orders, sent over HTTP and worked off, beside a superuser's COPY of the same rows into the same
# tables. Sourced by run, which sets the variables.

# Tables in the order of their foreign keys, and rows of each that one order of import.py has: ten.
import_tables=(orders order_lines shipments tracking_events facts)
import_rows_of_order=10

import_orders() {
    database="$server user=postgres dbname=bench"
    [[ $(sql -d "$server user=postgres dbname=postgres" -c "SELECT 1 FROM pg_database WHERE datname = 'bench'") ]] ||
        "$programs/AftercareBench" migrate --url "$server user=postgres"
    import_port=$(free_port) import_round=0 present=0
    start_importing_shop
    ! $large || without_autovacuum
    import_with 1000
    ! $large || import_with 1000000
    ! $large || import_compared
    stop_server
    stop_server
}

# import_with PRESENT: with so many orders there already.
import_with() {
    make_present "$1"
    interleave import_round
    title "Import: a file of $import_size orders ($((import_size * import_rows_of_order)) rows), $present orders present"
    figure "import_ours_$present" 'POST imports until the last order is there' 'rows/s'
    figure "import_copy_$present" "a superuser's COPY of the same rows into the same tables" 'rows/s'
    ratio "import_ours_$present" "import_copy_$present" 'ours / COPY' '>= 0.25'
    figure "import_again_$present" 'the same file again, which changes nothing' 'orders/s'
    figure "import_buffers_$present" 'pages of tables and indexes touched' 'per row'
}

import_compared() {
    title 'Import: with a million orders present, and with a thousand'
    ratio import_ours_1000 import_ours_1000000 'time' '<= 1.5'
    ratio import_buffers_1000000 import_buffers_1000 'pages touched' '<= 1.2'
}

# make_present COUNT: so many orders in the store, with what belongs to them. Sets $present.
make_present() {
    say "making $1 orders that are there already"
    sql -d "$database" -v from=$((present + 1)) -v present="$1" -v store="$(import_store_uuid)" -f "$bench/import.sql"
    present=$1
    write_out
}

# What was left to be written to the disk would be written while the next thing is measured.
write_out() { sql -d "$database" -c CHECKPOINT; }

# Pages it looks at would be counted as ours, at any moment it likes; what it would do is done between the rounds.
without_autovacuum() {
    sql -d "$database" -c 'ALTER SYSTEM SET autovacuum = off' -c 'SELECT pg_reload_conf()' >/dev/null
}

# All of it, and not only the queue's: what a round updates is left behind in every table it touches.
vacuum() {
    sql -d "$database" -c 'VACUUM ANALYZE'
    write_out
}

# Pages of tables and their indexes that were looked at so far, in memory or not; but for the queue's, which depend on how
# many jobs ended since the last vacuum, and not on what is there. Sessions tell of theirs once a second.
pages_touched() {
    sleep 2.5
    sql -d "$database" -c "
        SELECT sum(coalesce(heap_blks_read, 0) + coalesce(heap_blks_hit, 0) + coalesce(idx_blks_read, 0)
                   + coalesce(idx_blks_hit, 0) + coalesce(toast_blks_read, 0) + coalesce(toast_blks_hit, 0)
                   + coalesce(tidx_blks_read, 0) + coalesce(tidx_blks_hit, 0))::bigint
          FROM pg_statio_user_tables
         WHERE relname <> 'jobs'"
}

start_importing_shop() {
    local secret program
    secret=$(head -c 32 /dev/urandom | base64)
    program=(env AFTERCARE_SECRET_KEY="$secret" AFTERCARE_HTTP_PORT="$import_port" AFTERCARE_LOG_LEVEL=error
        AFTERCARE_MAIL_DIRECTORY="$scratch/import-mail")
    start_server "${program[@]}" AFTERCARE_DATABASE_URL="$server user=aftercare_app dbname=bench" \
        "$programs/aftercare" serve
    wait_for "$import_port" /health/ready
    echo 'a long enough password' | "${program[@]}" \
        AFTERCARE_DATABASE_URL="$server user=aftercare_app dbname=bench" "$programs/aftercare" create-tenant \
        --name Import --owner Import --email "import-$import_port@bench.example" >"$scratch/tenant" || fail 'no tenant could be made'
    start_server "${program[@]}" AFTERCARE_DATABASE_URL="$server user=aftercare_worker dbname=bench" \
        "$programs/aftercare" work
    import_token=
    import_token=$(import_api /sessions \
        "{\"email\": \"import-$import_port@bench.example\", \"password\": \"a long enough password\"}" token)
    import_store=$(import_api /stores \
        '{"name": "Import", "platform": "other", "currency": "EUR", "time_zone": "Europe/Berlin"}' id)
}

# import_api PATH BODY MEMBER: a member of the answer.
import_api() {
    curl --silent --show-error --fail-with-body "http://127.0.0.1:$import_port/v1$1" --data "$2" \
        --header 'Content-Type: application/json' ${import_token:+--header "Authorization: Bearer $import_token"} |
        sed -nE "s/.*\"$3\":\"([^\"]*)\".*/\1/p"
}

import_store_uuid() { sql -d "$database" -c "SELECT id FROM stores WHERE name = 'Import' ORDER BY id DESC LIMIT 1"; }

# send_import FILE: until it is done. Without `Expect`, for whose answer curl would wait a second in vain.
send_import() {
    curl --silent --show-error --fail-with-body --output "$scratch/import-answer" \
        "http://127.0.0.1:$import_port/v1/stores/$import_store/imports" --data-binary "@$1" \
        --header 'Content-Type: application/x-ndjson' --header "Authorization: Bearer $import_token" \
        --header 'Expect:' ||
        fail "the import was refused: $(cat "$scratch/import-answer")"
    until_none "SELECT count(*) FROM imports WHERE state = 'running'"
}

measure_import_round() {
    local file=$scratch/import.ndjson rows=$((import_size * import_rows_of_order)) began ended touched table prefix
    import_round=$((import_round + 1)) prefix=import$import_round
    python3 "$bench/import.py" "$prefix" "$import_size" >"$file"
    touched=$(pages_touched)
    began=$(now)
    send_import "$file"
    ended=$(now)
    record "import_ours_$present" "$(per "$rows" $((ended - began)))"
    record "import_buffers_$present" \
        "$(awk -v pages=$(($(pages_touched) - touched)) -v count="$rows" 'BEGIN { printf "%.1f", pages / count }')"
    began=$(now)
    send_import "$file"
    record "import_again_$present" "$(per "$import_size" $(($(now) - began)))"
    [[ $(sql -d "$database" -c "SELECT created || ' ' || unchanged FROM imports ORDER BY id DESC LIMIT 2" | sort) == \
    "$(printf '0 %s\n%s 0' "$import_size" "$import_size")" ]] || fail 'the import did something else'
    copy_out_and_away "$prefix"
    began=$(now)
    for table in "${import_tables[@]}"; do echo "\\copy $table FROM '$scratch/$table.copy' (FORMAT binary)"; done |
        sql -d "$database" --single-transaction -f -
    record "import_copy_$present" "$(per "$rows" $(($(now) - began)))"
    [[ $(sql -d "$database" -c "SELECT count(*) FROM orders WHERE external_id LIKE '$prefix-%'") == "$import_size" ]] ||
        fail 'COPY brought back another number of orders'
}

# Takes the orders of this round out of the tables, and leaves the tables as they were.
copy_out_and_away() {
    local table index of
    for table in "${import_tables[@]}"; do
        case $table in
            orders) of="id IN (SELECT id FROM mine)" ;;
            tracking_events) of="shipment_id IN (SELECT id FROM shipments WHERE order_id IN (SELECT id FROM mine))" ;;
            *) of="order_id IN (SELECT id FROM mine)" ;;
        esac
        echo "WITH mine AS (SELECT id FROM orders WHERE external_id LIKE '$1-%') SELECT * FROM $table WHERE $of" \
            >"$scratch/$table.sql"
        echo "\\copy ($(cat "$scratch/$table.sql")) TO '$scratch/$table.copy' (FORMAT binary)"
    done | sql -d "$database" -f -
    for ((index = ${#import_tables[@]} - 1; index >= 0; index--)); do
        table=${import_tables[index]}
        echo "$(sed "s/SELECT \* FROM $table/DELETE FROM $table/" "$scratch/$table.sql");"
    done | sql -d "$database" -f -
    for table in "${import_tables[@]}"; do sql -d "$database" -c "VACUUM ANALYZE $table"; done
}
