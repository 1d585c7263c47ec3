#!/bin/sh
# The namespace TEMPORAL_NAMESPACE at TEMPORAL_ADDRESS, its RETENTION, and the search attributes of a bet. May run again.
set -eu

# Waits for the server, a minute at most, and then says what the server said.
tries=0
until said=$(temporal operator cluster health 2>&1); do
    tries=$((tries + 1))
    if [ "$tries" -ge "${WAIT_SECONDS:-60}" ]; then
        echo "no namespace: Temporal at $TEMPORAL_ADDRESS does not answer as healthy: $said" >&2
        exit 1
    fi
    sleep 1
done

# `namespace create` does not look at TEMPORAL_NAMESPACE.
namespace() {
    action=$1
    shift
    temporal operator namespace "$action" --namespace "$TEMPORAL_NAMESPACE" "$@"
}
if namespace describe >/dev/null 2>&1; then
    namespace update --retention "$RETENTION"
else
    namespace create --retention "$RETENTION"
    # The server takes some seconds to find a new namespace by its name.
    tries=0
    until said=$(temporal workflow count 2>&1); do
        tries=$((tries + 1))
        if [ "$tries" -ge "${WAIT_SECONDS:-60}" ]; then
            echo "the namespace $TEMPORAL_NAMESPACE was made, and cannot be used: $said" >&2
            exit 1
        fi
        sleep 1
    done
fi

known=$(temporal operator search-attribute list)
add() {
    echo "$known" | grep -qw "$1" || temporal operator search-attribute create --name "$1" --type "$2"
}
add Casino Keyword
add Provider Keyword
add Player Keyword
add Game Keyword
add BetStatus Keyword
add NeedsAttention Bool
add SettleBy Datetime
