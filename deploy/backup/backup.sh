#!/bin/sh
# Back up the server of PGHOST, PGPORT, PGUSER and PGPASSWORD into the new folder $1, whole and checked: all databases
# (the service's and Temporal's) as of one moment. The user needs REPLICATION. The WAL that the moment needs is included.
set -eu
folder=${1:?name a folder that does not exist}
[ ! -e "$folder" ] || { echo "$folder exists" >&2; exit 1; }
pg_basebackup --pgdata "$folder.part" --format tar --gzip --wal-method stream --checkpoint fast --manifest-checksums SHA256
mv "$folder.part" "$folder"
(cd "$folder" && sha256sum -- * > SHA256SUMS)
echo "backed up into $folder: $(du -sh "$folder" | cut -f1)"
