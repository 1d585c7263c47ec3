"""The other two books about the sandbox provider's bets: our own tables, and the journal that the casino shows."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

import aiohttp
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from betcore.errors import SetupRefused
from betcore.money import Money, minor_units
from betcore.sandbox.provider.compare import AggregatorBet, CasinoMovement

ROWS_AT_ONCE = 5000

_BETS = text("""
    SELECT b.provider_bet_id, b.bet_id, b.state, b.currency, b.stake, b.win,
           array_agg(m.transaction_type ORDER BY m.transaction_type) FILTER (WHERE m.state = 'done') AS types,
           array_agg(m.amount ORDER BY m.transaction_type) FILTER (WHERE m.state = 'done') AS amounts
    FROM bet b
    JOIN provider p USING (provider_id)
    LEFT JOIN movement m USING (bet_id)
    WHERE p.counterparty_id = CAST(:counterparty AS uuid) AND b.provider_bet_id = ANY(:bet_ids)
    GROUP BY b.bet_id""")


async def read_ours(engine: AsyncEngine, counterparty_id: str, bet_ids: Sequence[str]) -> dict[str, AggregatorBet]:
    """Our rows of these bets of one provider, by the provider's bet id; a bet without a row is left out."""
    found = {}
    async with engine.connect() as connection:
        for start in range(0, len(bet_ids), ROWS_AT_ONCE):
            asked = {"counterparty": counterparty_id, "bet_ids": list(bet_ids[start : start + ROWS_AT_ONCE])}
            for row in await connection.execute(_BETS, asked):
                found[row.provider_bet_id] = _bet(row)
    return found


def _bet(row: Any) -> AggregatorBet:
    def major(minor: Decimal | None) -> Decimal | None:
        return None if minor is None else Decimal(str(Money(minor=minor_units(minor), currency=row.currency)))

    moved = zip(row.types or (), row.amounts or (), strict=True)
    return AggregatorBet(
        casino_bet_id=row.bet_id,
        state=row.state,
        stake=major(row.stake),
        win=major(row.win),
        movements=tuple(CasinoMovement(row.bet_id, kind, major(amount) or Decimal(0)) for kind, amount in moved),
    )


class SandboxCasino:
    """The handles of the sandbox casino for one of its casinos. Raises SetupRefused where it refuses."""

    def __init__(self, http: aiohttp.ClientSession, url: str, partner_client_id: str) -> None:
        self._http = http
        self._url = url.rstrip("/")
        self._id = partner_client_id

    async def open_player(self, user: str, currency: str, balance: Decimal) -> None:
        """A player with this balance in major units; one who is there already is set to it."""
        await self._ask("POST", "/_players", partner_user_id=user, currency=currency, balance=f"{balance:f}")

    async def balance(self, user: str) -> Decimal:
        """The player's balance in major units, as the wallet has it."""
        shown = await self._ask("GET", f"/_players/{self._id}/{user}")
        return Decimal(shown["balance"])

    async def movements(self, users: Iterable[str]) -> list[CasinoMovement]:
        """All movements of these players about bets, in the order of the journal."""
        found = []
        for user in users:
            query = {"partner_client_id": self._id, "partner_user_id": user}
            entries = await self._ask("GET", "/_journal", query)
            found += [
                CasinoMovement(one["bet_id"], one["transaction_type"], Decimal(one["amount"]))
                for one in entries
                if one["bet_id"] is not None
            ]
        return found

    async def set_faults(self, *faults: dict[str, object]) -> None:
        """Replace the casino's faults; none given heals it."""
        await self._ask("POST", "/_faults", faults=list(faults))

    async def faults_fired(self) -> int:
        """How often the faults in force have met a call."""
        shown = await self._ask("GET", "/_faults", {"partner_client_id": self._id})
        return sum(one["fired"] for one in shown["faults"])

    async def _ask(self, method: str, path: str, query: dict[str, str] | None = None, **body: object) -> Any:
        data = {"partner_client_id": self._id, **body} if body else None
        try:
            async with self._http.request(method, self._url + path, params=query, json=data) as response:
                if response.status != 200:
                    raise SetupRefused(f"sandbox casino, {path}: {await response.text()}", code="sandbox_refused")
                return await response.json()
        except aiohttp.ClientError as failure:
            raise SetupRefused(f"sandbox casino at {self._url}: {failure}", code="unreachable") from failure
