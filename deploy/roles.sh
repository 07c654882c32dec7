#!/usr/bin/env bash
# Makes the database and its four roles in a new PostgreSQL, once, as a superuser (PGHOST and the like as for psql):
#
#   MIGRATOR_PASSWORD=… APP_PASSWORD=… WORKER_PASSWORD=… deploy/roles.sh
#
# The postgres image of compose.yaml runs it by itself. No role of ours is a superuser or may bypass row level security,
# and the two that run all day own nothing.
set -euo pipefail

: "${MIGRATOR_PASSWORD:?}" "${APP_PASSWORD:?}" "${WORKER_PASSWORD:?}"

# The passwords are read by psql from its environment, so that they are in no command line for "ps" to show.
psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "${POSTGRES_USER:-${PGUSER:-postgres}}" --dbname postgres <<'SQL'
\getenv migrator_password MIGRATOR_PASSWORD
\getenv app_password APP_PASSWORD
\getenv worker_password WORKER_PASSWORD
CREATE ROLE aftercare_owner NOLOGIN;
CREATE ROLE aftercare_migrator LOGIN PASSWORD :'migrator_password' IN ROLE aftercare_owner;
CREATE ROLE aftercare_app LOGIN PASSWORD :'app_password';
CREATE ROLE aftercare_worker LOGIN PASSWORD :'worker_password';
-- The queue's tables are empty most of the time, and a plan made then would read the whole table when they are not.
ALTER ROLE aftercare_worker SET enable_seqscan = off;
ALTER ROLE aftercare_worker SET enable_bitmapscan = off;
CREATE DATABASE aftercare OWNER aftercare_owner ENCODING 'UTF8' LOCALE 'C.UTF-8' TEMPLATE template0;
REVOKE ALL ON DATABASE aftercare FROM PUBLIC;
GRANT CONNECT, TEMPORARY ON DATABASE aftercare TO aftercare_migrator, aftercare_app, aftercare_worker;
SQL
