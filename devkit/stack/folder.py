"""The data folder of a stack: its lock, its keys, its pid files, and the file by which commands find the stack."""

import fcntl
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from betcore.db.roles import ROLES
from betcore.runtime.settings_sources import STACK_FILE
from devkit.stack.errors import StackRefused

_LOG_LIMIT = 10 * 1024 * 1024  # bytes; one older file is kept


# Of the service; the sandbox casino has its own tables.
DATABASE_ROLES = ("owner", *ROLES, "sandbox")


def password_name(role: str) -> str:
    """Return the name under which the keys of a folder have a role's password."""
    return f"database_password_{role}"


class Folder:
    """One data folder; made if it is missing."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.logs = self.path / "logs"
        self.pids = self.path / "run"
        if not self.path.exists():
            self.path.mkdir(parents=True)
            # If root starts the stack, PostgreSQL runs as another user, which has to enter this folder.
            self.path.chmod(0o711 if os.geteuid() == 0 else 0o700)
        self.logs.mkdir(mode=0o700, exist_ok=True)
        self.pids.mkdir(mode=0o700, exist_ok=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder; the kernel lets go however this process ends. Raises StackRefused (``folder_in_use``)."""
        with (self.path / "lock").open("a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.seek(0)
                holder = lock.read().strip() or "unknown"
                message = f"{self.path} is in use by a running stack (pid {holder})"
                raise StackRefused(message, code="folder_in_use") from None
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            yield

    def keys(self) -> dict[str, str]:
        """Return the keys of this folder: ``secret_key`` (Fernet), ``database_password`` of the server's superuser, and
        ``database_password_<role>`` of each role. What is missing is made: an earlier release had no roles.
        """
        file = self.path / "keys.json"
        if file.exists():
            found: dict[str, str] = json.loads(file.read_text())
        else:
            from cryptography.fernet import Fernet  # here: only a new folder needs it

            found = {"database_password": secrets.token_urlsafe(24), "secret_key": Fernet.generate_key().decode()}
        missing = {password_name(role) for role in DATABASE_ROLES} - found.keys()
        if missing:
            found |= {name: secrets.token_urlsafe(24) for name in sorted(missing)}
            _write_private(file, found)
        return found

    def publish(self, stack: Mapping[str, Any]) -> None:
        """Write the file by which other commands find the running stack."""
        _write_private(self.path / STACK_FILE, stack)

    def unpublish(self) -> None:
        """Remove that file: the stack is gone, or its remains are not to be trusted."""
        (self.path / STACK_FILE).unlink(missing_ok=True)

    def log(self, name: str) -> Path:
        """Return the log file of a process. A large one is renamed to ``<name>.log.1`` when the process starts."""
        file = self.logs / f"{name}.log"
        if file.exists() and file.stat().st_size > _LOG_LIMIT:
            file.replace(file.with_suffix(".log.1"))
        return file


def _write_private(file: Path, data: Mapping[str, Any]) -> None:
    """Write for the owner alone, whole or not at all."""
    new = file.with_suffix(".new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        json.dump(data, stream, indent=1)
        stream.flush()
        os.fsync(stream.fileno())
    new.replace(file)
