"""The services of docker-compose.yml in a trial, as an operator handles them."""

import json
import os
import shutil
import signal
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devkit.compose.images import CHECKOUT
from devkit.compose.shell import CommandFailed, Shell, say

_HEALTHY_WITHIN = 600


@dataclass(frozen=True)
class Container:
    """One container of a service."""

    service: str
    pid: int
    state: str
    health: str
    exit_code: int

    @property
    def well(self) -> bool:
        """Return whether it is healthy, or runs if it has no check, or was a job that has done its work."""
        if self.state == "exited":
            return self.exit_code == 0
        return self.state == "running" and self.health in ("healthy", "")

    def __str__(self) -> str:
        return f"{self.service} {self.health or self.state}"


@dataclass(frozen=True)
class Stack:
    """Commands in a copy of the checkout, with the engine and the images of the trial."""

    shell: Shell

    def compose(self, *arguments: str, shown: bool = True) -> str:
        """Run docker-compose and return what it prints. Raises CommandFailed."""
        return self.shell.run("docker-compose", *arguments, shown=shown)

    def ops(self, *arguments: str) -> Any:
        """Run an operator's command, and return what it prints as JSON. Raises CommandFailed."""
        return json.loads(self.compose("run", "--rm", "ops", *arguments, "--json"))

    def containers(self) -> list[Container]:
        """Return all containers, jobs that have ended too."""
        ids = self.shell.run("docker", "ps", "--all", "--quiet", shown=False).split()
        found = json.loads(self.shell.run("docker", "inspect", *ids, shown=False)) if ids else []
        return [_container(one) for one in found if one["Config"]["Labels"].get("com.docker.compose.oneoff") == "False"]

    def wait(self) -> None:
        """Wait until all containers are well. Raises CommandFailed with what is not, and the end of its log."""
        began = time.monotonic()
        while unwell := [one for one in self.containers() if not one.well]:
            if time.monotonic() - began > _HEALTHY_WITHIN:
                logs = self.compose("logs", "--no-color", "--tail", "30", *{one.service for one in unwell}, shown=False)
                raise CommandFailed(f"not well: {', '.join(map(str, unwell))}\n{logs}")
            time.sleep(1)
        counted = Counter(map(str, self.containers()))
        shown = ", ".join(f"{count} {what}" for what, count in sorted(counted.items()))
        say(f"all well after {time.monotonic() - began:.0f} s: {shown}")

    def kill(self, service: str) -> None:
        """Kill the main process of a container of the service, as the kernel does when memory runs out."""
        victim = next(one for one in self.containers() if one.service == service and one.state == "running")
        os.kill(victim.pid, signal.SIGKILL)
        say(f"killed a container of {service}")


def _container(found: dict[str, Any]) -> Container:
    state = found["State"]
    return Container(
        found["Config"]["Labels"]["com.docker.compose.service"],
        state["Pid"],
        state["Status"],
        state.get("Health", {}).get("Status", ""),
        state["ExitCode"],
    )


def copy_checkout(target: Path, shell: Shell) -> None:
    """Copy what git knows of the checkout, as it is now: secrets and settings of a trial stay out of the checkout."""
    shutil.rmtree(target, ignore_errors=True)
    listed = Shell(CHECKOUT, shell.log).run(
        "git", "ls-files", "--cached", "--others", "--exclude-standard", shown=False
    )
    for name in listed.splitlines():
        if (CHECKOUT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(CHECKOUT / name, target / name)
