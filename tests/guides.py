"""The commands of a guide in docs/, run in one shell in the order of the page, and compared with what it promises.

A box marked ``sh`` is a command; a box marked ``text`` or ``json`` right after it, with nothing but blank lines
between, is what it prints. There ``…`` stands for any text in a line, and a line of it alone for any lines.
"""

import asyncio
import os
import re
import signal
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"
_BOX = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_END = "--- end of box"


@dataclass(frozen=True)
class Box:
    """A command of a guide, and what it prints; None if the guide does not say."""

    line: int
    command: str
    printed: str | None


def boxes(page: str) -> list[Box]:
    """Return the commands of a page, in order."""
    found: list[Box] = []
    last_end = -1
    for box in _BOX.finditer(page):
        line = page.count("\n", 0, box.start()) + 1
        follows = last_end >= 0 and not page[last_end : box.start()].strip()
        if box[1] == "sh":
            found.append(Box(line, box[2], None))
        elif follows and box[1] in ("text", "json"):
            found[-1] = Box(found[-1].line, found[-1].command, box[2])
        last_end = box.end() if box[1] == "sh" else -1
    return found


def is_like(printed: str, expected: str) -> bool:
    """Return whether a command has printed what a guide says."""
    lines = [".*" if line.strip() == "…" else _one_line(line) for line in expected.strip().splitlines()]
    return re.fullmatch("\n".join(lines), printed.strip(), re.DOTALL) is not None


def _one_line(line: str) -> str:
    return re.escape(line).replace("…", "[^\n]*")


async def run(page: str, folder: Path, replaced: Mapping[str, str], skipped: set[str], seconds: float) -> list[str]:
    """Run the commands of a page in a folder, and return what is not as the page says, with its line.

    ``replaced`` are addresses of the page and what they are in this run; a box that is ``skipped`` is not run. What the
    page leaves running in the background is ended.
    """
    for old, new in replaced.items():
        page = page.replace(old, new)
    ran = [box for box in boxes(page) if box.command.strip() not in skipped]
    script = "".join(f"{box.command}printf '\\n{_END} %s\\n' $?\n" for box in ran)
    process = await asyncio.create_subprocess_exec(
        *("bash", "-c", script), cwd=folder, stdout=PIPE, stderr=STDOUT, start_new_session=True, env=os.environ
    )
    assert process.stdout is not None
    output = ""
    try:
        # A command that waits for ever is reported with what went wrong before it.
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while output.count(_END) < len(ran) and (line := await process.stdout.readline()):
                    output += line.decode()
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
    ends = re.split(rf"\n{_END} (\d+)\n", output)
    return _wrong(ran, ends[::2], [int(status) for status in ends[1::2]])


def _wrong(ran: list[Box], printed: list[str], statuses: list[int]) -> list[str]:
    found = []
    for box, shown, status in zip(ran, printed, statuses, strict=False):
        expected = "…" if box.printed is None else box.printed
        if status or not is_like(shown, expected):
            found.append(f"line {box.line}, status {status}:\n{box.command}\nprinted:\n{shown}\nexpected:\n{expected}")
    if len(statuses) < len(ran):
        found.append(f"the shell ended, or waited too long, at line {ran[len(statuses)].line}:\n{printed[-1]}")
    return found
