# shellcheck shell=bash disable=SC2154
# The API: reading one row, and one whole order, over HTTP, and what the server that does so needs. Sourced by run, which sets the variables.

http() {
    start_development
    port=$(free_port) bare_port=$(free_port) fastapi_port=$(free_port)
    start_serve "$port"
    serve=$pid
    wait_for "$port" /health/ready
    start_server "$programs/AftercareBench" bare-http --url "$application" --tenant "$tenant" --key "$key" \
        --port "$bare_port"
    wait_for "$bare_port" "/orders/$first_id"
    local figures=(row_pgbench row_bare row_ours order_pgbench order_bare order_ours http_start)
    if $with_peers && [[ -r $peers/fastapi_orders.py ]]; then
        start_fastapi
        # Beside what it is compared with.
        figures=(fastapi "${figures[@]}")
    fi
    interleave "${figures[@]}"
    title 'API: GET of one row, /v1/stores/{store_id}, wrk with 32 connections'
    figure row_pgbench 'pgbench with the same SQL, a round trip for each of 5 commands' 'tx/s'
    figure row_bare 'bare Hummingbird route with the same SQL' 'requests/s'
    figure fastapi 'FastAPI, asyncpg, uvicorn with 2 workers: one row, no credential' 'requests/s'
    figure row_ours 'aftercare serve' 'requests/s'
    ratio row_ours row_pgbench 'ours / pgbench' '>= 0.22'
    ratio row_ours row_bare 'ours / bare route' '>= 0.8'
    ratio row_ours fastapi 'ours / FastAPI' '>= 4'
    figure row_memory 'memory of aftercare serve under that load (VmRSS)' 'MiB' '<= 64'
    figure http_start 'aftercare serve, from start to first 200' 'ms' '<= 500'
    title 'API: GET of a whole order, /v1/orders/{order_id}: it, its lines, shipments and refunds'
    figure order_pgbench 'pgbench with the same SQL, a round trip for each of 8 commands' 'tx/s'
    figure order_bare 'bare Hummingbird route with the same SQL' 'requests/s'
    figure order_ours 'aftercare serve' 'requests/s'
    ratio order_ours order_pgbench 'ours / pgbench' '>= 0.22'
    ratio order_ours order_bare 'ours / bare route' '>= 0.8'
    figure order_memory 'memory of aftercare serve under that load (VmRSS)' 'MiB' '<= 64'
}

# Its PostgreSQL, migrated, with a demo tenant and an API key, is what every server here uses; nothing is asked of it.
start_development() {
    start_server "$programs/aftercare" dev --data "$scratch/development" --port 0
    for _ in {1..300}; do
        [[ ! -r $scratch/development/dev.json ]] || break
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.2
    done
    [[ -r $scratch/development/dev.json ]] ||
        { tail -n 20 "$log" >&2 && fail '"aftercare dev" wrote no dev.json within 60 s'; }
    superuser=$(setting database_url)
    application=$(setting app_database_url)
    token=$(setting api_key)
    IFS='|' read -r tenant store key <<<"$(sql -d "$superuser" -c '
        SELECT stores.tenant_id, stores.id, api_keys.id FROM stores JOIN api_keys USING (tenant_id) LIMIT 1')"
    sql -d "$superuser" -v tenant="$tenant" -v store="$store" -f "$bench/http-rows.sql"
    first_id=01900000-0000-7000-8000-000000000001
    for script in http-row http-order; do sed "s/TENANT/$tenant/" "$bench/$script.sql" >"$scratch/$script.sql"; done
}

# dev.json has one member a line.
setting() { sed -nE "s/^ *\"$1\": *\"(.*)\",?$/\1/p" "$scratch/development/dev.json" | grep .; }

# Started by root, "aftercare dev" keeps its cluster elsewhere.
remove_development() {
    local folder
    [[ -n ${superuser:-} ]] || return 0
    folder=$(sed -nE 's|.*host=(/tmp/aftercare-dev-[a-z0-9]+).*|\1|p' <<<"$superuser")
    [[ -z $folder ]] || rm -rf "$folder" "/var/lib/postgresql/${folder#/tmp/}"
}

