"""Commands of the trial: each is shown as it is typed, and what it prints goes to a log."""

import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


class CommandFailed(Exception):
    """A command ended with another status than 0, or is not installed; the text has the end of what it said."""


def say(text: str) -> None:
    """Show a line of the trial, with the time of day."""
    sys.stdout.write(f"{time.strftime('%H:%M:%S')} {text}\n")
    sys.stdout.flush()


@dataclass(frozen=True)
class Shell:
    """Runs commands in one folder with one environment."""

    folder: Path
    log: Path
    env: Mapping[str, str] = field(default_factory=dict)

    def run(self, *command: str, given: bytes | None = None, shown: bool = True, status: int = 0) -> str:
        """Run a command and return its standard output. Raises CommandFailed for another exit status.

        ``given`` is its standard input. A command that is not shown is a step of the trial, not of a page.
        """
        line = shlex.join(command)
        if shown:
            say(f"$ {line}")
        program = shutil.which(command[0], path=self._path)
        if program is None:
            raise CommandFailed(f"{command[0]} is not installed")
        with self.log.open("ab") as log:
            log.write(f"\n$ {line}\n".encode())
            log.flush()
            done = subprocess.run(
                [program, *command[1:]],
                cwd=self.folder,
                env=self._env,
                input=given,
                stdin=subprocess.DEVNULL if given is None else None,
                capture_output=True,
                check=False,
            )
            log.write(done.stdout + done.stderr)
        if done.returncode != status:
            end = (done.stdout + done.stderr).decode(errors="replace")[-3000:]
            raise CommandFailed(f"{line} ended with {done.returncode}:\n{end}")
        return done.stdout.decode(errors="replace")

    @property
    def _env(self) -> dict[str, str]:
        return {**os.environ, **self.env, "PATH": self._path}

    @property
    def _path(self) -> str:
        # dockerd and its helpers are programs of an administrator.
        return os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
