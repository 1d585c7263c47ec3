"""A Docker engine of the trial's own: Debian's dockerd, started by hand, which leaves nothing behind."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from devkit.compose.shell import CommandFailed, Shell, say

_UP_WITHIN, _DOWN_WITHIN = 60, 90


@contextmanager
def engine(folder: Path, log: Path) -> Iterator[str]:
    """Run an engine whose data is in ``folder``, and yield its DOCKER_HOST. Needs root.

    When the block ends the engine is stopped, what it has mounted is unmounted, the rules of the firewall are what
    they were, and its data is gone. Raises CommandFailed if it does not start.
    """
    root = folder / "docker"
    shell = Shell(folder, log)
    with ExitStack() as stack:
        rules = shell.run("iptables-save", shown=False)
        stack.callback(_remove, root)
        stack.callback(shell.run, "iptables-restore", given=rules.encode(), shown=False)
        address = f"unix://{root}/docker.sock"
        stack.enter_context(_dockerd(root, address, log))
        asking = Shell(folder, log, {"DOCKER_HOST": address})
        _wait(asking)
        version = asking.run("docker", "info", "--format", "{{.ServerVersion}}, {{.Driver}}", shown=False)
        say(f"Docker {version.strip()}")
        yield address


@contextmanager
def _dockerd(root: Path, address: str, log: Path) -> Iterator[None]:
    program = shutil.which("dockerd", path="/usr/sbin:/usr/bin")
    if program is None:
        raise CommandFailed("dockerd is not installed: Debian's package docker.io")
    root.mkdir(parents=True)
    places = ("--data-root", str(root / "data"), "--exec-root", str(root / "run"), "--pidfile", str(root / "pid"))
    # No network of its own: those of compose are enough, and images are built in the machine's.
    command = [program, *places, "--host", address, "--bridge", "none", "--log-level", "warn"]
    env = {**os.environ, "PATH": os.environ.get("PATH", "") + ":/usr/sbin:/sbin"}
    with log.with_name("dockerd.log").open("ab") as output:
        process = subprocess.Popen(command, env=env, stdout=output, stderr=output, start_new_session=True)
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_DOWN_WITHIN)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(shell: Shell) -> None:
    """Wait until the engine answers. Raises CommandFailed."""
    until = time.monotonic() + _UP_WITHIN
    while True:
        try:
            shell.run("docker", "info", shown=False)
        except CommandFailed:
            if time.monotonic() > until:
                raise
            time.sleep(0.5)
        else:
            return


def _remove(root: Path) -> None:
    mounted = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for place in sorted(mounted, reverse=True):
        if Path(place).is_relative_to(root):
            subprocess.run(["/bin/umount", "--lazy", place], check=False)
    shutil.rmtree(root)
