#!/usr/bin/env bash
# The running API against openapi/openapi.yaml: is the document valid, and does the server do what it says? Run by
# deploy/test, after the build; needs .build/debug/aftercare. Options are passed on to schemathesis.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"

# Left out: positive_data_acceptance, because our rules refuse much that a schema cannot express (a cursor nobody gave,
# a scope one does not have); object_level_authorization, which the Swift tests do for every route with a second tenant;
# use_after_free, because nothing is freed: a revoked key stays readable, and says so.
checks=(
    not_a_server_error status_code_conformance content_type_conformance response_headers_conformance
    response_schema_conformance negative_data_rejection missing_required_header unsupported_method
    allow_header_conformance ensure_resource_availability ignored_auth
)

server=
scratch=

clean_up() {
    # Asked to stop twice, it still stops the server.
    trap '' INT TERM HUP
    if [[ -n $server ]]; then
        # "aftercare dev" stops its own PostgreSQL on SIGTERM, so it is given the time to.
        kill -TERM "$server" 2>/dev/null || true
        for _ in {1..100}; do
            kill -0 "$server" 2>/dev/null || break
            sleep 0.2
        done
        kill -KILL -- "-$server" 2>/dev/null || true
    fi
    [[ -z $scratch ]] || rm -rf "$scratch"
}

start_server() {
    scratch=$(mktemp -d)
    # Started by root, "aftercare dev" becomes an unprivileged user, who has to get through to its folder.
    chmod 755 "$scratch"
    set -m
    # Thousands of requests a minute with one credential: within the limits most would be answered with 429 alone.
    AFTERCARE_RATE_KEY_PER_MINUTE=1000000000 AFTERCARE_RATE_TENANT_PER_MINUTE=1000000000 \
        AFTERCARE_RATE_ADDRESS_PER_MINUTE=1000000000 \
        .build/debug/aftercare dev --data "$scratch/data" --port 0 >"$scratch/log" 2>&1 </dev/null &
    server=$!
    set +m
}

# dev.json is the sign that it serves; base_url is in it because port 0 lets the system choose.
wait_for_server() {
    for _ in {1..300}; do
        if base_url=$(setting base_url) && token=$(setting admin_token) && key=$(setting api_key); then return 0; fi
        kill -0 "$server" 2>/dev/null || break
        sleep 0.2
    done
    tail -n 20 "$scratch/log" >&2
    fail '"aftercare dev" wrote no dev.json within 60 s; its last lines are above'
}

setting() {
    "$venv/bin/python" -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' \
        "$scratch/data/dev.json" "$1" 2>/dev/null
}

# The origin is enough, whichever way /v1 is divided between the document's servers and its paths.
origin() { "$venv/bin/python" -c 'import sys, urllib.parse as u; p = u.urlsplit(sys.argv[1]); print(f"{p.scheme}://{p.netloc}")' "$1"; }

# run_schemathesis TOKEN OPTION…: the seed and no database of earlier finds, so that the same commit gives the same
# requests. A slow machine is no finding, and a debug build takes its time over passwords. From the scratch folder,
# because it writes notes of its own wherever it is started.
run_schemathesis() {
    local token=$1
    shift
    cd "$scratch"
    "$venv/bin/schemathesis" run "$root/openapi/openapi.yaml" --origin "$(origin "$base_url")" \
        --header "Authorization: Bearer $token" --checks "$(IFS=,; echo "${checks[*]}")" \
        --seed 1 --max-examples 20 --generation-database none --continue-on-failure \
        --suppress-health-check too_slow,data_too_large,filter_too_much --request-timeout 60 --no-color "$@"
}

# Signing out would end the session that all other requests are sent with. So it is tried first, and with the key: a
# key has no session and gets 409. No webhook is signed, so each gets 401 whatever is in it, which is as it has to be;
# what happens to signed ones the Swift tests say (Tests/AftercareTests/Contract/AnswersTests.swift).
# It cannot write lines of JSON, so that imports are left to the Swift tests.
test_api() {
    run_schemathesis "$key" --include-name 'DELETE /v1/sessions/current' &&
        run_schemathesis "$token" --exclude-name 'DELETE /v1/sessions/current' \
            --exclude-name 'POST /v1/stores/{store_id}/imports' "$@"
}

trap clean_up EXIT
trap 'exit 143' INT TERM HUP

[[ -x .build/debug/aftercare ]] || fail 'no .build/debug/aftercare; run deploy/test, or swift build'
need_python_packages
"$venv/bin/openapi-spec-validator" --validation-errors all openapi/openapi.yaml
start_server
wait_for_server
test_api "$@" || { tail -n 20 "$scratch/log" && fail 'schemathesis found failures; the server'"'"'s last lines are above'; }