start_serve() {
    start_server env AFTERCARE_DATABASE_URL="$application" AFTERCARE_HTTP_PORT="$1" \
        AFTERCARE_SECRET_KEY="$(<"$scratch/development/secret.key")" AFTERCARE_MAIL_DIRECTORY="$scratch/mail" \
        AFTERCARE_RATE_KEY_PER_MINUTE=1000000000 AFTERCARE_RATE_TENANT_PER_MINUTE=1000000000 \
        AFTERCARE_RATE_ADDRESS_PER_MINUTE=1000000000 "$programs/aftercare" serve
}

start_fastapi() {
    sql -d "$superuser" -f "$peers/orders.sql"
    start_server env PYTHONDONTWRITEBYTECODE=1 PEER_DSN="${superuser/postgres@/peer_app@}" \
        "$venv/bin/uvicorn" --app-dir "$peers" fastapi_orders:app --port "$fastapi_port" --workers 2 --log-level warning
    wait_for "$fastapi_port" /orders/00000000-0000-0000-0001-000000000001
}

# Below the range that outgoing connections take their own ports from.
free_port() {
    local port
    while :; do
        port=$((20000 + RANDOM % 12000))
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
    done
    echo "$port"
}

# answers PORT PATH: whether that is answered with 200. Without another program, which would take longer to start.
answers() {
    (
        exec 3<>"/dev/tcp/127.0.0.1/$1"
        printf 'GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' "$2" >&3
        read -r -t 5 line <&3
        [[ $line == *' 200 '* ]]
    ) 2>/dev/null
}

# wait_for PORT PATH: until the server that was started last answers there.
wait_for() {
    local deadline=$((SECONDS + 30))
    until answers "$1" "$2"; do
        if ((SECONDS > deadline)) || ! kill -0 "$pid" 2>/dev/null; then
            tail -n 20 "$log" >&2
            fail "no answer to $2"
        fi
        sleep 0.005
    done
}

# load PORT SCRIPT ARGUMENT…: requests per second. An answer that is no 200 would be a fast one.
load() {
    local port=$1
    shift
    wrk -t1 -c32 -d"$seconds" -s "$1" "http://127.0.0.1:$port" -- "${@:2}" >"$scratch/wrk" 2>&1 ||
        { tail -n 10 "$scratch/wrk" >&2 && fail 'wrk failed'; }
    ! grep -E 'Non-2xx|Socket errors' "$scratch/wrk" >&2 || fail 'wrk was answered with something else than 200'
    sed -nE 's|^Requests/sec: *([0-9.]+).*|\1|p' "$scratch/wrk"
}

# read_with_pgbench SCRIPT FIGURE
read_with_pgbench() {
    pgbench -T "$seconds" -f "$scratch/$1.sql" -D "tenant=$tenant" -D "key=$key" "$application"
    record "$2" "$(per_second "$scratch/pgbench")"
}

measure_row_pgbench() { read_with_pgbench http-row row_pgbench; }
measure_order_pgbench() { read_with_pgbench http-order order_pgbench; }

measure_row_bare() { record row_bare "$(load "$bare_port" "$bench/read.lua" /stores/)"; }
measure_order_bare() { record order_bare "$(load "$bare_port" "$bench/read.lua" /orders/)"; }

measure_row_ours() { measure_ours row /v1/stores/sto_; }
measure_order_ours() { measure_ours order /v1/orders/ord_; }

# measure_ours row|order PATH: requests per second, and the memory.
measure_ours() {
    local watch
    # At the end of the load, when there is most of it.
    (sleep "$(awk -v seconds="$seconds" 'BEGIN { print seconds - 0.3 }')" &&
        awk '/^VmRSS/ { print $2 / 1024 }' "/proc/$serve/status" >"$scratch/memory") &
    watch=$!
    record "$1_ours" "$(load "$port" "$bench/read.lua" "$2" "$token")"
    wait "$watch"
    record "$1_memory" "$(<"$scratch/memory")"
}

measure_fastapi() { record fastapi "$(load "$fastapi_port" "$peers/get.lua" /orders/)"; }

measure_http_start() {
    local began new_port
    new_port=$(free_port)
    began=${EPOCHREALTIME/./}
    start_serve "$new_port"
    wait_for "$new_port" /health/ready
    record http_start "$(((${EPOCHREALTIME/./} - began) / 1000))"
    stop_server
}
