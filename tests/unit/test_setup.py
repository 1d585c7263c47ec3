"""What ``make setup`` shows: what it is about to fetch, how far it is, what it took, and why it has failed."""

import sys
from pathlib import Path

import pytest

from devkit.cli import setup

# Stands in for uv: makes the environment's folder, then installs one package of two, and waits to be seen.
INSTALLER = """#!/bin/sh
[ "$1" = pip ] || exit 0
mkdir -p .venv/lib/python3/site-packages/one-1.dist-info
sleep 0.5
echo "error: no wheel of two" >&2
exit {status}
"""


def _install(folder: Path, monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    uv, requirements = folder / "uv", folder / "requirements.txt"
    uv.write_text(INSTALLER.format(status=status))
    uv.chmod(0o755)
    # A package that two files need is one package.
    requirements.write_text("one==1 \\\n    --hash=sha256:00\n" * 2 + "two==2 ; sys_platform == 'win32' \\\n")
    monkeypatch.chdir(folder)
    monkeypatch.setattr(setup, "QUIET_SECONDS", 0.05)
    monkeypatch.setattr(sys, "argv", ["setup.py", "--uv", str(uv), str(requirements)])
    setup.main()


def test_it_says_what_it_fetches_and_how_far_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _install(tmp_path, monkeypatch, 0)
    first, *shown = capsys.readouterr().out.splitlines()
    assert first.startswith("Installing about 2 packages into .venv with uv")
    assert "  installed 1 of about 2 packages, 0 s" in shown
    assert shown[-1].startswith("Installed 1 packages in ")


def test_a_failure_shows_what_the_installer_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit) as ended:
        _install(tmp_path, monkeypatch, 3)
    assert "error: no wheel of two" in str(ended.value)
    assert "ended with 3" in str(ended.value)


def test_wheels_that_pip_reports_are_counted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    progress = setup.Progress(3)
    for line in (
        "Collecting one==1 (from -r requirements.txt (line 1))",
        "  Downloading one-1-py3-none-any.whl (12 kB)",
        "  Using cached two-2-cp311-manylinux.whl (10.5 MB)",
        "  Using cached two-2-cp311-manylinux.whl (10.5 MB)",
        "  Downloading three-3-py3-none-any.whl.metadata (4.1 kB)",
    ):
        progress.read(line)
    assert (len(progress.fetched), round(progress.megabytes, 3)) == (2, 10.512)
    assert str(progress).startswith("fetched 2 of about 3 packages, 11 MB")
