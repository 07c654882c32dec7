# Sourced by the demo scripts: what `aftercare dev` wrote to dev.json, one member a line.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
file=${AFTERCARE_DATA:-$root/data}/dev.json

[[ -r $file ]] || { echo "no $file: start deploy/up first, or set AFTERCARE_DATA" >&2; exit 1; }

# value NAME: a string member of dev.json, also one of a nested object.
value() {
    sed -n "s/.*\"$1\": *\"\([^\"]*\)\".*/\1/p" "$file" | head -n 1
}

# store_time: what time it is for the demo store: its test clock once it has been advanced, else now.
store_time() {
    local clock
    clock=$(api GET "/v1/stores/$(value store_id)" | sed -n 's/.*"test_clock":"\([^"]*\)".*/\1/p')
    echo "${clock:-$(date --utc +%Y-%m-%dT%H:%M:%S.000Z)}"
}

# api METHOD PATH [BODY]: a request with the demo's API key. Fails, and shows the problem, on an error status.
api() {
    curl --silent --show-error --fail-with-body --request "$1" "$(value base_url)$2" \
        --header "Authorization: Bearer $(value api_key)" \
        ${3:+--header 'Content-Type: application/json' --data "$3"}
}
