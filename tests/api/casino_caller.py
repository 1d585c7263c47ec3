"""A casino as it calls us over HTTP."""

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text

from betcore.db.onboarding import Onboarding
from betcore.db.signing_keys import SigningKeys
from betcore.domain.bet import BetState
from betcore.domain.messages import PayIn
from betcore.runtime.vault import Vault
from tests.api.wire import JSON, Answer, Api
from tests.in_process_casino import SECRET_KEY, InProcessCasino

TOKEN, ACCEPT = "/mis-api/api/v2/auth/token", "/mis-api/api/v2/payments/accept"
GAMES = "/mis-api/api/v2/games"


@dataclass(frozen=True)
class CasinoAnswer:
    """An answer; ``code`` is HTTP status and ErrorCode."""

    answer: Answer

    @property
    def code(self) -> tuple[int, int]:
        assert set(self.answer.body) == {"ErrorCode", "Message", "Value"}
        return self.answer.status, self.answer.body["ErrorCode"]

    @property
    def value(self) -> Any:
        return self.answer.body["Value"]


@dataclass(frozen=True)
class CasinoCaller:
    """A casino as it calls us."""

    api: Api
    casino: InProcessCasino
    name: str
    partner_client_id: int
    secret: str
    desk: Onboarding
    keys: SigningKeys

    async def post(self, path: str, body: Any, bearer: str | None = None) -> CasinoAnswer:
        """Send a call; a body that is not bytes is sent as JSON."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = [JSON] if bearer is None else [JSON, ("Authorization", bearer)]
        return CasinoAnswer(await self.api.send("POST", path, headers, raw))

    async def get(self, path: str, bearer: str | None = None, **headers: str) -> CasinoAnswer:
        """Send a GET."""
        given = list(headers.items()) if bearer is None else [*headers.items(), ("Authorization", bearer)]
        return CasinoAnswer(await self.api.get(path, given))

    async def log_in(self, secret: str | None = None, client_id: Any = None, **more: Any) -> CasinoAnswer:
        asked = {"PartnerClientId": client_id or self.partner_client_id, "Secret": secret or self.secret}
        return await self.post(TOKEN, asked | more)

    async def bearer(self, **asked: Any) -> str:
        """Return the Authorization header of a casino that has logged in."""
        value = (await self.log_in(**asked)).value
        return f"{value['TokenType']} {value['AccessToken']}"

    async def accept(self, body: Any) -> CasinoAnswer:
        """Send an Accept with a token that holds."""
        return await self.post(ACCEPT, body, await self.bearer())

    async def open(self) -> tuple[PayIn, dict[str, Any]]:
        """Return a stake of 10 EUR that is on its way to the casino, and the Accept that confirms it."""
        bet = await self.casino.pay_in("10.00")
        claim = await self.casino.bets.open(bet, "run", BetState.ACCEPTING, None)
        assert claim is not None
        return bet, {
            "BetId": claim.record.bet_id,
            "PartnerTransactionId": "t-1",
            "PartnerUserId": "anna",
            "TransactionType": -1,
            "Amount": "10.00",
            "ErrorCode": 200,
            "Message": "Success",
        }

    async def sql(self, query: str, **given: Any) -> list[Any]:
        async with self.casino.engine.connect() as connection:
            found = await connection.execute(text(query), given)
            return list(found) if found.returns_rows else []

    async def movement(self, body: dict[str, Any]) -> Any:
        return (await self.sql("SELECT * FROM movement WHERE bet_id = :b", b=body["BetId"]))[0]

    async def incidents(self, body: dict[str, Any]) -> list[str]:
        query = "SELECT kind FROM incident WHERE bet_id = :b ORDER BY incident_id"
        return [row.kind for row in await self.sql(query, b=body["BetId"])]


async def casino_caller(api: Api, casino: InProcessCasino, name: str, client_id: int) -> CasinoCaller:
    """Return a casino that is on record, with its secret."""
    vault = Vault(SECRET_KEY)
    desk = Onboarding(casino.engine, vault)
    keys = SigningKeys(casino.database, vault, 0)
    return CasinoCaller(api, casino, name, client_id, await desk.secret("casino", name), desk, keys)
