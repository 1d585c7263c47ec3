"""A casino's server and its page as they read the feed."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from betcore.casino.tokens import FEED, Surface, Tokens
from tests.api.casino_caller import CasinoAnswer, CasinoCaller, casino_caller
from tests.api.wire import Api
from tests.in_process_casino import InProcessCasino

FEED_API = "/partnersmediator-service/api/v2"
TOKEN = f"{FEED_API}/auth/token"
ORIGIN = "https://casino.example"


@dataclass(frozen=True)
class FeedReader:
    """A casino, with an access token of the feed."""

    caller: CasinoCaller
    token: str

    @property
    def client_id(self) -> int:
        return self.caller.partner_client_id

    @property
    def port(self) -> int:
        return self.caller.api.port

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    async def get(self, path: str, **headers: str) -> CasinoAnswer:
        """Call the feed."""
        return await self.caller.get(f"{FEED_API}{path}", f"Bearer {self.token}", **headers)

    async def short_token(self, seconds: float, **changed: Any) -> str:
        """Return a token that holds for seconds alone."""
        surface = Surface(changed.get("audience", FEED.audience), timedelta(seconds=seconds))
        return await Tokens(self.caller.keys, "betcore").issue(
            self.client_id, changed.get("generation", 0), changed.get("scope", "feed"), surface
        )


async def feed_reader(feed: Api, casino: InProcessCasino, name: str, client_id: int) -> FeedReader:
    """Return a casino that has logged in at the feed."""
    caller = await casino_caller(feed, casino, name, client_id)
    answer = await caller.post(TOKEN, {"PartnerClientId": client_id, "Secret": caller.secret})
    return FeedReader(caller, answer.value["AccessToken"])


async def other_reader(reader: FeedReader, name: str, profile: str = "") -> FeedReader:
    """Return another casino that has logged in at the same feed."""
    made = await reader.caller.desk.add_casino(name, "http://127.0.0.1:1", f"confirmation: reply\n{profile}")
    return await feed_reader(reader.caller.api, reader.caller.casino, name, int(str(made["partner_client_id"])))
