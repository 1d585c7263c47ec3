#!/bin/sh
# Start the postgres image with TLS. PostgreSQL takes its key from nobody's file but its own.
set -eu
install -o postgres -g postgres -m 0700 -d /run/postgresql-tls
install -o postgres -g postgres -m 0700 -d /backup /backup/wal
install -o postgres -g postgres -m 0600 /run/secrets/postgres.key /run/postgresql-tls/server.key
exec docker-entrypoint.sh postgres -c ssl=on \
    -c ssl_cert_file=/run/secrets/postgres.pem -c ssl_key_file=/run/postgresql-tls/server.key \
    -c hba_file=/etc/betcore/pg_hba.conf "$@"
