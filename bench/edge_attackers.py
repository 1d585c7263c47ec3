"""Callers who hold an API's port for nothing; ``bench.edge`` starts them.

``python -m bench.edge_attackers`` with a JSON object of ``port``, ``counterparty_id``, ``idle``, ``dripping``,
``large`` and ``seconds`` opens the connections, prints ``up``, holds them, and prints one JSON object at the end.

Idle connections send nothing; dripping ones a byte of a head, or of a body, each second. Large bodies come from callers
without a secret: half are far larger than their route takes, half as large as one that is sorted may be, with a wrong
signature of a provider for which that is done. What is ended is opened again, so that the numbers stand.
"""

import asyncio
import json
import os
import resource
import sys
from collections import Counter
from itertools import count
from typing import cast

import uvloop

from betcore.provider import xsign

_PATH = "/v1/sessions/none/bets/pay-in"
_POST = f"POST {_PATH} HTTP/1.1\r\nHost: api\r\n"
_HEAD = _POST.encode() + b"X-Long: "
_BODY = f"{_POST}Content-Type: application/json\r\nContent-Length: 16000\r\n\r\n".encode()
_FAR_TOO_LARGE = 100 * 2**20
_PIECE = b"x" * 2**16
# Parts of a second in which dripping connections take turns.
_TURNS = 20
# Connects at once, and seconds between two large bodies of one caller.
_AT_ONCE, _BETWEEN = 50, 1.0
# Connects a second at the begin.
_A_SECOND = 1000
# An address has 28,000 ports to connect from, and the API ends a thousand connections a second.
_ADDRESSES = 64


class Held(asyncio.Protocol):
    """A connection that is held; a lost one is opened again."""

    def __init__(self, attack: "Attack", first: bytes) -> None:
        self._attack = attack
        self._first = first
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, without ever going on."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(self._first)

    def connection_lost(self, exc: Exception | None) -> None:
        """Come again."""
        self._transport = None
        self._attack.lost(self)

    def drip(self) -> None:
        """Send a byte."""
        if self._transport is not None:
            self._transport.write(b"a")

    @property
    def is_open(self) -> bool:
        """Return whether the connection stands."""
        return self._transport is not None


class Attack:
    """All callers of one process."""

    def __init__(self, port: int, counterparty_id: str) -> None:
        self._port = port
        self._counterparty_id = counterparty_id
        self._numbers = count()
        self._at_once = asyncio.Semaphore(_AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()
        self.answers: Counter[str] = Counter()
        self.ended = 0
        self.is_over = False

    async def hold(self, number: int, *firsts: bytes) -> list[Held]:
        """Open connections that begin with one of these bytes."""
        held = [Held(self, firsts[one % len(firsts)]) for one in range(number)]
        for at in range(0, number, _AT_ONCE):
            await asyncio.gather(*map(self._connect, held[at : at + _AT_ONCE]))
            await asyncio.sleep(_AT_ONCE / _A_SECOND)
        return held

    def lost(self, held: Held) -> None:
        """Open a connection again that was ended."""
        if self.is_over:
            return
        self.ended += 1
        task = asyncio.create_task(self._connect(held))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, held: Held) -> None:
        async with self._at_once:
            while True:
                try:
                    await asyncio.get_running_loop().create_connection(
                        lambda: held, "127.0.0.1", self._port, local_addr=(self._address(), 0)
                    )
                    return
                except OSError as error:
                    self.answers[type(error).__name__] += 1
                    await asyncio.sleep(0.1)

    def _address(self) -> str:
        return f"127.0.0.{2 + next(self._numbers) % _ADDRESSES}"

    async def drip(self, held: list[Held]) -> None:
        """Send a byte on each connection each second."""
        for turn in count():
            for one in held[turn % _TURNS :: _TURNS]:
                one.drip()
            await asyncio.sleep(1 / _TURNS)

    async def send_large(self, number: int) -> None:
        """Send one large body after the other."""
        while True:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port, local_addr=(self._address(), 0))
            answer = b""
            try:
                if number % 2:
                    writer.write(f"{_POST}Content-Length: {_FAR_TOO_LARGE}\r\n\r\n".encode())
                    for _ in range(_FAR_TOO_LARGE // len(_PIECE)):
                        writer.write(_PIECE)
                        await writer.drain()
                else:
                    writer.write(self._sorted_in_vain())
                answer = await reader.readline()
            except ConnectionError:
                pass
            finally:
                writer.close()
            self.answers[answer.decode().strip() or "ended"] += 1
            await asyncio.sleep(_BETWEEN)

    def _sorted_in_vain(self) -> bytes:
        body = b'{"betId":"b","z":[' + b"{}," * 1350 + b"{}]}"
        headers = xsign.headers("not-the-secret", self._counterparty_id, body)
        signed = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"{_POST}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n{signed}\r\n".encode() + body


def yield_to_others() -> None:
    """Take only the time that the service and honest callers leave: attackers would have machines of their own."""
    if os.sched_getscheduler(0) == os.SCHED_RR:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    else:
        os.nice(19)


async def main(given: dict[str, object]) -> None:
    """Hold the connections for the seconds, and print what has come of them."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    attack = Attack(int(str(given["port"])), str(given["counterparty_id"]))
    idle = await attack.hold(int(str(given["idle"])), b"")
    dripping = await attack.hold(int(str(given["dripping"])), _HEAD, _BODY)
    busy = [asyncio.create_task(attack.drip(dripping))]
    busy += [asyncio.create_task(attack.send_large(number)) for number in range(int(str(given["large"])))]
    print("up", flush=True)
    seconds, held = int(str(given["seconds"])), []
    for _ in range(seconds):
        await asyncio.sleep(1)
        held.append(sum(one.is_open for one in (*idle, *dripping)))
    attack.is_over = True
    for task in busy:
        task.cancel()
    figures = {
        "held_least": min(held),
        "held_mean": round(sum(held) / len(held)),
        "ended_per_s": round(attack.ended / seconds, 1),
        "answers_to_large_bodies": dict(attack.answers),
    }
    print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    yield_to_others()
    uvloop.run(main(json.loads(sys.argv[1])))
