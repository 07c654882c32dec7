# shellcheck shell=bash disable=SC2154
# Webhooks: verified, stored, answered, and applied to their orders, over 1 and 8 connections. Sourced by run, which sets
# the variables.

webhooks() {
    database="$server user=postgres dbname=bench"
    [[ $(sql -d "$server user=postgres dbname=postgres" -c "SELECT 1 FROM pg_database WHERE datname = 'bench'") ]] ||
        "$programs/AftercareBench" migrate --url "$server user=postgres"
    import_port=$(free_port) webhooks_order=0 present=0
    start_importing_shop
    webhooks_secret=benchmark-webhook-secret
    webhooks_hook=$(import_api /connections "{\"store_id\": \"$import_store\", \"provider\": \"shopify\",
        \"account\": \"bench.myshopify.com\", \"secret\": \"$webhooks_secret\"}" webhook_url)
    webhooks_hook=/v1/${webhooks_hook#*/v1/}
    ! $large || without_autovacuum
    webhooks_with 1000
    ! $large || webhooks_with 1000000
    ! $large || webhooks_compared
    stop_server
    stop_server
}

# webhooks_with PRESENT: with so many orders there already, and a webhook of each.
webhooks_with() {
    make_present "$1"
    sql -d "$database" -v store="$(import_store_uuid)" -v present="$present" -f "$bench/webhooks.sql"
    write_out
    prepare_webhooks_pgbench
    interleave webhooks_pgbench_1 webhooks_1 webhooks_pgbench_8 webhooks_8
    title "Webhooks: $walk_orders of an order each, $present orders present"
    local connections
    for connections in 1 8; do
        figure "webhooks_pgbench_${connections}_$present" \
            "pgbench with the same SQL, $connections connections: stored, not verified" 'tx/s'
        figure "webhooks_taken_${connections}_$present" \
            "verified, stored and answered, $connections connections" 'webhooks/s'
        figure "webhooks_applied_${connections}_$present" 'the same until the last is applied to its order' 'webhooks/s'
        figure "webhooks_buffers_${connections}_$present" 'pages of tables and indexes touched' 'per webhook'
        ratio "webhooks_taken_${connections}_$present" "webhooks_pgbench_${connections}_$present" \
            "taken / pgbench, $connections connections" ''
    done
}

webhooks_compared() {
    title 'Webhooks: with a million orders present, and with a thousand'
    local connections
    for connections in 1 8; do
        ratio "webhooks_applied_${connections}_1000" "webhooks_applied_${connections}_1000000" \
            "time until applied, $connections connections" '<= 1.5'
        ratio "webhooks_buffers_${connections}_1000000" "webhooks_buffers_${connections}_1000" \
            "pages touched, $connections connections" '<= 1.2'
    done
}

measure_webhooks_1() { webhooks_round 1; }
measure_webhooks_8() { webhooks_round 8; }
measure_webhooks_pgbench_1() { webhooks_pgbench 1; }
measure_webhooks_pgbench_8() { webhooks_pgbench 8; }

# webhooks_round CONNECTIONS
webhooks_round() {
    local began answered touched
    python3 "$bench/walk.py" "$webhooks_secret" "$((webhooks_order + 1))" "$walk_orders" >"$scratch/webhooks"
    webhooks_order=$((webhooks_order + walk_orders))
    touched=$(pages_touched)
    began=$(now)
    wrk -t1 -c"$1" -d120 -s "$bench/walk.lua" "http://127.0.0.1:$import_port" -- "$scratch/webhooks" "$webhooks_hook" \
        >"$scratch/wrk" 2>&1 || { tail -n 10 "$scratch/wrk" >&2 && fail 'wrk failed'; }
    answered=$(now)
    # By an index, and now and then: what this looks at, and how long it takes, is measured too.
    until_none "SELECT count(*) FROM inbound_events WHERE tenant_id = '$webhooks_tenant' AND state = 'received'" 0.25
    record "webhooks_taken_$1_$present" "$(per "$walk_orders" $((answered - began)))"
    record "webhooks_applied_$1_$present" "$(per "$walk_orders" $(($(now) - began)))"
    until_none "SELECT count(*) FROM jobs WHERE tenant_id = '$webhooks_tenant' AND state IN ('ready', 'leased')"
    record "webhooks_buffers_$1_$present" \
        "$(awk -v pages=$(($(pages_touched) - touched)) -v count="$walk_orders" 'BEGIN { printf "%.1f", pages / count }')"
    [[ $(sql -d "$database" -c "SELECT count(*) FROM orders WHERE store_id = '$(import_store_uuid)'") == \
    $((present + webhooks_order)) ]] || fail 'there is another number of orders'
    vacuum
}

# What Receive asks the database, with a fingerprint and a body of its own each time. The jobs it makes are never due, and
# gone before the next measurement.
prepare_webhooks_pgbench() {
    local row store connection
    row=$(sql -d "$database" -F ' ' -c "SELECT tenant_id, store_id, id FROM connections
                                         WHERE store_id = '$(import_store_uuid)'")
    read -r webhooks_tenant store connection <<<"$row"
    sed -e "s/TENANT/$webhooks_tenant/; s/STORE/$store/; s/CONNECTION/$connection/" "$bench/webhook.sql" >"$scratch/webhook.sql"
}

# webhooks_pgbench CONNECTIONS
webhooks_pgbench() {
    pgbench -c "$1" -j "$(($1 > 1 ? 2 : 1))" -T "$seconds" -f "$scratch/webhook.sql" \
        "$server user=aftercare_app dbname=bench"
    record "webhooks_pgbench_$1_$present" "$(per_second "$scratch/pgbench")"
    sql -d "$database" -c "DELETE FROM jobs WHERE run_at > now() + interval '1 year'" \
        -c "DELETE FROM inbound_deliveries WHERE event_id IN (SELECT id FROM inbound_events WHERE topic = 'bench')" \
        -c "DELETE FROM inbound_events WHERE topic = 'bench'"
    vacuum
}
