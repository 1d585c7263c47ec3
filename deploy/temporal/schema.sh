#!/bin/sh
# Makes or upgrades Temporal's databases. Run again with each new version of the server, before the server.
set -eu

for database in temporal temporal_visibility; do
    versions=${database#temporal_}
    tool() {
        temporal-sql-tool --plugin postgres12 --ep "$SQL_HOST" -p "$SQL_PORT" -u "$SQL_USER" --db "$database" "$@"
    }
    # PostgreSQL may be restarting: a job that gives up at once stops the whole start.
    tries=0
    until tool create; do
        tries=$((tries + 1))
        if [ "$tries" -ge "${WAIT_SECONDS:-60}" ]; then
            echo "no schema: PostgreSQL at $SQL_HOST does not take the role $SQL_USER" >&2
            exit 1
        fi
        sleep 1
    done
    tool setup-schema -v 0.0
    tool update-schema -d "/etc/temporal/schema/postgresql/v12/$versions/versioned"
done
