"""What the Dockerfile copies is enough to run, and has none of the tools in it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from betcore.cli.main import COMMANDS, DEVKIT

ROOT = Path(__file__).parents[2]
# Asked in the image's folder: what starts each process, and every module that a command of production loads.
START = "import api.main, api.feed.main, api.feed.websockets, worker"
LOAD = (
    "from importlib import import_module\n"
    "from betcore.cli.main import commands\n"
    "for row in commands().values():\n"
    "    import_module(row.where.partition(':')[0])\n"
)


def _copied() -> dict[str, str]:
    """Return what the image gets from the build context, each with its place there."""
    lines = (line.split() for line in (ROOT / "Dockerfile").read_text().rpartition("\nFROM ")[2].splitlines())
    return {words[1]: words[2] for words in lines if words[:1] == ["COPY"] and not words[1].startswith("--")}


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with exactly what the image has."""
    folder = tmp_path_factory.mktemp("image")
    for source, target in _copied().items():
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, folder / target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / source, folder / target)
    return folder


def _run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-B", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_the_image_has_what_ships_and_no_tools() -> None:
    copied = _copied()
    assert set(copied) == {"api", "workflows", "activities", "betcore", "worker.py"}
    assert set(copied).isdisjoint({".", "devkit", "bench", "tests"})
    allowed = (ROOT / ".dockerignore").read_text().split()
    assert {name[1:] for name in allowed if name.startswith("!")} == {*copied, "requirements.txt"}


def test_the_image_lists_the_commands_of_production_alone(image: Path) -> None:
    listed = _run(image, "-m", "betcore", "--help").stdout
    assert [name for name in COMMANDS if f"│ {name} " not in listed] == []
    assert [name for name in DEVKIT if name not in COMMANDS and f"│ {name} " in listed] == []


@pytest.mark.parametrize("code", [START, LOAD], ids=["processes", "commands"])
def test_everything_in_the_image_starts(image: Path, code: str) -> None:
    done = _run(image, "-c", code)
    assert done.returncode == 0, done.stderr


def test_the_feed_loads_nothing_of_temporal(image: Path) -> None:
    done = _run(image, "-c", "import api.feed.main, sys; sys.exit('temporalio' in sys.modules)")
    assert done.returncode == 0, done.stderr


def test_an_import_of_the_tools_would_be_seen(image: Path, tmp_path: Path) -> None:
    broken = shutil.copytree(image, tmp_path / "broken")
    with (broken / "worker.py").open("a") as file:
        file.write("\nimport devkit.stack.ports\n")
    done = _run(broken, "-c", START)
    assert done.returncode == 1
    assert "No module named 'devkit'" in done.stderr
