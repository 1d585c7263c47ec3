#!/bin/sh
# Print the images of docker-compose.yml with the digests that their registries have now, as lines for .env: from then
# on exactly these are used. Needs Docker and its registries. Run it for each upgrade, and keep the lines with the release.
set -eu
for pair in PYTHON_IMAGE=python:3.13-slim HAPROXY_IMAGE=haproxy:3.2 POSTGRES_IMAGE=postgres:18 \
    TEMPORAL_IMAGE=temporalio/server:1.32.2 TEMPORAL_TOOLS_IMAGE=temporalio/admin-tools:1.32.2 \
    TEMPORAL_UI_IMAGE=temporalio/ui:2.54.1; do
    image=${pair#*=}
    docker pull --quiet "$image" >/dev/null
    digest=$(docker image inspect --format '{{range .RepoDigests}}{{println .}}{{end}}' "$image" | sed -n '1s/.*@//p')
    [ -n "$digest" ] || { echo "$image has no digest: it does not come from a registry" >&2; exit 1; }
    echo "${pair%%=*}=$image@$digest"
done
