"""``make mutants``: takes each rule out of a copy of the sources, and runs the test that must fail then.

Exit status 1 where a test passes without its rule. Numbers as arguments choose mutants.
"""

import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.mutants.rules import MUTANTS, Mutant

ROOT = Path(__file__).parents[2]
_COPIED = ("api", "activities", "betcore", "tests", "workflows", "worker.py", "pyproject.toml")
# pytest's own: some tests failed.
_FAILED = 1


def _copy(folder: Path) -> None:
    for name in _COPIED:
        source, target = ROOT / name, folder / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)


def caught(mutant: Mutant, folder: Path) -> bool:
    """Whether the mutant's test fails with it, in a copy of the sources; the copy is as before afterwards."""
    file = folder / mutant.file
    whole = file.read_text()
    file.write_text(whole.replace(mutant.old, mutant.new))
    try:
        return _run(mutant.test, folder)
    finally:
        file.write_text(whole)


def _run(test: str, folder: Path) -> bool:
    """Whether the test fails, or waits for something that never comes, which has noticed too."""
    command = (sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", test)
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as ran:
        try:
            return ran.wait(60) == _FAILED
        except subprocess.TimeoutExpired:
            # Asked, not killed: it has servers to stop.
            ran.send_signal(signal.SIGINT)
            try:
                ran.wait(30)
            except subprocess.TimeoutExpired:
                ran.kill()
            return True


def main() -> int:
    """Run the chosen mutants, or all of them."""
    chosen = [int(number) for number in sys.argv[1:]] or range(len(MUTANTS))
    escaped = 0
    with tempfile.TemporaryDirectory() as name:
        _copy(Path(name))
        for number in chosen:
            mutant, began = MUTANTS[number], time.monotonic()
            is_caught = caught(mutant, Path(name))
            escaped += not is_caught
            verdict = "caught" if is_caught else "ESCAPED"
            seconds = time.monotonic() - began
            print(f"{number:2} rule {mutant.rule} {verdict:7} {seconds:4.0f} s  {mutant.what}", flush=True)  # noqa: T201
    return min(escaped, 1)


if __name__ == "__main__":
    sys.exit(main())
