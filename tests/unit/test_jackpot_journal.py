"""A pool equals its journal after 10,000 bets, refunds, and two wins at the same moment. ``--soak``: all of them."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from decimal import Decimal
from math import floor
from typing import Any

import pytest

from betcore.db.bets import Bets
from betcore.db.jackpot_pools import JackpotPools
from betcore.db.onboarding_sessions import NewSession
from betcore.db.reversals import Reversals
from betcore.db.statements import jackpots
from betcore.domain.claims import Confirmation
from betcore.domain.ids import TransactionType
from betcore.domain.jackpots import NewPool
from betcore.domain.money import Money
from betcore.verify.jackpots import check_jackpots
from betcore.verify.report import Report, ignore_progress
from tests.unit.partner_database import PartnerDatabase

SHORT, LONG = 1_000, 10_000
AT_ONCE, BOOKERS = 4, 2
SHARE, SEED = Decimal("0.0151"), 10_000
OWNER, PAID = "owner", Confirmation("200", "SC-1", None)

# Stakes of 1 to 97 cents, whose share alone is less than a cent. All losses, a call away from their end.
BETS = """
WITH made AS (
    INSERT INTO bet (provider_id, provider_bet_id, casino_id, player_id, game_id, session_id, currency, stake, win,
                     state, owner, accepted_at, told_at)
    SELECT provider_id, '{name}-' || n, casino_id, player_id, game_id, session_id, 'EUR', n % 97 + 1,
           CASE WHEN '{state}' = 'settling' THEN 0 END, '{state}', 'owner', now(), now()
    FROM session JOIN player USING (player_id), generate_series(1, {bets}) AS n
    RETURNING bet_id, stake
)
INSERT INTO movement (bet_id, transaction_type, amount, state, attempts)
SELECT bet_id, type, CASE type WHEN -1 THEN stake ELSE 0 END, CASE type WHEN -1 THEN 'done' ELSE 'sending' END, 1
FROM made, unnest(ARRAY[-1, 1]) AS type WHERE type = -1 OR '{state}' = 'settling'
"""
NUMBERS = "SELECT bet_id FROM bet WHERE provider_bet_id LIKE '{name}-%' ORDER BY bet_id"
# Every tenth bet is taken back.
REVERSALS = """
INSERT INTO reversal (bet_id, reversed_player_id, reversed_currency, owner, state)
SELECT bet_id, player_id, currency, 'owner', 'reversing' FROM bet WHERE bet_id = ANY('{{{bets}}}')
"""
# Each settled stake once, and once more below zero if it was taken back; nothing else, and all of it booked.
WRONG_STAKES = """
SELECT bet_id FROM bet LEFT JOIN (
    SELECT bet_id, array_agg(amount ORDER BY reversed) AS amounts, bool_and(entry IS NOT NULL) AS booked
    FROM jackpot_stake GROUP BY bet_id
) AS stakes USING (bet_id)
WHERE state = 'settled' AND (amounts = CASE WHEN reversed_by IS NULL THEN ARRAY[stake] ELSE ARRAY[stake, -stake] END
                             AND booked) IS NOT TRUE
   OR state <> 'settled' AND amounts IS NOT NULL
