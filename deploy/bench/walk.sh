# shellcheck shell=bash disable=SC2154
# The walk: webhooks in until they are applied, follow-ups due until a mail server has taken them. Sourced by run, which
# sets the variables.

walk() {
    database="$server user=postgres dbname=bench"
    [[ $(sql -d "$server user=postgres dbname=postgres" -c "SELECT 1 FROM pg_database WHERE datname = 'bench'") ]] ||
        "$programs/AftercareBench" migrate --url "$server user=postgres"
    walk_port=$(free_port) walk_order=0
    start_sink
    start_shop
    interleave walk_round
    title "The walk: $walk_orders webhooks, and the follow-up of each"
    figure walk_taken 'webhooks verified, stored and answered, 16 connections' 'webhooks/s'
    figure walk_applied 'the same until the last is applied to its order' 'webhooks/s'
    figure walk_sent 'follow-ups, from due to accepted by the mail server, 16 at once' 'messages/s'
    figure walk_sink 'of a core, what the mail server itself took for that' '%'
}

# aiosmtpd that only counts; its port is the first line it says, and it ends with its input.
start_sink() {
    mkfifo "$scratch/sink-input"
    # The script is `exec`ed, so that it is the sink whose number this is.
    start_server bash -c 'exec "$@" <>"$0"' "$scratch/sink-input" \
        "$root/.build/python/bin/python" -B "$root/deploy/mail-sink.py" --quiet --record "$scratch/mails"
    sink=$pid
    for _ in {1..100}; do
        sink_port=$(head -n 1 "$log")
        [[ -z $sink_port ]] || return 0
        sleep 0.1
    done
    fail 'the mail sink said no port'
}

# One process that serves, one that works, and a shop that is connected. Its local time is about noon: follow-ups go
# out by day.
start_shop() {
    local token store secret=benchmark-webhook-secret offset program
    walk_key=$(head -c 32 /dev/urandom | base64)
    settings_of aftercare_app
    start_server "${program[@]}" serve
    wait_for "$walk_port" /health/ready
    echo 'a long enough password' | "${program[@]}" create-tenant --name Bench --owner Bench \
        --email bench@bench.example >"$scratch/tenant" || fail 'no tenant could be made'
    settings_of aftercare_worker
    start_server "${program[@]}" work
    token=$(api /sessions '{"email": "bench@bench.example", "password": "a long enough password"}' token)
    offset=$((10#$(date -u +%H) - 12))
    store=$(api /stores "{\"name\": \"Bench\", \"platform\": \"shopify\", \"currency\": \"EUR\",
        \"time_zone\": \"Etc/GMT$([[ $offset == -* ]] && echo "$offset" || echo "+$offset")\"}" id)
    walk_hook=$(api /connections "{\"store_id\": \"$store\", \"provider\": \"shopify\",
        \"account\": \"bench.myshopify.com\", \"secret\": \"$secret\"}" webhook_url)
    walk_hook=/v1/${walk_hook#*/v1/} walk_secret=$secret
}

# settings_of ROLE: sets $program to aftercare with the settings of this part, as a command.
settings_of() {
    program=(env AFTERCARE_DATABASE_URL="$server user=$1 dbname=bench" AFTERCARE_SECRET_KEY="$walk_key"
        AFTERCARE_HTTP_PORT="$walk_port" AFTERCARE_SMTP_HOST=127.0.0.1 AFTERCARE_SMTP_PORT="$sink_port"
        AFTERCARE_SMTP_SECURITY=none AFTERCARE_RATE_KEY_PER_MINUTE=1000000000
        AFTERCARE_RATE_TENANT_PER_MINUTE=1000000000 AFTERCARE_RATE_ADDRESS_PER_MINUTE=1000000000
        AFTERCARE_LOG_LEVEL=error "$programs/aftercare")
}

# api PATH BODY MEMBER: a member of the answer.
api() {
    curl --silent --show-error --fail-with-body "http://127.0.0.1:$walk_port/v1$1" --data "$2" \
        --header 'Content-Type: application/json' ${token:+--header "Authorization: Bearer $token"} |
        sed -nE "s/.*\"$3\":\"([^\"]*)\".*/\1/p"
}

now() { echo "${EPOCHREALTIME/./}"; }

# until_none STATEMENT [SECONDS]: until it counts nothing, looking so often.
until_none() {
    local deadline=$((SECONDS + 300))
    until [[ $(sql -d "$database" -c "$1") == 0 ]]; do
        ((SECONDS < deadline)) || fail "never done: $1"
        sleep "${2:-0.02}"
    done
}

# per COUNT MICROSECONDS: per second.
per() { awk -v count="$1" -v time="$2" 'BEGIN { printf "%.0f", count * 1000000 / time }'; }

# Ticks of 10 ms that a process has run.
ticks() { awk '{ print $14 + $15 }' "/proc/$1/stat"; }

measure_walk_round() {
    local began answered used due
    "$root/.build/python/bin/python" "$bench/walk.py" "$walk_secret" "$((walk_order + 1))" "$walk_orders" \
        >"$scratch/webhooks"
    walk_order=$((walk_order + walk_orders))
    began=$(now)
    wrk -t1 -c16 -d120 -s "$bench/walk.lua" "http://127.0.0.1:$walk_port" -- "$scratch/webhooks" "$walk_hook" \
        >"$scratch/wrk" 2>&1 || { tail -n 10 "$scratch/wrk" >&2 && fail 'wrk failed'; }
    answered=$(now)
    until_none "SELECT count(*) FROM inbound_events WHERE state = 'received'"
    record walk_taken "$(per "$walk_orders" $((answered - began)))"
    record walk_applied "$(per "$walk_orders" $(($(now) - began)))"
    until_none 'SELECT count(*) FROM jobs'
    due=$(sql -d "$database" -c "SELECT count(*) FROM schedule WHERE kind = 'follow_up_due'")
    [[ $due == "$walk_orders" ]] || fail "$due follow-ups are scheduled, and not $walk_orders"
    used=$(ticks "$sink") began=$(now)
    sql -d "$database" -c "UPDATE schedule SET due_at = now() WHERE kind = 'follow_up_due'"
    until_none "SELECT $walk_order - count(*) FROM messages WHERE state = 'accepted'"
    record walk_sent "$(per "$walk_orders" $(($(now) - began)))"
    record walk_sink "$(awk -v ticks=$(($(ticks "$sink") - used)) -v time=$(($(now) - began)) \
        'BEGIN { printf "%.0f", ticks * 1000000 / time }')"
    [[ $(wc -l <"$scratch/mails") == "$walk_order" ]] || fail 'the mail server took another number of mails'
}
