"""The pools of a run against the providers' books: what stakes have added, and who has won how much.

``verify`` adds each pool's journal up. Here the same is computed from what the providers were answered, and from
nothing else.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from math import floor
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from betcore.domain.money import Money, minor_units
from devkit.play.players import CURRENCY
from devkit.sandbox.provider.book import BookedBet, Outcome

_POOL = text("""
    SELECT share, seed, amount, stakes, contributed,
           (SELECT count(*) FROM jackpot_entry AS entry
            WHERE entry.jackpot_id = jackpot.jackpot_id AND kind = 'contribution') AS entries
    FROM jackpot WHERE jackpot_id = :jackpot_id""")
_WINS = text("""
    SELECT provider_bet_id, -amount AS won FROM jackpot_entry JOIN bet USING (bet_id)
    WHERE jackpot_entry.jackpot_id = :jackpot_id AND (opened_at >= :since OR CAST(:since AS timestamptz) IS NULL)""")


@dataclass(frozen=True, slots=True)
class Pool:
    """A pool as our rows have it, in minor units; ``wins`` by the provider's id of the bet.

    ``entries`` counts the contributions that were booked, each of many stakes.
    """

    jackpot_id: int
    share: Decimal
    seed: int
    amount: int
    stakes: int
    contributed: int
    entries: int
    wins: Mapping[str, int]


async def read_pool(engine: AsyncEngine, jackpot_id: int, since: datetime | None) -> Pool:
    """Return a pool, with the wins of bets that were opened at ``since`` or later."""
    async with engine.connect() as connection:
        row = (await connection.execute(_POOL, {"jackpot_id": jackpot_id})).one()
        wins = await connection.execute(_WINS, {"jackpot_id": jackpot_id, "since": since})
        return _pool(jackpot_id, row, {one.provider_bet_id: minor_units(one.won) for one in wins})


def _pool(jackpot_id: int, row: Any, wins: Mapping[str, int]) -> Pool:
    return Pool(
        jackpot_id=jackpot_id,
        share=row.share,
        seed=minor_units(row.seed),
        amount=minor_units(row.amount),
        stakes=minor_units(row.stakes),
        contributed=minor_units(row.contributed),
        entries=row.entries,
        wins=wins,
    )


def compare(pool: Pool, bets: Sequence[BookedBet], aside: Iterable[str] = (), *, whole: bool = True) -> list[str]:
    """Return how a pool differs from its provider's book; ``aside`` are bets that are not judged.

    If the book is not ``whole``, because bets were set aside, only the wins are compared.
    """
    settled = [bet for bet in bets if bet.outcome is Outcome.SETTLED]
    answered = {bet.stake.bet_id: _minor(bet.jackpot) for bet in settled if _wins(bet, pool.jackpot_id)}
    paid = {bet_id: won for bet_id, won in pool.wins.items() if bet_id not in set(aside)}
    found = [
        f"pool {pool.jackpot_id}: {bet_id} was answered {answered.get(bet_id)}, and {paid.get(bet_id)} was taken"
        for bet_id in sorted(answered.keys() | paid.keys())
        if answered.get(bet_id) != paid.get(bet_id)
    ]
    if not whole:
        return found
    stakes = sum(_minor(bet.stake.amount) or 0 for bet in settled)
    contributed = floor(pool.share * stakes)
    won = [amount or 0 for amount in answered.values()]
    amount = pool.seed * (1 + sum(one > 0 for one in won)) + contributed - sum(won)
    says, must = (pool.stakes, pool.contributed, pool.amount), (stakes, contributed, amount)
    if says != must:
        found.append(f"pool {pool.jackpot_id}: stakes, contributions and amount are {says}, by the book {must}")
    return found


def _wins(bet: BookedBet, jackpot_id: int) -> bool:
    jackpot = bet.ending.jackpot if bet.ending else None
    return jackpot is not None and jackpot.pool == jackpot_id


def _minor(amount: Decimal | None) -> int | None:
    return None if amount is None else Money.parse(f"{amount:f}", CURRENCY).minor
