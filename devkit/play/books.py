"""The other two books about the sandbox provider's bets: our own tables, and the casino's journal."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import aiohttp
from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncEngine

from betcore.domain.errors import Unavailable
from betcore.domain.money import Money, minor_units
from devkit.sandbox.provider.compare import AggregatorBet, CasinoMovement
from devkit.stack.errors import SandboxRefused

ROWS_AT_ONCE = 5000

_BETS = text("""
    SELECT b.provider_bet_id, b.bet_id, b.state, b.currency, b.stake, b.win, b.reversed_by,
           array_agg(m.transaction_type ORDER BY m.transaction_type) FILTER (WHERE m.state = 'done') AS types,
           array_agg(m.amount ORDER BY m.transaction_type) FILTER (WHERE m.state = 'done') AS amounts
    FROM bet b
    JOIN provider p USING (provider_id)
    LEFT JOIN movement m USING (bet_id)
    WHERE p.counterparty_id = CAST(:counterparty AS uuid) AND b.provider_bet_id = ANY(:bet_ids)
    GROUP BY b.bet_id""")

# A parked movement keeps its bet settling or refunding, or its reversal open.
_NOT_AT_REST = text("""
    SELECT b.provider_bet_id,
           CASE WHEN b.state = 'accepting' THEN 'unknown'
                WHEN r.bet_id IS NOT NULL THEN 'reversing'
                ELSE 'owed' END AS what
    FROM bet b
    JOIN provider p USING (provider_id)
    LEFT JOIN reversal r ON r.bet_id = b.bet_id AND r.closed_at IS NULL
    WHERE p.counterparty_id = CAST(:counterparty AS uuid) AND b.provider_bet_id = ANY(:bet_ids)
      AND (b.state IN ('accepting', 'settling', 'refunding') OR r.bet_id IS NOT NULL
           OR EXISTS (SELECT FROM movement m WHERE m.bet_id = b.bet_id AND m.state IN ('sending', 'parked')))
    ORDER BY b.bet_id""")


async def read_ours(engine: AsyncEngine, counterparty_id: str, bet_ids: Sequence[str]) -> dict[str, AggregatorBet]:
    """Return our rows of these bets of one provider, by the provider's bet id; a bet without a row is left out."""
    rows = await _read(engine, _BETS, counterparty_id, bet_ids)
    return {row.provider_bet_id: _bet(row) for row in rows}


async def not_at_rest(engine: AsyncEngine, counterparty_id: str, bet_ids: Sequence[str]) -> dict[str, str]:
    """Return which of these bets of one provider still have something to do by our rows: the provider's bet id and
    what.

    ``unknown``: it is not known whether the stake was taken; ``owed``: a movement is not done; ``reversing``: a
    reversal is not over. A bet that waits for its PayOut is at rest.
    """
    rows = await _read(engine, _NOT_AT_REST, counterparty_id, bet_ids)
    return {row.provider_bet_id: row.what for row in rows}


async def _read(engine: AsyncEngine, statement: TextClause, counterparty_id: str, bet_ids: Sequence[str]) -> list[Any]:
    found: list[Any] = []
    async with engine.connect() as connection:
        for start in range(0, len(bet_ids), ROWS_AT_ONCE):
            asked = {"counterparty": counterparty_id, "bet_ids": list(bet_ids[start : start + ROWS_AT_ONCE])}
            found += await connection.execute(statement, asked)
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
        reversed=row.reversed_by is not None,
    )


class SandboxCasino:
    """The control API of the sandbox casino for one of its casinos. Raises SandboxRefused if it refuses."""

    def __init__(self, http: aiohttp.ClientSession, url: str, partner_client_id: str) -> None:
        self._http = http
        self._url = url.rstrip("/")
        self._id = partner_client_id

    async def open_player(self, user: str, currency: str, balance: Decimal) -> None:
        """Create a player with this balance in major units, or set the balance of an existing one."""
        await self._ask("POST", "/_players", partner_user_id=user, currency=currency, balance=f"{balance:f}")

    async def balance(self, user: str) -> Decimal:
        """Return the player's balance in major units, as the wallet has it."""
        shown = await self._ask("GET", f"/_players/{self._id}/{user}")
        return Decimal(shown["balance"])

    async def movements(self, users: Iterable[str]) -> list[CasinoMovement]:
        """Return all movements of these players about bets, in the order of the journal."""
        return [_movement(one) for one in await self._journal(users) if not one["cashback"]]

    async def cashbacks(self, users: Iterable[str]) -> list[CasinoMovement]:
        """Return all movements of these players about cashbacks, in the order of the journal."""
        return [_movement(one) for one in await self._journal(users) if one["cashback"]]

    async def seen(self, users: Iterable[str], before: datetime) -> set[int]:
        """Return the BetIds and CashbackIds of which these players had movements before a time."""
        return {one["bet_id"] for one in await self._journal(users) if datetime.fromisoformat(one["at"]) < before}

    async def _journal(self, users: Iterable[str]) -> list[dict[str, Any]]:
        found = []
        for user in users:
            query = {"partner_client_id": self._id, "partner_user_id": user}
            found += await self._ask("GET", "/_journal", query)
        return [one for one in found if one["bet_id"] is not None]

    async def set_faults(self, *faults: Mapping[str, object], seed: int = 0) -> list[dict[str, Any]]:
        """Replace the casino's faults and return those in force; without arguments remove them. ``seed`` seeds their
        chance."""
        shown = await self._ask("POST", "/_faults", faults=[dict(one) for one in faults], seed=seed)
        return list(shown["faults"])

    async def faults(self) -> list[dict[str, Any]]:
        """Return the faults in force, each with how often it has ``fired``."""
        shown = await self._ask("GET", "/_faults", {"partner_client_id": self._id})
        return list(shown["faults"])

    async def introduce(self, secret: str, aggregator_url: str | None = None) -> None:
        """Give the casino its secret at the aggregator, and the aggregator's address if it has another one."""
        await self._ask("POST", "/_credentials", secret=secret, aggregator_url=aggregator_url)

    async def confirm_by(self, way: str) -> None:
        """Set how outcomes are confirmed from now on: ``reply``, in the answer to make, or ``accept``, later."""
        await self._ask("POST", "/_settings", confirmation=way)

    async def list_cashbacks(self) -> None:
        """Let the casino's payments/info answer for cashbacks too."""
        await self._ask("POST", "/_settings", cashback_info=True)

    async def _ask(self, method: str, path: str, query: dict[str, str] | None = None, **body: object) -> Any:
        data = {"partner_client_id": self._id, **body} if body else None
        try:
            async with self._http.request(method, self._url + path, params=query, json=data) as response:
                if response.status != 200:
                    raise SandboxRefused(f"sandbox casino, {path}: {await response.text()}")
                return await response.json()
        except aiohttp.ClientError as failure:
            raise Unavailable(f"sandbox casino at {self._url}: {failure}", code="unreachable") from failure


def _movement(entry: Mapping[str, Any]) -> CasinoMovement:
    return CasinoMovement(entry["bet_id"], entry["transaction_type"], Decimal(entry["amount"]))
