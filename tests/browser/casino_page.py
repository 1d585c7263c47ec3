"""A casino's page in a browser, with the frame in it, and what the frame's page asks of the API."""

import json
from collections.abc import Callable
from typing import Any

from playwright.async_api import FrameLocator, Locator, Page, Request, Route, expect
from sqlalchemy import text

from tests.partner import TestPartner

# Games of the partner beside the one that runs.
MORE = 26


def name_of(partner: TestPartner) -> str:
    """Return the name of the game that runs: no other partner of the stack has one like it."""
    return f"Sandbox Dice of {partner.number}"


def _is_search(request: Request, words: str) -> bool:
    return request.url.endswith("/webframe/api/games") and json.loads(request.post_data or "{}").get("search") == words


class CasinoPage:
    """The sandbox casino's page in a browser, for a player of its own."""

    def __init__(self, partner: TestPartner, page: Page, name: str) -> None:
        self.partner, self.page, self.name = partner, page, name
        self.frame: FrameLocator = page.frame_locator("#games iframe")
        self.game: FrameLocator = self.frame.frame_locator("iframe.game")
        self.cards: Locator = self.frame.locator(".card")
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self.addresses: list[str] = []
        page.on("request", lambda request: self._keep(request.url, request.post_data))

    def _keep(self, url: str, body: str | None) -> None:
        self.addresses.append(url)
        if "/webframe/api/" in url:
            self.sent.append((url.rpartition("/")[2], json.loads(body or "{}")))

    def bodies(self, call: str) -> list[dict[str, Any]]:
        """Return the bodies of all calls of a name."""
        return [body for name, body in self.sent if name == call]

    async def log_in(self) -> None:
        await self.page.get_by_label("Player").fill(self.name)
        await self.page.get_by_role("button", name="Log in").click()

    async def search(self, words: str, games: int) -> None:
        """Search for games of this partner, and wait until there are so many."""
        asked = f"{words} of {self.partner.number}".strip()
        async with self.page.expect_response(lambda answer: _is_search(answer.request, asked)):
            await self.frame.get_by_role("searchbox").fill(asked)
        await expect(self.cards).to_have_count(games)

    async def choose(self) -> None:
        """Search for the game that this partner runs, and press its card."""
        await self.search("Sandbox Dice", 1)
        await self.frame.locator(".card-play").click()

    def event(self, name: str) -> Locator:
        return self.page.locator("#events li").filter(has_text=f"{name} ")

    async def alter(self, call: str, change: Callable[[Any], object]) -> None:
        """Let the API's answers to a call reach the frame's page changed, from now on."""

        async def answer(route: Route) -> None:
            response = await route.fetch()
            body = await response.json()
            change(body)
            await route.fulfill(response=response, json=body)

        await self.page.route(f"**/webframe/api/{call}", answer)

    async def refuse(self, call: str, status: int, code: str) -> None:
        """Let the next call of a name be refused."""

        async def answer(route: Route) -> None:
            await route.fulfill(status=status, json={"code": code, "message": ""})

        await self.page.route(f"**/webframe/api/{call}", answer, times=1)

    async def idle(self) -> None:
        """Let half an hour pass without a call of this casino's frames."""
        of_casino = "WHERE casino_id = (SELECT casino_id FROM casino WHERE name = :name)"
        async with self.partner.stack.engine.begin() as connection:
            for query in (
                "UPDATE frame_session SET expires_at = now() - interval '1 second'",
                "UPDATE player_authentication SET ended_at = ended_at - interval '30 minutes'",
            ):
                await connection.execute(text(f"{query} {of_casino}"), {"name": self.partner.casino})

    async def authenticated(self) -> int:
        """Return how often the casino was asked whose a token is."""
        return len([call for call in await self.partner.calls() if call["path"] == "/users/auth"])
