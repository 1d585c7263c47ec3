"""Our own book, as ``play`` reads it from the tables: what a bet holds for done, and what it still has to do."""

import asyncio
import time
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest

from betcore.db.onboarding_sessions import NewSession
from devkit.play.books import not_at_rest, read_ours
from devkit.play.runner import come_to_rest
from devkit.sandbox.provider.book import Book, Stake
from devkit.sandbox.provider.client import Answer, Operation
from devkit.sandbox.provider.compare import AggregatorBet, CasinoMovement
from tests.unit.partner_database import PartnerDatabase

BET = """
    INSERT INTO bet (provider_id, provider_bet_id, casino_id, player_id, game_id, session_id, currency, stake, win,
                     state, refusal, one_step, closed_at)
    SELECT provider_id, '{name}', casino_id, player_id, game_id, session_id, currency, 1000, 2500,
           '{state}', CASE WHEN '{state}' = 'refused' THEN 'casino_refused' END, true,
           CASE WHEN '{state}' IN ('settled', 'refunded', 'refused') THEN now() END
    FROM session JOIN player USING (player_id) RETURNING bet_id"""
MOVEMENT = "INSERT INTO movement (bet_id, transaction_type, amount, state, attempts) VALUES ({}, {}, {}, '{}', 1)"
REVERSAL = """
    INSERT INTO reversal (bet_id, state, closed_at)
    VALUES ({bet}, '{state}', CASE WHEN '{state}' <> 'reversing' THEN now() END) RETURNING reversal_id"""

REVERSED = "UPDATE bet SET reversed_by = {} WHERE bet_id = {}"

CLOSED = "UPDATE bet SET state = 'refunded', closed_at = now() WHERE bet_id = {}"


class Rows:
    """Bets of one provider, written straight into the tables."""

    def __init__(self, database: PartnerDatabase, counterparty: str) -> None:
        self.database = database
        self.counterparty = counterparty

    async def sql(self, statement: str) -> Any:
        async with self.database.engine.begin() as connection:
            result = await connection.exec_driver_sql(statement)
            return result.scalar() if result.returns_rows else None

    async def bet(self, state: str, name: str = "bet-1", **movements: str) -> int:
        """Insert a bet with the movements ``stake``, ``win``, ``back`` and ``returned`` in these states."""
        number = int(await self.sql(BET.format(name=name, state=state)))
        kinds = {"stake": (-1, 1000), "win": (1, 2500), "back": (-2, 2500), "returned": (2, 1000)}
        for movement, stands in movements.items():
            await self.sql(MOVEMENT.format(number, *kinds[movement], stands))
        return number

    async def reversal(self, bet: int, state: str) -> None:
        reversal = await self.sql(REVERSAL.format(bet=bet, state=state))
        if state == "reversed":
            await self.sql(REVERSED.format(reversal, bet))

    async def restless(self) -> dict[str, str]:
        return await not_at_rest(self.database.engine, self.counterparty, ["bet-1", "bet-2", "unheard-of"])


@pytest.fixture
async def rows(database_url: str) -> AsyncIterator[Rows]:
    async with PartnerDatabase.at(database_url) as database:
        table = await database.ready()
        await database.sessions.open(NewSession(*table, "EUR"))
        (counterparty,) = await database.sql("SELECT counterparty_id::text FROM provider")
        yield Rows(database, counterparty)


@pytest.mark.parametrize(
    ("state", "movements"),
    [
        ("settled", {"stake": "done", "win": "done"}),
        ("refunded", {"stake": "absent"}),
        ("refunded", {"stake": "done", "returned": "done"}),
        ("refused", {"stake": "refused"}),
        ("acceptance", {"stake": "done"}),
    ],
)
async def test_a_bet_that_is_done_or_waits_for_its_provider_is_at_rest(
    rows: Rows, state: str, movements: dict[str, str]
) -> None:
    await rows.bet(state, **movements)
    assert await rows.restless() == {}


@pytest.mark.parametrize(
    ("state", "movements", "what"),
    [
        ("accepting", {"stake": "sending"}, "unknown"),
        ("accepting", {"stake": "parked"}, "unknown"),
        ("settling", {"stake": "done", "win": "sending"}, "owed"),
        ("settling", {"stake": "done", "win": "parked"}, "owed"),
        ("refunding", {"stake": "done"}, "owed"),
        ("refused", {"stake": "done", "returned": "sending"}, "owed"),
    ],
)
async def test_a_bet_with_something_to_do_is_not_at_rest(
    rows: Rows, state: str, movements: dict[str, str], what: str
) -> None:
    await rows.bet("settled", "bet-2", stake="done", win="done")
    await rows.bet(state, **movements)
    assert await rows.restless() == {"bet-1": what}


@pytest.mark.parametrize(
    ("state", "restless"), [("reversing", {"bet-1": "reversing"}), ("reversed", {}), ("refused", {})]
)
async def test_a_reversal_is_at_rest_when_it_is_over(rows: Rows, state: str, restless: dict[str, str]) -> None:
    await rows.reversal(await rows.bet("settled", stake="done", win="done"), state)
    assert await rows.restless() == restless


async def test_another_providers_bet_of_the_same_name_is_not_ours(rows: Rows) -> None:
    await rows.bet("accepting", stake="sending")
    await rows.database.onboarding.add_provider("other", "http://other.example")
    (other,) = await rows.database.sql("SELECT counterparty_id::text FROM provider WHERE name = 'other'")
    assert await not_at_rest(rows.database.engine, other, ["bet-1"]) == {}


def played(pay_in: int) -> Book:
    """Return the provider's book of a bet whose PayIn was answered this code."""
    book = Book()
    bet = book.open_bet(Stake("bet-1", 1, "session-1", "player-1", "round-1", "EUR", Decimal("10.00")))
    book.record(bet, Operation.PAY_IN, Answer(pay_in, 200, "", 1))
    return book


async def test_a_run_waits_until_its_bets_are_at_rest(rows: Rows) -> None:
    number = await rows.bet("refunding", stake="done")
    patient = come_to_rest(rows.database.engine, rows.counterparty, played(6), time.monotonic() + 60)
    waiting = asyncio.create_task(patient)
    assert not (await asyncio.wait({waiting}, timeout=0.5))[0]
    await rows.sql(CLOSED.format(number))
    assert await asyncio.wait_for(waiting, 20) == {}


async def test_a_run_whose_bets_have_no_end_does_not_wait(rows: Rows) -> None:
    await rows.bet("accepting", stake="sending")
    impatient = come_to_rest(rows.database.engine, rows.counterparty, played(99), time.monotonic() + 60)
    assert await asyncio.wait_for(impatient, 20) == {"bet-1": "unknown"}


async def test_our_book_says_what_is_done_and_what_was_reversed(rows: Rows) -> None:
    ten, win = Decimal("10.00"), Decimal("25.00")
    number = await rows.bet("settled", stake="done", win="done", back="done", returned="sending")
    movements = [CasinoMovement(number, kind, amount) for kind, amount in ((-2, win), (-1, ten), (1, win))]
    expected = AggregatorBet(number, "settled", ten, win, tuple(movements), reversed=False)
    assert await read_ours(rows.database.engine, rows.counterparty, ["bet-1"]) == {"bet-1": expected}
    await rows.reversal(number, "reversed")
    found = await read_ours(rows.database.engine, rows.counterparty, ["bet-1"])
    assert found["bet-1"].reversed
