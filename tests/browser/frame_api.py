"""The frame's API as its contract says, for tests of the frame's page alone: its calls are answered in the browser.

The page, its policy, the casino's page, the game and its bets are the real ones.
"""

import json
from dataclasses import dataclass, field
from typing import Any

from playwright.async_api import Page, Route

from tests.browser.conftest import launch
from tests.partner import TestPartner

NAMES = ("Golden Dice", "Neon Roulette", "Crash Pilot", "Fruit Carnival", "Book of Rivers", "Lucky Lotto")
CATEGORIES = ("casual", "roulette", "crash", "slots", "slots", "lottery")


def games(count: int = 30) -> list[dict[str, Any]]:
    """Return games, each name several times; only the third of each three has no demo."""
    return [
        {
            "gameId": f"g-{number}",
            "name": NAMES[number % 6] + (f" {number // 6 + 1}" if number >= 6 else ""),
            "provider": ("Aurora Games", "Sandbox Studios")[number % 2],
            "category": CATEGORIES[number % 6],
            "imageUrl": f"https://pictures.example/{number % 6}.svg" if number % 6 != 5 else None,
            "demo": number % 3 != 2,
            "currencies": ["EUR"],
        }
        for number in range(count)
    ]


@dataclass
class FrameApi:
    """Answers of the API, and what it was asked. ``errors`` has the code that a call's next answers have."""

    player: TestPartner
    name: str
    session_id: str
    frame_uri: str | None = None
    errors: dict[str, list[str]] = field(default_factory=dict)
    asked: list[tuple[str, Any]] = field(default_factory=list)

    async def answer(self, page: Page) -> None:
        """Answer the calls of this page from now on."""
        await page.context.route("**/webframe/api/*", self._answer)

    def bodies(self, name: str) -> list[Any]:
        """Return the bodies of all calls of a name."""
        return [body for asked, body in self.asked if asked == name]

    async def _answer(self, route: Route) -> None:
        name, body = route.request.url.rpartition("/")[2], json.loads(route.request.post_data or "{}")
        self.asked.append((name, body))
        if codes := self.errors.get(name):
            await route.fulfill(status=401, json={"code": codes.pop(0), "message": ""})
            return
        await route.fulfill(json=await getattr(self, f"_{name}")(body))

    async def _open(self, body: Any) -> Any:
        player = {"currency": "EUR"} if body["token"] else None
        return {"bearer": "not-a-secret", "expiresIn": 1800, "language": body["language"], "player": player}

    async def _games(self, body: Any) -> Any:
        found = [one for one in games() if body.get("search", "").lower() in one["name"].lower()]
        found = [one for one in found if body.get("category") in (None, one["category"])]
        start = int(body.get("cursor", "0"))
        end = start + body["limit"]
        following = str(end) if len(found) > end else None
        return {"games": found[start:end], "categories": sorted(set(CATEGORIES)), "nextCursor": following}

    async def _launch(self, body: Any) -> Any:
        uri = self.frame_uri or await launch(self.player, self.session_id, body["mode"])
        game = {"gameId": body["game"], "name": next(one["name"] for one in games() if one["gameId"] == body["game"])}
        ends = "2030-01-01T00:00:00Z"
        shown = {"sessionId": self.session_id, "frameUri": uri, "game": game}
        return shown | {"mode": body["mode"], "currency": "EUR", "expiresAt": ends}

    async def _balance(self, _: Any) -> Any:
        known = await self.player.at_casino("GET", f"/_players/{self.player.partner_client_id}/{self.name}")
        return {"balance": known["balance"], "currency": known["currency"]}

    async def _close(self, _: Any) -> Any:
        return {}
