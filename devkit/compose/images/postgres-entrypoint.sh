#!/bin/bash
# As the postgres image starts: make the cluster the first time, run the scripts of /docker-entrypoint-initdb.d against
# a server that listens on its socket alone, then the server itself, as the user postgres.
set -eu

if [ "$(id -u)" = 0 ]; then
    install -o postgres -g postgres -m 0700 -d "$PGDATA"
    exec setpriv --reuid postgres --regid postgres --init-groups "$0" "$@"
fi

: "${POSTGRES_USER:=postgres}"
: "${POSTGRES_DB:=$POSTGRES_USER}"
export POSTGRES_USER POSTGRES_DB
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    password=${POSTGRES_PASSWORD:-$(cat "${POSTGRES_PASSWORD_FILE:-/dev/null}")}
    initdb --username "$POSTGRES_USER" --pwfile <(echo "$password") --auth-host scram-sha-256 --auth-local trust
    echo "host all all all scram-sha-256" >> "$PGDATA/pg_hba.conf"
    options=$(printf '%q ' "${@:2}" -c listen_addresses=)
    pg_ctl --wait --options "$options" start
    psql --username "$POSTGRES_USER" --dbname postgres --command "CREATE DATABASE \"$POSTGRES_DB\""
    for script in /docker-entrypoint-initdb.d/*.sh; do
        [ ! -e "$script" ] || "$script"
    done
    pg_ctl --wait --mode fast stop
fi
exec "$@" -c listen_addresses='*'
