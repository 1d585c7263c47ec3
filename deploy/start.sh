#!/bin/sh
# Give a process its secrets from files: a file /run/secrets/BETCORE_<NAME> becomes the variable of its name.
set -eu
for file in /run/secrets/BETCORE_*; do
    [ -f "$file" ] || continue
    value=$(cat "$file")
    export "${file##*/}=$value"
done
exec "$@"
