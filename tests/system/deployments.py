"""Worker processes that tests deploy on a stack without workers of its own: today's, and copies that were changed."""

import asyncio
import os
import shutil
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.partner import ROOT, Stack, eventually
from tests.spawned import spawned

# The release: what each file gets in front of which line. The sources are copied, and changed there.
BEFORE_THE_DEBIT, BEFORE_THE_CREDIT = "assess the stake", "announce the credit"
STEPS = {
    "workflows/bet.py": ("        step = await self._movements.debit(self._stake_debit())\n", BEFORE_THE_DEBIT),
    "workflows/support/movements.py": ("        step = await self._try_fast(sending)\n", BEFORE_THE_CREDIT),
}


def changed_sources(folder: Path, *, patched: bool) -> Path:
    """Return a copy of the worker's sources in which a timer runs before the debit and before a credit."""
    for name in ("activities", "betcore", "workflows"):
        # With what Python has compiled, which holds for the files that are not changed here.
        shutil.copytree(ROOT / name, folder / name)
    shutil.copy(ROOT / "worker.py", folder)
    for name, (line, step) in STEPS.items():
        text = (folder / name).read_text()
        assert text.count(f"\n{line}") == 1, f"{name} has no longer this line: {line}"
        indent = line[: len(line) - len(line.lstrip())]
        timer = f'await workflow.sleep(0.05, summary="{step}")\n'
        new = f'{indent}if workflow.patched("{step}"):\n{indent}    {timer}' if patched else f"{indent}{timer}"
        (folder / name).write_text(text.replace(f"\n{line}", f"\n{new}{line}"))
    return folder


class Deployment:
    """One worker process of a stack that has none of its own."""

    def __init__(self, stack: Stack, name: str = "deployed") -> None:
        self._stack = stack
        self._process: Process | None = None
        self._log = stack.folder / f"{name}.log"

    async def deploy(self, sources: Path, **settings: str) -> None:
        """Run the worker of these sources in place of the one before."""
        await self.stop()
        environment = {"BETCORE_DATA_DIR": str(self._stack.folder), "BETCORE_WORKFLOW_SANDBOX": "true", **settings}
        with self._log.open("wb") as log:
            self._process = process = await asyncio.create_subprocess_exec(
                *spawned(sys.executable, "worker.py"),
                cwd=sources,
                env={**os.environ, **environment},
                stdout=log,
                stderr=log,
            )

        async def ready() -> bool:
            said = await asyncio.to_thread(self._log.read_text)
            assert process.returncode is None, said
            return "worker ready" in said

        await eventually(ready, 60)

    async def stop(self) -> None:
        """Stop the worker as a release does: it finishes what it has begun."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(30):
                assert await self._process.wait() == 0
        self._process = None

    def kill(self) -> None:
        """Leave nothing behind."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()


@asynccontextmanager
async def deployed(
    stack: Stack, sources: Path = ROOT, name: str = "deployed", **settings: str
) -> AsyncIterator[Deployment]:
    """Run a worker process of these sources for the length of the block."""
    deployment = Deployment(stack, name)
    try:
        await deployment.deploy(sources, **settings)
        yield deployment
        await deployment.stop()
    finally:
        deployment.kill()
