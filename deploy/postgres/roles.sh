#!/bin/sh
# Make the roles of betcore's database and set their passwords, from the variables BETCORE_OWNER_PASSWORD,
# BETCORE_API_PASSWORD, BETCORE_WORKER_PASSWORD, BETCORE_FEED_PASSWORD, BETCORE_OPS_PASSWORD, BETCORE_READ_PASSWORD, or
# from the files that these names with _FILE at their end name. BETCORE_ARCHIVE_PASSWORD may be left out: the role of
# `betcore archive` cannot log in then. The postgres image runs this when it makes its cluster;
# it may be run again, also on a server that has been there before, with PGHOST, PGUSER and PGPASSWORD of a superuser.
set -eu

here=$(dirname "$0")
script() {
    for name in owner api worker feed ops read archive; do
        variable=BETCORE_$(echo "$name" | tr a-z A-Z)_PASSWORD
        eval "password=\${$variable:-} file=\${${variable}_FILE:-}"
        if [ -n "$file" ]; then password=$(cat "$file"); fi
        if [ -z "$password" ] && [ "$name" = archive ]; then continue; fi
        if [ -z "$password" ]; then echo "$variable is not set" >&2; exit 1; fi
        printf "SELECT set_config('betcore.password_%s', '%s', false);\n" "$name" "$(printf %s "$password" | sed "s/'/''/g")"
    done
    cat "$here/sql/roles.sql"
}

# A password on a command line would be in the list of processes.
made=$(script)
printf '%s\n' "$made" | psql --quiet --output /dev/null --set ON_ERROR_STOP=1 \
    --username "${POSTGRES_USER:-${PGUSER:-postgres}}" --dbname "${BETCORE_DATABASE:-${POSTGRES_DB:-betcore}}"
