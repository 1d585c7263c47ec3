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


@pytest.mark.parametrize(
    ("limits", "wanted", "files"),
    [
        ("ulimit -Sn 100; ulimit -Hn 300", 200, 200),
        ("ulimit -Sn 100; ulimit -Hn 300", 900, 300),
        ("ulimit -n 300", 9, 9),
    ],
    ids=["raised", "as far as it goes", "enough"],
)
def test_a_process_may_open_as_many_files_as_the_system_allows(limits: str, wanted: int, files: int) -> None:
    program = (
        f"import resource; from betcore.runtime.process import allow_open_files; print(allow_open_files({wanted})); "
    )
    command = [sys.executable, "-c", program + "print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])"]
    shell = ["/bin/sh", "-c", f'{limits}; exec "$@"', "sh", *command]
    ended = subprocess.run(shell, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    allowed, soft = map(int, ended.stdout.split())
    assert (allowed, soft) == (files, max(files, 300 if files == 9 else 100))
