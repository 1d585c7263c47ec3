"""Run a program under another identity, and let it end with its parent.

Run as a file, before the program that takes its place (so the process id stays)::

    python -I -S spawn.py PARENT SIGNAL IDENTITY REACH PROGRAM ARGUMENT...

``PARENT`` is the pid whose death sends ``SIGNAL`` to the program (on Linux; elsewhere the next start ends it by its pid
file). ``IDENTITY`` is ``self``, ``drop:UID:GID`` (drop root for good) or ``map:UID:GID`` (a user namespace in which
root looks like UID: it keeps the access of the files' owner, and loses root's powers). ``REACH`` is a list of paths,
separated by ``:``, that the identity must be able to enter or run. On failure it prints a line
with the reason and exits with status 126.

This runs between fork and exec of a process that may have threads, which is why it is a program and not a hook.
"""

import ctypes
import os
import sys
from pathlib import Path

REFUSED = 126
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_CLONE_NEWUSER = 0x10000000  # linux/sched.h


def _drop(uid: int, gid: int) -> None:
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def _map(uid: int, gid: int) -> None:
    outer_uid, outer_gid = os.geteuid(), os.getegid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "no user namespace: " + os.strerror(ctypes.get_errno()))
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{uid} {outer_uid} 1")
    Path("/proc/self/gid_map").write_text(f"{gid} {outer_gid} 1")


def _become(identity: str) -> None:
    how, *numbers = identity.split(":")
    if how != "self":
        uid, gid = map(int, numbers)
        (_drop if how == "drop" else _map)(uid, gid)


def die_with(parent: int, signal: int) -> None:
    """Let the death of ``parent`` send this process a signal (on Linux). Raise OSError if it is dead already."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal)
    if os.getppid() != parent:
        raise OSError("the parent is gone")


def main() -> None:
    """Do what the module describes; never return."""
    parent, signal, identity, reach, *command = sys.argv[1:]
    os.umask(0o077)  # what it writes is bets and players
    try:
        _become(identity)
        for path in filter(None, reach.split(":")):
            if not os.access(path, os.X_OK):
                raise OSError(f"cannot reach {path}")
        die_with(int(parent), int(signal))
        os.execv(command[0], command)  # noqa: S606 - the program is the supervisor's own choice
    except OSError as failure:
        sys.stderr.write(f"{identity}: {failure}\n")
        sys.exit(REFUSED)


if __name__ == "__main__":
    main()
