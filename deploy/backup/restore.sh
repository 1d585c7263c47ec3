#!/bin/sh
# Restore the backup in the folder $1 into the new data folder $2 of a PostgreSQL of the same major version, and check
# every file. Start the server on it afterwards; what to do then: docs/backup.md. With RESTORE_COMMAND and TARGET_TIME
# the archived WAL is replayed up to that moment.
set -eu
backup=${1:?name the folder of the backup} data=${2:?name a folder that does not exist}
[ ! -e "$data" ] || { echo "$data exists" >&2; exit 1; }
(cd "$backup" && sha256sum --check --quiet SHA256SUMS)
mkdir -m 0700 "$data"
tar --extract --gzip --file "$backup/base.tar.gz" --directory "$data"
tar --extract --gzip --file "$backup/pg_wal.tar.gz" --directory "$data/pg_wal"
cp "$backup/backup_manifest" "$data/"
pg_verifybackup --quiet "$data"
if [ -n "${RESTORE_COMMAND:-}" ]; then
    {
        echo "restore_command = '$RESTORE_COMMAND'"
        echo "recovery_target_time = '${TARGET_TIME:?a moment, such as 2026-11-27 10:00:00+00}'"
        echo "recovery_target_action = 'promote'"
    } >> "$data/postgresql.auto.conf"
    touch "$data/recovery.signal"
fi
echo "restored into $data"
