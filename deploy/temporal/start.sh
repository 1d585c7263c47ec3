#!/bin/sh
# Start the Temporal server, or a tool of it, with the password of its store from a file.
set -eu
password=$(cat /run/secrets/password_temporal)
export POSTGRES_PWD="$password" SQL_PASSWORD="$password"
# Nodes find each other by this address: the one from which this container reaches the store.
if store=$(getent hosts "${POSTGRES_SEEDS:-postgres}"); then
    address=$(ip route get "${store%% *}" | sed -n 's/.* src \([0-9.]*\).*/\1/p')
    [ -z "$address" ] || export TEMPORAL_BROADCAST_ADDRESS="$address"
fi
exec "$@"
