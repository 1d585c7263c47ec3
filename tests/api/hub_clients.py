"""Clients of the hubs: the real one of npm in Node, and a bare websocket that sends whatever a test wants."""

import asyncio
import json
import shutil
import socket
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from tests.partner import PATIENCE

HUB, OTHER_HUB = "/signalrhub-livefeed-service/hubs", "/signalrhub-integration-service/hubs"
END = "\x1e"
HANDSHAKE = f'{{"protocol":"json","version":1}}{END}'
_SCRIPT = Path(__file__).with_name("signalr_client.mjs")


def subscribe(client_id: int, game_type: int = 1, count: int = 1, call: str | None = "0", **more: Any) -> str:
    """Return the message that subscribes to a game."""
    about = json.dumps({"GameType": game_type, "PartnerClientId": client_id, "Count": count})
    message = {"type": 1, "target": "Subscribe", "arguments": ["SubOnWholeGamesInfo", about]}
    return json.dumps(message | ({} if call is None else {"invocationId": call}) | more) + END


class NpmClient:
    """The client of npm, in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def event(self) -> dict[str, Any]:
        """Return what happens next."""
        assert self._process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            line = await self._process.stdout.readline()
        assert line, "the client has ended"
        found: dict[str, Any] = json.loads(line)
        return found

    async def until(self, *names: str) -> dict[str, Any]:
        """Return the next event of one of these names; others are left out."""
        while (found := await self.event())["event"] not in names:
            pass
        return found

    async def call(self, target: str, *given: object, way: str = "invoke") -> dict[str, Any]:
        """Call a method of the hub, and return what comes of it."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"call": way, "target": target, "given": given}).encode() + b"\n")
        return await self.until("returned", "refused")

    async def subscribe(
        self, client_id: int, game_type: int = 1, count: int = 1, way: str = "invoke"
    ) -> dict[str, Any]:
        """Subscribe to a game."""
        about = json.dumps({"GameType": game_type, "PartnerClientId": client_id, "Count": count})
        return await self.call("Subscribe", "SubOnWholeGamesInfo", about, way=way)

    async def pushed(self) -> dict[str, Any]:
        """Return the next frame."""
        found: dict[str, Any] = (await self.until("pushed"))["frame"]
        return found


@asynccontextmanager
async def npm_client(url: str, *tokens: str, **options: object) -> AsyncIterator[NpmClient]:
    """Run the client of npm. Skips the test without Node 20."""
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    about = json.dumps({"url": url, "tokens": tokens, **options})
    process = await asyncio.create_subprocess_exec(
        *("node", "--no-warnings", "--experimental-websocket", str(_SCRIPT), about),
        stdin=PIPE,
        stdout=PIPE,
        limit=2**20,
    )
    try:
        yield NpmClient(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


class BareClient:
    """A websocket on which a test speaks the protocol by itself."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self._unread: list[dict[str, Any]] = []

    async def send(self, text: str | bytes) -> None:
        """Send one frame."""
        await self.socket.send(text)

    async def message(self) -> dict[str, Any]:
        """Return the next message that is no ping."""
        while not self._unread:
            async with asyncio.timeout(PATIENCE):
                frame = await self.socket.recv()
            assert isinstance(frame, str)
            assert frame.endswith(END)
            self._unread = [one for one in map(json.loads, frame.split(END)[:-1]) if one.get("type") != 6]
        return self._unread.pop(0)

    async def answer(self) -> dict[str, Any]:
        """Return the next message that is no frame either."""
        while (found := await self.message()).get("type") == 1:
            pass
        return found

    async def pushed(self) -> dict[str, Any]:
        """Return the next frame."""
        while (found := await self.message()).get("type") != 1:
            pass
        frame: dict[str, Any] = found["arguments"][0]
        return frame

    async def shake_hands(self) -> None:
        """Get the handshake over."""
        await self.send(HANDSHAKE)
        assert await self.message() == {}


@asynccontextmanager
async def bare_client(
    port: int,
    token: str | None,
    *,
    path: str = HUB,
    query: str = "",
    shake: bool = True,
    over: socket.socket | None = None,
    **headers: str,
) -> AsyncIterator[BareClient]:
    """Open a websocket with a token in its header; ``shake`` gets the handshake over, ``over`` is a socket for it."""
    given = headers | ({} if token is None else {"Authorization": f"Bearer {token}"})
    url = f"ws://127.0.0.1:{port}{path}{query}"
    async with connect(url, additional_headers=given, open_timeout=PATIENCE, max_queue=None, sock=over) as websocket:
        client = BareClient(websocket)
        if shake:
            await client.shake_hands()
        yield client


async def refusal(port: int, token: str | None, **given: Any) -> int:
    """Return the HTTP status with which a websocket is refused."""
    with pytest.raises(InvalidStatus) as refused:
        async with bare_client(port, token, **given):
            pass
    return refused.value.response.status_code
