"""The database: rows are typed, failures hide the values of statements, and no connection in doubt is used again."""

import asyncio
import re
import time
import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest
from pydantic import SecretStr

from betcore.db.database import _PREPARED, Database, DatabaseError, open_database
from betcore.db.statement import NoRow, Statement
from betcore.db.statements.__main__ import statements
from betcore.runtime.settings import Settings
from devkit.chaos.proxy import Link, Trouble


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with open_database(Settings(database_url=SecretStr(database_url))) as opened:
        yield opened


@dataclass(frozen=True)
class Back:
    back_id: int
    back_state: str


@dataclass(frozen=True)
class Claimed:
    bet_id: int
    back: Back | None


BETS = Statement(
    Claimed,
    """
SELECT bet_id, back_id, back_state, 'no field' AS more
FROM (VALUES (1, 7, 'open'), (2, NULL, NULL)) AS bets (bet_id, back_id, back_state) WHERE bet_id >= :first ORDER BY 1
""",
)


async def test_a_row_is_made_of_its_columns_by_name(database: Database) -> None:
    assert await database.all_rows(BETS, first=1) == [Claimed(1, Back(7, "open")), Claimed(2, None)]
    assert await database.one_row(BETS, first=2) == Claimed(2, None)
    assert await database.one_row(BETS, first=3) is None
    with pytest.raises(ValueError, match="2 rows"):
        await database.one_row(BETS, first=1)


@dataclass(frozen=True)
class Word:
    word: str


WORD = Statement(Word, "SELECT CAST(:word AS text) AS word")
SLEEP = Statement(NoRow, "SELECT pg_sleep(600)")
SLEEPERS = Statement(Word, "SELECT state AS word FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(600)'")
KILL = Statement(
    NoRow,
    """
SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
""",
)
THING = Statement(NoRow, "INSERT INTO thing (id, name, amount) VALUES (:id, :name, CAST(:amount AS numeric))")
SECRET = "hush-hush"


async def words(database: Database, number: int) -> list[str]:
    """Return what as many statements at once say."""
    found = await asyncio.gather(*(database.one_row(WORD, word=str(one)) for one in range(number)))
    return [row.word for row in found if row is not None]


@asynccontextmanager
async def opened(url: str, **settings: Any) -> AsyncIterator[Database]:
    async with open_database(Settings(database_url=SecretStr(url), **settings)) as found:
        yield found


@asynccontextmanager
async def behind(url: str) -> AsyncIterator[tuple[Link, str]]:
    """A link to the database, and its address."""
    address = urlsplit(url)
    assert address.hostname is not None
    assert address.port is not None
    link = Link("postgres", address.hostname, address.port)
    port = await link.open()
    try:
        yield link, address._replace(netloc=address.netloc.replace(f":{address.port}", f":{port}")).geturl()
    finally:
        await link.close()


@pytest.fixture
async def thing(database_url: str, database: Database) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute(
        "CREATE TABLE thing (id int PRIMARY KEY, name text NOT NULL UNIQUE, amount numeric(3),"
        " CHECK (name <> 'hush-hush!'))"
    )
    await connection.close()
    await database.execute(THING, id=1, name=SECRET, amount="1")


@pytest.mark.usefixtures("thing")
@pytest.mark.parametrize(
    ("given", "named"),
    [
        pytest.param({"name": SECRET}, "UniqueViolationError: duplicate key", id="a detail"),
        pytest.param({"name": "hush-hush!"}, "CheckViolationError: new row for relation", id="the failing row"),
        pytest.param({"name": None, "amount": "417"}, "NotNullViolationError: null value", id="a failing row"),
        pytest.param({"amount": "41710"}, "NumericValueOutOfRangeError", id="a number that is too large"),
        pytest.param({"amount": SECRET}, "DataError", id="a number that is none"),
        pytest.param({"name": f"{SECRET}\x00"}, "CharacterNotInRepertoireError", id="text that is none"),
        pytest.param({"id": SECRET}, "DataError", id="a value of another type"),
        pytest.param({"id": 2**40 + 417}, "DataError", id="a value that does not fit its type"),
    ],
)
async def test_a_failure_shows_no_value(database: Database, given: dict[str, Any], named: str) -> None:
    values = {"id": 2, "name": "other", "amount": "2", **given}
    with pytest.raises(DatabaseError) as raised:
        await database.execute(THING, **values)
    printed = "".join(traceback.format_exception(raised.value))
    assert named in printed
    assert not re.search(rf"{SECRET}|417|{2**40 + 417}", printed.replace(__file__, ""))
    assert not raised.value.unreachable
    assert await words(database, 1) == ["0"]


async def test_a_statement_that_is_given_up_is_cancelled_and_leaves_no_answer_behind(database_url: str) -> None:
    async with opened(database_url, database_pool_size=1) as database:
        for _ in range(3):
            given_up = asyncio.create_task(database.execute(SLEEP))
            await asyncio.sleep(0.1)
            given_up.cancel()
            with pytest.raises(asyncio.CancelledError):
                await given_up
            assert await words(database, 3) == ["0", "1", "2"]
        assert [row.word for row in await database.all_rows(SLEEPERS)] in ([], ["idle"])