"""
STAKED = "SELECT sum(stake) FROM bet WHERE state = 'settled' AND reversed_by IS NULL"


@pytest.fixture
async def partner(database_url: str) -> AsyncIterator[PartnerDatabase]:
    async with PartnerDatabase.at(database_url) as made:
        await made.sessions.open(NewSession(*await made.ready(), "EUR"))
        yield made


async def _bets(partner: PartnerDatabase, name: str, state: str, bets: int) -> list[int]:
    await partner.sql(BETS.format(name=name, state=state, bets=bets))
    found: list[int] = await partner.sql(NUMBERS.format(name=name))
    return found


async def _settle(partner: PartnerDatabase, bets: Sequence[int]) -> None:
    """Settle bets, and take every tenth of them back."""
    rows = Bets(partner.db)
    for bet_id in bets:
        await rows.credit_done(bet_id, OWNER, TransactionType.PAY_OUT, PAID)
    back = bets[::10]
    await partner.sql(REVERSALS.format(bets=",".join(map(str, back))))
    for bet_id in back:
        await Reversals(partner.db).credit_done(bet_id, OWNER, TransactionType.BET_RETURN, PAID)


async def _win(partner: PartnerDatabase, pool: int, pair: Sequence[int]) -> list[int]:
    """Decide two bets at the same moment that both win the pool; return what they have won."""
    asked = {"owner": OWNER, "amount": 0, "tax": None, "jackpot": None, "jackpot_id": pool, "asked": None}
    decided = [partner.db.one_row(jackpots.DECIDE, bet_id=bet_id, **asked) for bet_id in pair]
    rows: list[Any] = list(await asyncio.gather(*decided))
    return [int(row.jackpot) for row in rows]


async def test_a_pool_equals_its_journal(partner: PartnerDatabase, request: pytest.FixtureRequest) -> None:
    pools, count = JackpotPools(partner.db), LONG if request.config.getoption("--soak") else SHORT
    new = NewPool("royal", "Grand", "acme", "dice-1", None, SHARE, Money(minor=SEED, currency="EUR"))
    pool = (await pools.add(new)).jackpot_id
    settling = await _bets(partner, "lost", "settling", count)
    winners = await _bets(partner, "won", "acceptance", 4)
    over = asyncio.Event()

    async def book() -> None:
        while not over.is_set():
            await pools.book(pool, 7)

    async def grown() -> None:
        while (await pools.pool(pool)).amount <= SEED:
            await asyncio.sleep(0.01)

    booking = [asyncio.create_task(book()) for _ in range(BOOKERS)]
    settled = [asyncio.create_task(_settle(partner, settling[at::AT_ONCE])) for at in range(AT_ONCE)]
    await grown()
    won = [await _win(partner, pool, winners[:2])]
    await asyncio.gather(*settled)
    await grown()
    won.append(await _win(partner, pool, winners[2:]))
    over.set()
    await asyncio.gather(*booking)
    while await pools.book(pool, 1000):
        pass

    assert await partner.sql(WRONG_STAKES) == []
    [staked] = await partner.sql(STAKED)
    row, contributed = await pools.pool(pool), floor(SHARE * staked)
    # The first seed and one for each win are put in, and all wins are taken out.
    expected = SEED * (1 + len(winners)) - sum(map(sum, won)) + contributed
    assert (row.amount, row.stakes, row.contributed) == (expected, staked, contributed)
    entries = await pools.entries(pool, 10 * count)
    assert (sum(one.amount for one in entries), len(entries)) == (row.amount, row.entries)
    wins = [one for one in entries if one.kind == "win"]
    # Each win takes all that its pool has by then: the second of a pair finds a new seed, and what was booked since.
    assert [one.balance for one in wins] == [0] * len(winners)
    assert sorted(-one.amount for one in wins) == sorted(amount for pair in won for amount in pair)
    report = Report()
    await check_jackpots(partner.db, 0, report, ignore_progress)
    assert report.violations == []


async def test_a_bet_of_another_game_cannot_win_a_pool(partner: PartnerDatabase) -> None:
    """The API had no row of the bet when it was asked, and judged the pool by the game of the call's session."""
    await partner.catalogue.add_game("acme", "dice-2", "Dice 2", "EUR", "0.10", "500")
    [bet] = await _bets(partner, "won", "acceptance", 1)
    seed = Money(minor=SEED, currency="EUR")
    other, own = [
        (await JackpotPools(partner.db).add(NewPool("royal", game, "acme", game, None, SHARE, seed))).jackpot_id
        for game in ("dice-2", "dice-1")
    ]

    asked = {"owner": OWNER, "amount": 0, "tax": None, "jackpot": None, "asked": None}
    assert await partner.db.one_row(jackpots.DECIDE, bet_id=bet, jackpot_id=other, **asked) is None
    assert (await JackpotPools(partner.db).pool(other)).amount == SEED
    won = await partner.db.one_row(jackpots.DECIDE, bet_id=bet, jackpot_id=own, **asked)
    assert won is not None
    assert won.jackpot == SEED
