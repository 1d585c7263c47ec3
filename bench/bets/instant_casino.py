"""A casino that takes every movement and answers at once: ``python -m bench.bets.instant_casino``.

What a call takes beyond it is the service's own time. ``GET /_times`` has the milliseconds that it took itself.
"""

import asyncio
import base64
import json
import time

from aiohttp import web

from bench import harness


class InstantCasino:
    """The casino's endpoints."""

    def __init__(self) -> None:
        self._took: list[float] = []

    def routes(self) -> list[web.RouteDef]:
        """Return the calls of the protocol that a bet makes, and the casino's own clock."""
        return [web.post("/payments/make", self._make), web.get("/_times", self._times)]

    async def _make(self, request: web.Request) -> web.Response:
        began = time.perf_counter()
        payload = json.loads(await request.text()).split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        asked = json.loads(claims["data"])
        value = {name: asked[name] for name in ("BetId", "TransactionId", "TransactionType")}
        value |= {"PartnerTransactionId": f"instant-{asked['TransactionId']}", "Balance": "100.00"}
        answer = web.json_response({"ErrorCode": 200, "Message": "Success", "Value": value})
        self._took.append((time.perf_counter() - began) * 1000)
        return answer

    async def _times(self, _: web.Request) -> web.Response:
        took, self._took = self._took, []
        return web.json_response(took)


if __name__ == "__main__":
    asyncio.run(harness.serve(*InstantCasino().routes()))
