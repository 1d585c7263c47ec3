"""Back up, go on, lose what was done by mistake: the commands of docs/backup.md for docker-compose.yml."""

from devkit.compose.shell import CommandFailed
from devkit.compose.stack import Stack

_BACKUP = "/backup/trial"
_INSIDE = ("exec", "-T", "--user", "postgres", "postgres")
_ALONE = ("run", "--rm", "--no-deps", "-T", "--entrypoint", "sh")


def back_up(stack: Stack) -> None:
    """Take a backup beside the running services. Raises CommandFailed."""
    stack.compose(*_INSIDE, "sh", "/etc/betcore/backup/backup.sh", _BACKUP)


def restore_before_a_mistake(stack: Stack) -> None:
    """Restore the moment before a change by hand, from the backup and the archived WAL. Raises CommandFailed.

    All services are up and well afterwards.
    """
    moment = _ask(stack, "SELECT now()")
    stack.ops("provider", "disable", "--name", "acme", "--operator", "trial")
    _ask(stack, "SELECT pg_switch_wal()")
    _ask(stack, "CHECKPOINT")
    stack.compose("stop")
    recovery = ("-e", "RESTORE_COMMAND=cp /backup/wal/%f %p", "-e", f"TARGET_TIME={moment}")
    script = ("postgres", "/etc/betcore/backup/restore.sh", _BACKUP, "/var/lib/postgresql/restored")
    stack.compose(*_ALONE, "--user", "postgres", *recovery, *script)
    swap = "cd /var/lib/postgresql/restored/.. && mv 18/docker before && mv restored 18/docker"
    stack.compose(*_ALONE, "--user", "root", "postgres", "-c", swap)
    stack.compose("up", "--detach", "postgres")
    stack.compose("start")
    stack.wait()
    if stack.ops("provider", "show", "--name", "acme")["disabled"]:
        raise CommandFailed("the change after the moment is still there")


def _ask(stack: Stack, statement: str) -> str:
    asking = ("psql", "--tuples-only", "--no-align", "--dbname", "betcore", "--command", statement)
    return stack.compose(*_INSIDE, *asking).strip()
