"""The rows of cashbacks: each key opens one, and what was decided of it stands."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import asyncpg
import pytest
from pydantic import SecretStr

from betcore.db.cashbacks import Cashbacks
from betcore.db.database import Database, DatabaseError, open_database
from betcore.domain.cashback import CashbackSource, NewCashback, Opening
from betcore.domain.money import Money
from betcore.runtime.settings import Settings
from tests.unit.partner_rows import PARTNERS

CASINO, PLAYER = 1, 1
ORDER = NewCashback(
    source=CashbackSource.OPERATOR,
    key="operator:first",
    player_id=PLAYER,
    amount=Money(minor=500, currency="EUR"),
    reason="a bad night",
    operator="ann",
)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with open_database(Settings(database_url=SecretStr(database_url))) as found:
        yield found


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    made = await asyncpg.connect(database_url)
    await made.execute(PARTNERS)
    yield made
    await made.close()


async def test_a_key_opens_one_cashback(database: Database, connection: asyncpg.Connection) -> None:
    cashbacks = Cashbacks(database)
    [first] = await cashbacks.open(CASINO, [ORDER])
    [again] = await cashbacks.open(CASINO, [ORDER])
    assert (first.opening, again.opening) == (Opening.OPENED, Opening.REPEATED)
    assert again.cashback_id == first.cashback_id
    [row] = await connection.fetch("SELECT * FROM cashback")
    assert (row["cashback_id"], row["amount"], row["state"], row["owner"]) == (first.cashback_id, 500, "issuing", None)
    [event] = await connection.fetch("SELECT bet_id, kind FROM bet_event")
    assert tuple(event) == (first.cashback_id, "cashback")


@pytest.mark.parametrize(
    "other", [{"amount": Money(minor=501, currency="EUR")}, {"amount": Money(minor=500, currency="USD")}]
)
async def test_a_key_with_another_amount_opens_nothing(
    database: Database, connection: asyncpg.Connection, other: dict[str, Money]
) -> None:
    cashbacks = Cashbacks(database)
    [first] = await cashbacks.open(CASINO, [ORDER])
    [differs] = await cashbacks.open(CASINO, [replace(ORDER, amount=other["amount"])])
    assert (differs.opening, differs.cashback_id) == (Opening.DIFFERS, first.cashback_id)
    assert await connection.fetchval("SELECT count(*) FROM cashback") == 1


async def test_orders_are_answered_in_their_order(database: Database, connection: asyncpg.Connection) -> None:
    stranger = replace(ORDER, key="operator:stranger", player_id=77)
    orders = [stranger, ORDER, replace(ORDER, key="operator:second"), ORDER]
    opened = await Cashbacks(database).open(CASINO, orders)
    assert [one.opening for one in opened] == [
        Opening.UNKNOWN_PLAYER,
        Opening.OPENED,
        Opening.OPENED,
        Opening.REPEATED,
    ]
    assert opened[0].cashback_id is None
    assert opened[1].cashback_id == opened[3].cashback_id != opened[2].cashback_id


async def test_a_player_of_another_casino_gets_nothing(database: Database, connection: asyncpg.Connection) -> None:
    await connection.execute("INSERT INTO casino (name, api_host, profile, secret) VALUES ('d', 'http://d', '{}', '')")
    [opened] = await Cashbacks(database).open(2, [ORDER])
    assert opened.opening is Opening.UNKNOWN_PLAYER
    assert await Cashbacks(database).players(2, ["anna"]) == {}
    assert await Cashbacks(database).players(CASINO, ["anna", "bob"]) == {"anna": PLAYER}


async def test_of_many_at_once_one_opens_it(database: Database, connection: asyncpg.Connection) -> None:
    cashbacks = Cashbacks(database)
    orders = [replace(ORDER, key=f"operator:{number}") for number in range(50)]
    all_opened = await asyncio.gather(*(cashbacks.open(CASINO, orders) for _ in range(8)))
    openings = [one.opening for opened in all_opened for one in opened]
    assert openings.count(Opening.OPENED) == 50
    assert openings.count(Opening.REPEATED) == 7 * 50
    assert len({one.cashback_id for opened in all_opened for one in opened}) == 50


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE cashback SET amount = 501",
        "UPDATE cashback SET player_id = 2",
        "UPDATE cashback SET key = 'other'",
        "UPDATE cashback SET lives = -1",
        """UPDATE cashback SET state = 'cancelled', issued_at = now(), closed_at = now(), cancel_asked_at = now(),
                               cancel_reason = 'wrong'""",
    ],
)
async def test_what_was_ordered_stands(database: Database, connection: asyncpg.Connection, change: str) -> None:
    await Cashbacks(database).open(CASINO, [ORDER])
    with pytest.raises(asyncpg.IntegrityConstraintViolationError):
        await connection.execute(change)


async def test_a_cashback_is_never_deleted(database: Database, connection: asyncpg.Connection) -> None:
    await Cashbacks(database).open(CASINO, [ORDER])
    with pytest.raises(asyncpg.IntegrityConstraintViolationError):
        await connection.execute("DELETE FROM cashback")


@pytest.mark.parametrize(
    "insert",
    [
        "INSERT INTO movement (bet_id, transaction_type, amount, state, attempts) VALUES ($1, 1, 500, 'sending', 1)",
        "INSERT INTO bet_event (bet_id, kind) VALUES ($1, 'send')",
        "INSERT INTO incident (bet_id, kind, ours, theirs) VALUES ($1, 'parked', '{}', '{}')",
    ],
)
async def test_what_moves_belongs_to_a_bet_or_to_a_cashback(
    database: Database, connection: asyncpg.Connection, insert: str
) -> None:
    [opened] = await Cashbacks(database).open(CASINO, [ORDER])
    await connection.execute(insert, opened.cashback_id)
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await connection.execute(insert, 42)


async def test_a_number_is_that_of_a_bet_or_of_a_cashback(connection: asyncpg.Connection) -> None:
    await connection.execute(
        """
        INSERT INTO bet (bet_id, provider_id, provider_bet_id, casino_id, player_id, game_id, session_id, currency,
                         state, closed_at)
        VALUES (42, 1, 'bet', 1, 1, 1, 's', 'EUR', 'refunded', now())
        """
    )
    with pytest.raises(asyncpg.IntegrityConstraintViolationError):
        await connection.execute(
            """
            INSERT INTO cashback (cashback_id, casino_id, player_id, currency, amount, source, key, reason)
            VALUES (42, 1, 1, 'EUR', 500, 'operator', 'k', 'r')
            """
        )


async def test_a_failure_shows_no_player(database: Database, connection: asyncpg.Connection) -> None:
    with pytest.raises(DatabaseError) as failed:
        await Cashbacks(database).open(CASINO, [replace(ORDER, amount=Money(minor=0, currency="EUR"))])
    assert "anna" not in str(failed.value)
