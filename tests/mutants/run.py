"""``make mutants``: applies each patch to a copy of the sources, and runs the test that must fail then.

First the tests run without any defect: one that fails by itself would catch everything. Exit status 1 if a test
fails without a defect, or passes with its own. Arguments choose some: a number is a rule, a word is part of a name.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue

from tests.mutants.reading import MUTANTS, Mutant

ROOT = Path(__file__).parents[2]
_COPIED = (
    "api",
    "activities",
    "betcore",
    "deploy",
    "devkit",
    "docs",
    "tests",
    "workflows",
    "worker.py",
    "pyproject.toml",
)
_AT_ONCE = 2
_PYTEST = (sys.executable, "-m", "pytest", "-q", "-x", "-rf", "--tb=short", "-p", "no:cacheprovider")
_PASSED, _FAILED = 0, 1
# Seconds for one test, for all of them at once, and for a test that was asked to stop.
_PATIENCE, _FOR_ALL, _GRACE = 120, 900, 30


def _copy(folder: Path) -> None:
    folder.mkdir()
    for name in _COPIED:
        source, target = ROOT / name, folder / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)


def caught(mutant: Mutant, folder: Path) -> tuple[bool, str]:
    """Return whether the mutant's test catches it in a copy of the sources, and how; the copy is restored."""
    _apply(mutant, folder)
    try:
        status, printed = _run([mutant.test], folder, _PATIENCE)
    finally:
        _apply(mutant, folder, "--reverse")
    if status is None:
        # It waits for what the defect keeps from coming, or the machine is too slow: without the defect it tells which.
        began = time.monotonic()
        if _run([mutant.test], folder, _PATIENCE)[0] != _PASSED:
            return False, f"no end in {_PATIENCE} s, nor does it pass without the defect"
        return True, f"no end in {_PATIENCE} s, without the defect it passes in {time.monotonic() - began:.0f} s"
    # A server that does not start, or a test that is not found, has noticed nothing about money.
    reasons = [line.partition(" - ")[2] or "failed" for line in printed.splitlines() if line.startswith("FAILED ")]
    if status == _FAILED and reasons:
        return True, reasons[0]
    return False, "passes" if status == _PASSED else f"pytest ended with {status}, and no test has failed"


def _apply(mutant: Mutant, folder: Path, *how: str) -> None:
    subprocess.run(("git", "apply", *how, str(mutant.patch)), cwd=folder, check=True)  # noqa: S607  the one in the path


def _run(tests: Sequence[str], folder: Path, patience: float) -> tuple[int | None, str]:
    """Return pytest's exit status, None if it had to be stopped, and what it printed."""
    environment = os.environ | {"COLUMNS": "240"}
    with (folder / "printed").open("w+") as out:
        with subprocess.Popen(
            (*_PYTEST, *tests), cwd=folder, stdout=out, stderr=out, env=environment, start_new_session=True
        ) as ran:
            try:
                status: int | None = ran.wait(patience)
            except subprocess.TimeoutExpired:
                status = None
                _stop(ran)
            _end_servers(ran.pid)
        out.seek(0)
        return status, out.read()


def _stop(ran: subprocess.Popen[bytes]) -> None:
    """Asked first, then killed: it has servers to stop."""
    ran.send_signal(signal.SIGINT)
    try:
        ran.wait(_GRACE)
    except subprocess.TimeoutExpired:
        ran.kill()
        ran.wait()


def _end_servers(session: int) -> None:
    """End what a pytest that had to be killed has left: all of the session that was begun for it."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(ProcessLookupError):
            if os.getsid(int(process.name)) == session:
                os.kill(int(process.name), signal.SIGTERM)


def _chosen(words: Sequence[str]) -> list[Mutant]:
    """Raises SystemExit for a word that chooses nothing."""

    def chooses(word: str, mutant: Mutant) -> bool:
        return int(word) == mutant.rule if word.isdecimal() else word in mutant.name

    for word in words:
        if not any(chooses(word, mutant) for mutant in MUTANTS):
            raise SystemExit(f"no rule has this number, and no patch this name: {word}")
    return [mutant for mutant in MUTANTS if not words or any(chooses(word, mutant) for word in words)]


def _make(mutants: Iterable[Mutant], folders: Sequence[Path]) -> list[bool]:
    """Return whether each is caught; as many run at a time as there are copies."""
    copies: SimpleQueue[Path] = SimpleQueue()
    for folder in folders:
        copies.put(folder)

    def make(mutant: Mutant) -> bool:
        began, copy = time.monotonic(), copies.get()
        try:
            found, how = caught(mutant, copy)
        finally:
            copies.put(copy)
        verdict, seconds = "caught" if found else "ESCAPED", time.monotonic() - began
        print(f"{verdict:7} {seconds:4.0f} s  {mutant.name}\n                {how}", flush=True)  # noqa: T201
        return found

    with ThreadPoolExecutor(len(folders)) as pool:
        return list(pool.map(make, mutants))


def main() -> int:
    """Run the tests as they are, then make the chosen mutants, or all of them."""
    chosen = _chosen(sys.argv[1:])
    tests = sorted({mutant.test for mutant in chosen})
    with tempfile.TemporaryDirectory() as name:
        folders = [Path(name) / str(number) for number in range(_AT_ONCE)]
        for folder in folders:
            _copy(folder)
        status, printed = _run(tests, folders[0], _FOR_ALL)
        if status != _PASSED:
            print(printed, "\nthese tests must pass before a defect is made", sep="")  # noqa: T201
            return 1
        print(f"{len(tests)} tests pass without a defect", flush=True)  # noqa: T201
        found = _make(chosen, folders)
    print(f"{sum(found)} of {len(found)} caught")  # noqa: T201
    return 0 if all(found) else 1


if __name__ == "__main__":
    sys.exit(main())
