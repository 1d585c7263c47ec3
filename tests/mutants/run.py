"""``make mutants``: applies each patch to a copy of the sources, and runs the test that must fail then.

Exit status 1 where a test passes with its defect. Parts of patches' names as arguments choose some of them.
"""

import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

from tests.mutants.patches import MUTANTS, Mutant

ROOT = Path(__file__).parents[2]
_COPIED = ("api", "activities", "betcore", "docs", "tests", "workflows", "worker.py", "pyproject.toml")
_AT_ONCE = 2
# pytest's own: some tests failed. A patch that does not import ends with another one, and has caught nothing.
_FAILED = 1
# A test that waits for what the defect keeps from coming notices it too, only late.
_PATIENCE, _GRACE = 120, 30


def _copy(folder: Path) -> None:
    folder.mkdir()
    for name in _COPIED:
        source, target = ROOT / name, folder / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)


def caught(mutant: Mutant, folder: Path) -> str | None:
    """How the mutant's test notices it in a copy of the sources, None where it does not; the copy is as before then."""
    _apply(mutant, folder)
    try:
        return _run(mutant.test, folder)
    finally:
        _apply(mutant, folder, "--reverse")


def _apply(mutant: Mutant, folder: Path, *how: str) -> None:
    subprocess.run(("git", "apply", *how, str(mutant.patch)), cwd=folder, check=True)  # noqa: S607  the one in the path


def _run(test: str, folder: Path) -> str | None:
    command = (sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", test)
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as ran:
        try:
            return "caught" if ran.wait(_PATIENCE) == _FAILED else None
        except subprocess.TimeoutExpired:
            # Asked, not killed: it has servers to stop.
            ran.send_signal(signal.SIGINT)
            try:
                ran.wait(_GRACE)
            except subprocess.TimeoutExpired:
                ran.kill()
            return "caught, waiting"


def main() -> int:
    """Make the chosen mutants, or all of them, two at a time in a copy each."""
    chosen = [one for one in MUTANTS if not sys.argv[1:] or any(part in one.name for part in sys.argv[1:])]
    with tempfile.TemporaryDirectory() as name, ThreadPoolExecutor(_AT_ONCE) as pool:
        copies: SimpleQueue[Path] = SimpleQueue()
        for number in range(_AT_ONCE):
            _copy(Path(name) / str(number))
            copies.put(Path(name) / str(number))

        def make(mutant: Mutant) -> bool:
            began, copy = time.monotonic(), copies.get()
            try:
                how = caught(mutant, copy)
            finally:
                copies.put(copy)
            seconds = time.monotonic() - began
            print(f"{how or 'ESCAPED':15} {seconds:4.0f} s  {mutant.name}: {mutant.defect}", flush=True)  # noqa: T201
            return how is not None

        found = list(pool.map(make, chosen))
    print(f"{sum(found)} of {len(found)} caught")  # noqa: T201
    return 0 if all(found) else 1


if __name__ == "__main__":
    sys.exit(main())
