"""BetIds come from time: what a restore, a wipe or a clock that is set back has made unknown is never given again."""

import asyncio
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest
from pydantic import SecretStr

from betcore.db.bets import Bets
from betcore.db.database import Database, open_database
from betcore.db.engine import create_engine
from betcore.db.migrate import migrate
from betcore.db.statement import NoRow, Statement
from betcore.domain.bet import BetState
from betcore.domain.messages import PayIn
from betcore.domain.money import Money
from betcore.domain.policy import BetPolicy
from betcore.domain.profiles import CasinoProfile, ProviderProfile
from betcore.runtime.settings import Settings
from devkit.stack import postgres
from tests.unit.partner_rows import COUNTERPARTY, PARTNERS, SESSION

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
# A clock of the test's own, found before the server's.
CLOSED = Statement(
    NoRow,
    """
INSERT INTO bet (provider_id, provider_bet_id, casino_id, player_id, game_id, session_id, currency, state, refusal,
    closed_at)
VALUES (1, 'b', 1, 1, 1, 's', 'EUR', 'refused', 'never_seen', now())
""",
)


@dataclass(frozen=True)
class Next:
    bet_id: int


NEXT = Statement(Next, "SELECT next_bet_id() AS bet_id")
SET_BACK = """
CREATE SCHEMA IF NOT EXISTS broken;
CREATE OR REPLACE FUNCTION broken.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS
    $$ SELECT timestamptz '{}' $$;
"""


def _second(bet_id: int) -> datetime:
    return EPOCH + timedelta(seconds=bet_id >> 20)


def _pay_in(name: str) -> PayIn:
    now = datetime.now(UTC)
    return PayIn(
        provider_id=1, counterparty_id=COUNTERPARTY, provider_bet_id=name, session_id="s", casino_id=1, player_id=1,
        partner_user_id="anna", game_id=1, round_id="r", stake=Money.parse("10.00", "EUR"), answer_by=now,
        settle_by=now, policy=BetPolicy.of(ProviderProfile(), CasinoProfile()),
    )  # fmt: skip


async def _bet(database: Database, name: str) -> int:
    return (await Bets(database).open(_pay_in(name), "run", BetState.ACCEPTING, None)).record.bet_id


@asynccontextmanager
async def _database(url: str) -> AsyncIterator[Database]:
    async with open_database(Settings(database_url=SecretStr(url))) as database:
        yield database


async def _seat(url: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(PARTNERS)
    await connection.execute(SESSION)
    await connection.close()


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    await _seat(database_url)
    async with _database(database_url) as found:
        yield found


@pytest.mark.edge_case(96)
async def test_a_restored_database_gives_no_bet_id_again(tmp_path: Path) -> None:
    """Two bets after the backup are lost; the two after the restore have other BetIds."""
    home, backup = tmp_path / "home", tmp_path / "backup"
    async with postgres.running(home) as url, _database(url) as database:
        engine = create_engine(Settings(database_url=SecretStr(url)))
        await migrate(engine)
        await engine.dispose()
        await _seat(url)
        await _bet(database, "before")
    await _copied(home / "postgres", backup)
    async with postgres.running(home) as url, _database(url) as database:
        lost = [await _bet(database, name) for name in ("one", "two")]
    (home / "postgres").rename(tmp_path / "gone")
    await _copied(backup, home / "postgres")
    async with postgres.running(home) as url, _database(url) as database:
        new = [await _bet(database, name) for name in ("three", "four")]
        before = await _bet(database, "before")
    assert not {*lost, *new} & {before}
    assert not set(lost) & set(new)


async def _copied(source: Path, target: Path) -> None:
    await asyncio.to_thread(subprocess.run, ["cp", "-a", str(source), str(target)], check=True)


@pytest.mark.edge_case(96)
async def test_a_bet_id_says_when_its_bet_was_opened(database: Database) -> None:
    began = datetime.now(UTC) - timedelta(seconds=1)
    bet_id = await _bet(database, "b")
    assert began <= _second(bet_id) <= datetime.now(UTC)
    assert 0 < bet_id < 2**53
    assert await _bet(database, "b") == bet_id, "a repeat finds its bet"


@pytest.mark.edge_case(96)
async def test_many_at_once_differ(database: Database) -> None:
    given = await asyncio.gather(*(_bet(database, f"bet-{n}") for n in range(200)))
    assert len(set(given)) == 200


@pytest.mark.edge_case(96)
@pytest.mark.parametrize("moment", ["2026-03-01 12:00:00+00", "2025-12-31 23:59:59+00", "1970-01-01 00:00:00+00"])
async def test_of_two_clocks_the_later_one_counts(database_url: str, database: Database, moment: str) -> None:
    """A database whose clock is set back gives BetIds by the worker's."""
    began = int(time.time())
    async with _set_back(database_url, moment) as broken:
        bet_id = await _bet(broken, "b")
    assert _second(bet_id).timestamp() >= began - 1


@pytest.mark.edge_case(96)
async def test_where_both_clocks_are_set_back_the_counter_goes_on(database_url: str, database: Database) -> None:
    moment = "2026-03-01 12:00:00+00"
    async with _set_back(database_url, moment) as broken:
        first = [await _number(broken) for _ in range(50)]
    async with _set_back(database_url, moment) as broken:
        again = [await _number(broken) for _ in range(50)]
    assert {str(_second(one)) for one in (*first, *again)} == {moment.removesuffix("+00") + "+00:00"}
    assert len({*first, *again}) == 100


@pytest.mark.edge_case(96)
async def test_a_clock_before_all_bets_opens_none(database_url: str, database: Database) -> None:
    async with _set_back(database_url, "2025-12-31 00:00:00+00") as broken:
        assert await _number(broken) < 0
        with pytest.raises(Exception, match="bet_id_of_casinos"):
            await broken.execute(CLOSED)


async def _number(database: Database) -> int:
    row = await database.one_row(NEXT)
    assert row is not None
    return row.bet_id


@asynccontextmanager
async def _set_back(database_url: str, moment: str) -> AsyncIterator[Database]:
    """Connections to a database whose clock stands still at a moment."""
    connection = await asyncpg.connect(database_url)
    await connection.execute(SET_BACK.format(moment))
    name = await connection.fetchval("SELECT current_database()")
    await connection.execute(f'ALTER DATABASE "{name}" SET search_path = broken, pg_catalog, public')
    await connection.close()
    async with _database(database_url) as database:
        yield database
