"""A provider whose calls are all refused, so many a second, in a process of its own: ``python -m bench.bets.noise``.

BENCH_API, BENCH_COUNTERPARTY, BENCH_SECRET and BENCH_RATE say where, who and how many. SIGTERM ends it; it then prints
how many calls had which HTTP status. It writes to its connections by itself: an HTTP client would take more CPU for a
call than the service does, which has to share the machine with it.
"""

import asyncio
import json
import os
import re
import signal
from collections import Counter
from urllib.parse import urlsplit

from betcore.provider import xsign

# Connections, each with one call at a time. One that is late leaves calls out: the rate is an upper limit.
_LANES = 64
_BODY = xsign.compact({"betId": "noise", "betAmount": "10.00", "gameRoundId": "round"})
_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


class Noise:
    """The calls of one provider."""

    def __init__(self, api: str, counterparty_id: str, secret: str, rate: float) -> None:
        url = urlsplit(api)
        self._host, self._port = str(url.hostname), url.port or 80
        self._path = f"{url.path}/v1/sessions/nobody/bets/pay-in"
        self._counterparty_id, self._secret = counterparty_id, secret
        self._gap = _LANES / rate
        self.heard: Counter[str] = Counter()

    async def send(self, lane: int, stop: asyncio.Event) -> None:
        """Send calls over one connection until ``stop`` is set."""
        loop = asyncio.get_running_loop()
        reader, writer = await asyncio.open_connection(self._host, self._port)
        due = loop.time() + self._gap * lane / _LANES
        while not stop.is_set():
            await asyncio.sleep(due - loop.time())
            writer.write(self._request())
            head = await reader.readuntil(b"\r\n\r\n")
            length = _LENGTH.search(head)
            await reader.readexactly(int(length[1]) if length else 0)
            self.heard[head.split(b" ", 2)[1].decode()] += 1
            due = max(due + self._gap, loop.time())
        writer.close()

    def _request(self) -> bytes:
        signed = {"Content-Type": "application/json", **xsign.headers(self._secret, self._counterparty_id, _BODY)}
        lines = [f"POST {self._path} HTTP/1.1", f"Host: {self._host}", f"Content-Length: {len(_BODY)}"]
        lines += [f"{name}: {value}" for name, value in signed.items()]
        return "\r\n".join([*lines, "", ""]).encode() + _BODY


async def _main() -> None:
    stop, given = asyncio.Event(), os.environ
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    noise = Noise(given["BENCH_API"], given["BENCH_COUNTERPARTY"], given["BENCH_SECRET"], float(given["BENCH_RATE"]))
    print("ready", flush=True)
    await asyncio.gather(*(noise.send(lane, stop) for lane in range(_LANES)))
    print(json.dumps(noise.heard), flush=True)


if __name__ == "__main__":
    asyncio.run(_main())
