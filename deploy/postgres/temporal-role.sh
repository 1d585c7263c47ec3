#!/bin/sh
# Run by the postgres image when it makes its cluster: a role for Temporal, which makes its own two databases. The
# password is in TEMPORAL_DATABASE_PASSWORD, or in the file that TEMPORAL_DATABASE_PASSWORD_FILE names.
set -eu
password=${TEMPORAL_DATABASE_PASSWORD:-$(cat "${TEMPORAL_DATABASE_PASSWORD_FILE:?}")}
psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" --set password="$password" <<'SQL'
CREATE ROLE temporal LOGIN CREATEDB PASSWORD :'password';
SQL
