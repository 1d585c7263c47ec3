#!/bin/sh
# The namespace TEMPORAL_NAMESPACE at TEMPORAL_ADDRESS, its RETENTION, and the search attributes of a bet. May run again.
set -eu

until temporal operator cluster health >/dev/null 2>&1; do sleep 1; done

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
    until temporal workflow count >/dev/null 2>&1; do sleep 1; done
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
