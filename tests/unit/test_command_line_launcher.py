"""``bin/betcore``: the command line from any folder, its version, and its completion in a shell."""

import os
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

from betcore.runtime.version import VERSION

ROOT = Path(__file__).parents[2]
LAUNCHER = ROOT / "bin" / "betcore"
# Complete the words so far as bash does after the Tab key, and print what it offers.
_COMPLETE = """
    eval "$(_BETCORE_COMPLETE=source_bash betcore)"
    COMP_WORDS=({words}) COMP_CWORD={last}
    "$(complete -p betcore | sed 's/.*-F \\([^ ]*\\) .*/\\1/')" betcore
    printf '%s\\n' "${{COMPREPLY[@]}}"
"""


def _run(folder: Path, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    path = f"{LAUNCHER.parent}:{os.environ['PATH']}"
    environment = {**inherited, "PATH": path, **environment}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def _copy(checkout: Path) -> Path:
    """Copy the launcher into a checkout that has nothing else."""
    (checkout / "bin").mkdir(parents=True)
    return Path(shutil.copy(LAUNCHER, checkout / "bin"))


def test_the_version_is_the_one_of_the_project_and_of_the_changelog(tmp_path: Path) -> None:
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == VERSION
    assert VERSION in (ROOT / "CHANGELOG.md").read_text()
    python = ".".join(map(str, sys.version_info[:3]))
    shown = f"betcore {VERSION} (Python {python}, Temporal's SDK {version('temporalio')})\n"
    assert _run(tmp_path, str(LAUNCHER), "--version").stdout == shown


def test_it_starts_in_any_folder_through_a_link(tmp_path: Path) -> None:
    # A module of the same name where it is called is none of ours.
    (tmp_path / "betcore.py").write_text("raise SystemExit('the wrong one')")
    (tmp_path / "link").symlink_to(LAUNCHER)
    done = _run(tmp_path, str(tmp_path / "link"), "provider", "--help")
    assert done.returncode == 0, done.stderr
    assert "Usage: betcore provider " in done.stdout


@pytest.mark.parametrize("given", ["", "/elsewhere"])
def test_the_data_folder_is_the_one_of_the_checkout_unless_another_is_set(tmp_path: Path, given: str) -> None:
    launcher = _copy(tmp_path / "checkout")
    python = tmp_path / "checkout" / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\necho "$BETCORE_DATA_DIR" "$PYTHONPATH"\n')
    python.chmod(0o755)
    (tmp_path / "checkout" / ".venv" / ".installed").touch()
    printed = _run(tmp_path, str(launcher), "up", BETCORE_DATA_DIR=given).stdout.split()
    assert printed == [given or f"{tmp_path}/checkout/.betcore", f"{tmp_path}/checkout"]


def test_without_an_installation_it_says_what_to_do(tmp_path: Path) -> None:
    done = _run(tmp_path, str(_copy(tmp_path)), "up")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"betcore: not installed yet: run make setup in {tmp_path}\n"


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["betcore", "ca"], ["casino", "cashback"]),
        (["betcore", "casino", "set-"], ["set-profile", "set-limits"]),
        (["betcore", "play", "--be"], ["--bets"]),
        (["betcore", "sandbox", "confirm", "ac"], ["accept"]),
    ],
)
def test_bash_completes_commands_options_and_values(tmp_path: Path, words: list[str], offered: list[str]) -> None:
    script = _COMPLETE.format(words=" ".join(words), last=len(words) - 1)
    done = _run(tmp_path, "bash", "-c", script)
    assert done.stdout.split() == offered, done.stderr


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_completion_for_other_shells_calls_the_launcher(tmp_path: Path, shell: str) -> None:
    printed = _run(tmp_path, str(LAUNCHER), _BETCORE_COMPLETE=f"source_{shell}").stdout
    assert f"_BETCORE_COMPLETE=complete_{shell}" in printed
    offered = _run(
        tmp_path,
        str(LAUNCHER),
        _BETCORE_COMPLETE=f"complete_{shell}",
        _TYPER_COMPLETE_ARGS="betcore casino set-",
        _TYPER_COMPLETE_FISH_ACTION="get-args",
        COMP_WORDS="betcore casino set-",
    ).stdout
    assert "set-profile" in offered
    assert "set-limits" in offered
