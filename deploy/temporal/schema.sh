#!/bin/sh
# Makes or upgrades Temporal's databases. Run again with each new version of the server, before the server.
set -eu

for database in temporal temporal_visibility; do
    versions=${database#temporal_}
    tool() {
        temporal-sql-tool --plugin postgres12 --ep "$SQL_HOST" -p "$SQL_PORT" -u "$SQL_USER" --db "$database" "$@"
    }
    tool create
    tool setup-schema -v 0.0
    tool update-schema -d "/etc/temporal/schema/postgresql/v12/$versions/versioned"
done
