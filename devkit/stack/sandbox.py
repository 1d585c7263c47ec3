"""The sandbox partners of the stack: their processes, and the accounts, game and player that they start with."""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from devkit.stack import probes
from devkit.stack.errors import StartFailed
from devkit.stack.folder import Folder
from devkit.stack.process import Service, run_once


@dataclass(frozen=True)
class Sandbox:
    """What ``python -m betcore sandbox prepare --json`` prints: made the first time, found later."""

    counterparty_id: str
    secret: str
    partner_client_id: int
    session_id: str


def casino(port: int, env: Mapping[str, str]) -> Service:
    """Return the process of the sandbox casino."""
    command = (sys.executable, "-m", "devkit.sandbox.casino")
    return Service("sandbox-casino", command, env, ready=probes.accepts(port), ports=(port,))


def provider(port: int, env: Mapping[str, str]) -> Service:
    """Return the process of the sandbox provider."""
    command = (sys.executable, "-m", "devkit.sandbox.provider")
    return Service("sandbox-provider", command, env, ready=probes.accepts(port), ports=(port,))


async def prepare(folder: Folder, env: Mapping[str, str]) -> Sandbox:
    """Onboard the sandbox partners and a player with money and an open session. Raises StartFailed."""
    command = (sys.executable, "-m", "betcore", "sandbox", "prepare", "--json")
    printed = await run_once(Service("sandbox-prepare", command, env), folder.log("sandbox-prepare"))
    try:
        return Sandbox(**json.loads(printed))
    except (ValueError, TypeError) as wrong:
        raise StartFailed(f"sandbox prepare printed something else than the accounts: {wrong}") from None
