"""A process ends with its own status and all of its output, whatever its threads still do."""

import subprocess
import sys

import pytest

from tests.partner import ROOT

BUSY = "import threading, time; threading.Thread(target=time.sleep, args=(600,)).start(); print('said'); "


@pytest.mark.parametrize("status", [0, 3])
def test_no_thread_keeps_a_process_or_changes_its_status(status: int) -> None:
    command = [sys.executable, "-c", f"{BUSY}from betcore.runtime.process import exit_now; exit_now({status})"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (status, "said\n", "")


@pytest.mark.parametrize(("command", "status"), [("--help", 0), ("no-such-command", 2)])
def test_the_command_line_leaves_like_this(command: str, status: int) -> None:
    # Nothing is run at the interpreter's end.
    noted = f"import atexit, runpy, sys; sys.argv[1:] = ['{command}']; atexit.register(print, 'taken down'); "
    run = [sys.executable, "-c", f"{noted}runpy.run_module('betcore', run_name='__main__')"]
    ended = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == status
    assert "betcore" in ended.stdout + ended.stderr
    assert "taken down" not in ended.stdout