async def test_a_statement_that_takes_too_long_fails_and_the_next_one_does_not(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("betcore.db.database._STATEMENT_WITHIN", 0.5)
    async with opened(database_url, database_pool_size=1) as database:
        with pytest.raises(DatabaseError, match="TimeoutError") as raised:
            await database.execute(SLEEP)
        assert raised.value.unreachable
        assert await words(database, 3) == ["0", "1", "2"]


async def test_who_gives_up_does_not_wait_for_a_server_that_is_gone(database_url: str) -> None:
    """Nor do the others wait for one connection after the other: all are opened anew."""
    async with behind(database_url) as (link, url), opened(url, database_pool_size=5) as database:
        assert len(await words(database, 5)) == 5
        link.trouble(Trouble("black_hole"))
        began, waiting = time.monotonic(), asyncio.create_task(words(database, 1))
        await asyncio.sleep(0.1)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert time.monotonic() - began < 1.5
        await eventually(lambda: database._pool._generation == 1)


async def eventually(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not holds():
            await asyncio.sleep(0.05)


async def test_connections_that_died_together_cost_no_statement(database_url: str, database: Database) -> None:
    assert len(await words(database, 5)) == 5
    async with opened(database_url) as other:
        await other.execute(KILL)
    await asyncio.sleep(0.1)
    assert len(await words(database, 20)) == 20


async def test_a_server_that_dies_under_statements_fails_these_alone(database_url: str) -> None:
    async with opened(database_url, database_pool_size=5) as database, opened(database_url) as other:
        assert len(await words(database, 5)) == 5
        sleeping = [asyncio.create_task(database.execute(SLEEP)) for _ in range(3)]
        await asyncio.sleep(0.3)
        await other.execute(KILL)
        failures = await asyncio.gather(*sleeping, return_exceptions=True)
        assert all(isinstance(failure, DatabaseError) for failure in failures), failures
        assert len(await words(database, 20)) == 20


async def test_a_process_starts_without_a_database_and_finds_it_later(database_url: str) -> None:
    async with behind(database_url) as (link, url):
        link.trouble(Trouble("reset"))
        async with opened(url) as database:
            with pytest.raises(DatabaseError) as raised:
                await words(database, 1)
            link.trouble(None)
            assert await words(database, 1) == ["0"]
    assert raised.value.unreachable


async def test_a_statement_waits_for_a_free_connection_and_not_forever(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(database_url, database_pool_size=1) as database:
        assert len(await words(database, 20)) == 20
        monkeypatch.setattr("betcore.db.database._FREE_WITHIN", 0.3)
        sleeping = asyncio.create_task(database.execute(SLEEP))
        await asyncio.sleep(0.1)
        with pytest.raises(DatabaseError, match="TimeoutError"):
            await words(database, 1)
        assert not sleeping.done()
        sleeping.cancel()
        monkeypatch.undo()
        assert await words(database, 1) == ["0"]


@pytest.mark.usefixtures("thing")
async def test_a_transaction_is_whole_or_nothing(database_url: str) -> None:
    things = Statement(Word, "SELECT name AS word FROM thing ORDER BY id")

    async def insert(*numbers: int, failure: BaseException | None = None, readonly: bool = False) -> None:
        async with database.transaction(readonly=readonly) as transaction:
            for number in numbers:
                await transaction.execute(THING, id=number, name=str(number), amount="1")
            if failure is not None:
                raise failure

    async with opened(database_url, database_pool_size=1) as database:
        await insert(2)
        for failure in (RuntimeError(), asyncio.CancelledError()):
            with pytest.raises(type(failure)):
                await insert(3, failure=failure)
        with pytest.raises(DatabaseError, match="UniqueViolationError"):
            await insert(3, 3)
        with pytest.raises(DatabaseError, match="ReadOnlySQLTransactionError"):
            await insert(3, readonly=True)
        assert [row.word for row in await database.all_rows(things)] == [SECRET, "2"]


@pytest.mark.usefixtures("thing")
async def test_a_column_that_a_migration_adds_fails_no_statement(database_url: str, database: Database) -> None:
    """A statement is prepared for the life of its connection, and the rows of ``SELECT *`` change."""
    all_of = Statement(Word, "SELECT *, name AS word FROM thing")
    assert [row.word for row in await database.all_rows(all_of)] == [SECRET]
    connection = await asyncpg.connect(database_url)
    await connection.execute("ALTER TABLE thing ADD COLUMN more text")
    await connection.close()
    assert [row.word for row in await database.all_rows(all_of)] == [SECRET]


async def test_jsonb_goes_as_text_and_comes_as_what_it_says(database: Database) -> None:
    said = Statement(Said, "SELECT CAST(:data AS jsonb) AS data, CAST(:data AS jsonb) ->> 'a' AS a")
    assert await database.one_row(said, data='{"a": ["ä", 1.5, null]}') == Said(
        {"a": ["ä", 1.5, None]}, '["ä", 1.5, null]'
    )


@dataclass(frozen=True)
class Said:
    data: dict[str, Any]
    a: str


@pytest.mark.parametrize(
    ("sql", "query", "parameters"),
    [
        ("SELECT :b, :a, :b", "SELECT $1, $2, $1", ("b", "a")),
        ("SELECT :a::text, a::text", "SELECT $1::text, a::text", ("a",)),
        (
            """SELECT '{"a":-1, "b":b}', ':c', 'it''s :d' || :e""",
            """SELECT '{"a":-1, "b":b}', ':c', 'it''s :d' || $1""",
            ("e",),
        ),
        ("SELECT :a -- its :b\n", "SELECT $1 -- its :b\n", ("a",)),
    ],
)
def test_a_parameter_is_a_name_behind_a_colon(sql: str, query: str, parameters: tuple[str, ...]) -> None:
    statement = Statement(NoRow, sql)
    assert (statement.query, statement.parameters) == (query, parameters)
    with pytest.raises(KeyError):
        statement.arguments({})


def test_a_connection_keeps_every_statement_prepared() -> None:
    assert len(statements()) < _PREPARED
