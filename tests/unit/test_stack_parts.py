"""The parts of the stack that need no servers: ports, the folder, orphans, guarded children, restarts."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from devkit.stack import orphans, ports, probes, spawn
from devkit.stack.errors import PortTaken, StackRefused, StartFailed
from devkit.stack.folder import Folder
from devkit.stack.postgres import choose_identity
from devkit.stack.process import Service, run_once
from devkit.stack.supervisor import Supervisor

_FOREVER = "import signal; signal.pause()"
_POLITE = """
import signal, sys
def bye(*_):
    print("bye", flush=True)
    sys.exit()
signal.signal(signal.SIGTERM, bye)
print("up", flush=True)
signal.pause()
"""
_DEAF = """
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("up", flush=True)
while True:
    signal.pause()
"""


def _python(name: str, code: str, **more: object) -> Service:
    return Service(name, (sys.executable, "-c", code), **more)  # type: ignore[arg-type]


@pytest.fixture
def strange_port() -> Iterator[int]:
    """A port at which another program listens."""
    with socket.socket() as stranger:
        stranger.bind((ports.HOST, 0))
        stranger.listen()
        yield stranger.getsockname()[1]


def test_a_taken_port_is_refused_by_its_setting(strange_port: int) -> None:
    assert ports.taken(strange_port)
    with pytest.raises(StackRefused, match=f"port {strange_port} is in use: set BETCORE_API_PORT"):
        ports.settle({"api_port": strange_port})


def test_free_ports_differ_and_one_is_not_asked_for_twice() -> None:
    port, *_ = different = ports.settle(dict.fromkeys("abc", 0)).values()
    assert len(set(different)) == 3
    with pytest.raises(StackRefused, match="asked for twice: BETCORE_A and BETCORE_B"):
        ports.settle({"a": port, "b": port})


def test_keys_are_made_once_for_the_owner_alone(tmp_path: Path) -> None:
    keys = Folder(tmp_path).keys()
    assert Folder(tmp_path).keys() == keys
    assert (tmp_path / "keys.json").stat().st_mode & 0o777 == 0o600


async def test_an_orphan_is_ended_and_a_stranger_with_its_pid_is_not(tmp_path: Path) -> None:
    ours, stranger = [await asyncio.create_subprocess_exec(sys.executable, "-c", _FOREVER) for _ in range(2)]
    folder = Folder(tmp_path).pids
    orphans.record(folder / "ours.pid", ours.pid, signal.SIGTERM)
    (folder / "stranger.pid").write_text(f"{stranger.pid} 15 {orphans.mark(ours.pid)}0")
    (folder / "torn.pid").write_text("12")
    try:
        assert await orphans.end_all(folder) == ["ours"]
        assert await ours.wait() == -signal.SIGTERM
        assert stranger.returncode is None
        assert os.listdir(folder) == []
    finally:
        stranger.kill()
        await stranger.wait()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the pid files do it")
def test_a_child_ends_when_its_parent_is_killed() -> None:
    child = "import time\nprint('up', flush=True)\ntime.sleep(60)\nprint('lived')"
    spawned = (sys.executable, spawn.__file__, "PARENT", "15", "self", "", sys.executable, "-c", child)
    parent = (
        "import os, subprocess\n"
        f"subprocess.Popen([str(os.getpid()) if word == 'PARENT' else word for word in {spawned!r}])\n"
        f"{_FOREVER}"
    )
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"up\n"
        process.kill()
        # The child holds the same pipe: reading ends when both are gone.
        assert process.stdout.read() == b""


def test_spawn_reports_what_it_cannot_do(tmp_path: Path) -> None:
    (tmp_path / "closed").write_text("")
    command = [sys.executable, spawn.__file__, str(os.getpid()), "15", "self", str(tmp_path / "closed"), "/bin/true"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == spawn.REFUSED
    assert f"cannot reach {tmp_path / 'closed'}" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user runs PostgreSQL as itself")
def test_the_error_for_root_names_what_was_tried(tmp_path: Path) -> None:
    program = tmp_path / "initdb"
    program.write_text("#!/bin/sh\n")
    with pytest.raises(StackRefused, match=f"cannot reach {program}"):
        choose_identity(tmp_path, tmp_path / "postgres", program)


async def test_a_process_that_does_not_start_is_reported_with_the_end_of_its_log(tmp_path: Path) -> None:
    async with Supervisor(Folder(tmp_path)) as supervisor:
        with pytest.raises(StartFailed, match=r"(?s)broken ended with status 3.*no such luck"):
            await supervisor.start(
                _python("broken", "print('no such luck', flush=True); raise SystemExit(3)", ready_line="ready")
            )


async def test_a_process_beaten_to_its_port_has_an_error_of_its_own(tmp_path: Path) -> None:
    with socket.socket() as stranger:
        stranger.bind((ports.HOST, 0))
        port = stranger.getsockname()[1]
    with socket.socket() as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)

        async def beaten() -> bool:
            if not ports.taken(port):
                stranger.bind((ports.HOST, port))
                stranger.listen()
                (tmp_path / "beaten").touch()
            return False

        code = (
            f"import pathlib, time\nwhile not pathlib.Path({str(tmp_path / 'beaten')!r}).exists(): time.sleep(0.01)\n"
        )
        late = _python("late", code + "raise SystemExit(1)", ready=beaten, ports=(port,))
        async with Supervisor(Folder(tmp_path)) as supervisor:
            with pytest.raises(PortTaken, match="late ended with status 1"):
                await supervisor.start(late)


async def test_a_stranger_at_its_port_does_not_make_a_process_ready(tmp_path: Path, strange_port: int) -> None:
    async with Supervisor(Folder(tmp_path)) as supervisor:
        with pytest.raises(PortTaken):
            await supervisor.start(_python("slow", _POLITE, ready=probes.accepts(strange_port), ports=(strange_port,)))


def test_a_port_is_chosen_by_one_process_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as gone:
        gone.bind((ports.HOST, 0))
        port = gone.getsockname()[1]
    monkeypatch.setattr(ports, "_FREE", range(port, port + 1))
    choose = f"ports._FREE = range({port}, {port + 1}); print(*ports.free(1), flush=True); input()"
    command = [sys.executable, "-c", f"from devkit.stack import ports; {choose}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as chooser:
        assert chooser.stdout is not None
        assert chooser.stdout.readline().split() == [str(port).encode()]
        assert ports.free(1) == []
        chooser.communicate(b"\n")
    assert ports.free(1) == [port]


async def test_all_are_stopped_the_last_first_and_the_deaf_are_killed(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    async with Supervisor(folder) as supervisor:
        await supervisor.start(
            _python("first", _POLITE, ready_line="up"), _python("deaf", _DEAF, ready_line="up", grace=0.2)
        )
        running = supervisor.pids
        assert list(running) == ["first", "deaf"]
    assert not [pid for pid in running.values() if orphans.mark(pid)]
    assert "bye" in (folder.logs / "first.log").read_text()
    assert "deaf is killed" in (folder.logs / "stack.log").read_text()
    assert os.listdir(folder.pids) == []


async def test_hurry_ends_a_long_grace(tmp_path: Path) -> None:
    async with asyncio.timeout(30), Supervisor(Folder(tmp_path)) as supervisor:
        await supervisor.start(_python("deaf", _DEAF, ready_line="up", grace=3600))
        supervisor.hurry()


async def test_one_run_returns_what_was_printed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    code = "import sys; print('out'); print('err', file=sys.stderr)"
    assert await run_once(_python("once", code), log) == "out\n"
    assert log.read_text() == "err\n"
