"""A restore of the database in the middle of a run: what is set aside, what is judged, and what gives a BetId away."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing, closing
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import asyncpg
import pytest
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from betcore.db.bets import Bets
from betcore.db.cashbacks import Cashbacks
from betcore.db.database import Database, open_database
from betcore.db.engine import create_engine
from betcore.domain.bet import BetState
from betcore.domain.cashback import CashbackSource, NewCashback
from betcore.domain.messages import PayIn
from betcore.domain.money import Money
from betcore.domain.policy import BetPolicy
from betcore.domain.profiles import CasinoProfile, ProviderProfile
from betcore.runtime.settings import Settings
from devkit.chaos import rest
from devkit.chaos.cashback_books import OurCashback
from devkit.chaos.cashbacks import CashbackDesk
from devkit.chaos.load import Load
from devkit.chaos.partners import LoadProvider
from devkit.chaos.restoring import Restoring
from devkit.chaos.wiring import Wiring
from devkit.sandbox.provider.book import Book, Stake
from devkit.sandbox.provider.compare import CasinoMovement
from devkit.stack import ports
from devkit.stack.folder import Folder
from devkit.stack.postgres import Postgres
from devkit.stack.supervisor import Supervisor
from tests.unit.partner_rows import COUNTERPARTY, PARTNERS, SESSION


class Handles:
    """A casino that has seen these BetIds."""

    def __init__(self, *seen: int) -> None:
        self._seen = set(seen)

    async def seen(self, users: Iterable[str], before: datetime) -> set[int]:
        return self._seen


class Opened(NamedTuple):
    """A database with one player, by both ways that lead to it."""

    database: Database
    engine: AsyncEngine


@pytest.fixture
async def opened(database_url: str) -> AsyncIterator[Opened]:
    connection = await asyncpg.connect(database_url)
    await connection.execute(PARTNERS)
    await connection.execute(SESSION)
    await connection.close()
    settings = Settings(database_url=SecretStr(database_url))
    engine = create_engine(settings)
    async with open_database(settings) as database:
        yield Opened(database, engine)
    await engine.dispose()


def _stake(name: str) -> Stake:
    return Stake(name, 0, "s", "anna", "r", "EUR", Decimal("10.00"))


def _provider(folder: Path, *bets: str) -> LoadProvider:
    """Return a provider that has begun these bets."""
    nothing: Any = None
    path = folder / "provider-1.jsonl"
    casino: Any = SimpleNamespace(handles=Handles())
    provider = LoadProvider("provider-1", COUNTERPARTY, casino, nothing, Book(path), [], 1, path)
    for bet in bets:
        provider.book.open_bet(_stake(bet))
    return provider


def _restoring(folder: Path, opened: Any, *providers: LoadProvider, postgres: Any = None) -> Restoring:
    context: Any = None
    load, desk = Load(list(providers), 1), CashbackDesk(context, list(providers), 1, 1)
    return Restoring(Settings(data_dir=folder), postgres, *opened, load, desk, list(providers), lambda _: None)


async def _bet(opened: Opened, name: str) -> int:
    now = datetime.now(UTC)
    pay_in = PayIn(
        provider_id=1, counterparty_id=COUNTERPARTY, provider_bet_id=name, session_id="s", casino_id=1, player_id=1,
        partner_user_id="anna", game_id=1, round_id="r", stake=Money.parse("10.00", "EUR"), answer_by=now,
        settle_by=now, policy=BetPolicy.of(ProviderProfile(), CasinoProfile()),
    )  # fmt: skip
    return (await Bets(opened.database).open(pay_in, "run", BetState.ACCEPTING, None)).record.bet_id


async def _cashback(opened: Opened, key: str) -> int:
    order = NewCashback(
        source=CashbackSource.OPERATOR, key=key, player_id=1, amount=Money.parse("5.00", "EUR"), reason="a test"
    )
    [done] = await Cashbacks(opened.database).open(1, [order])
    assert done.cashback_id is not None
    return done.cashback_id


def test_all_bets_so_far_are_set_aside(tmp_path: Path) -> None:
    with closing(_provider(tmp_path, "one", "two")) as provider:
        provider.begin_anew()
        provider.book.open_bet(_stake("three"))
        assert [bet.stake.bet_id for bet in provider.book] == ["three"]
        assert [bet.stake.bet_id for bet in provider.bets] == ["one", "two", "three"]
        assert _restoring(tmp_path, (None, None), provider).set_aside == 2
    assert [json.loads(line)["bet_id"] for line in provider.path.read_text().splitlines()] == ["three"], (
        "verify reads it"
    )


async def test_what_is_played_is_given_up_and_the_load_goes_on(tmp_path: Path) -> None:
    begun: list[str] = []

    class Slow:
        async def play(self, stake: Stake) -> None:
            begun.append(stake.bet_id)
            await asyncio.sleep(60)

    provider: Any = SimpleNamespace(croupier=Slow(), pool=None, next_stake=lambda: _stake(f"bet-{len(begun)}"))
    load = Load([provider], 50)
    going = asyncio.create_task(load.begin())
    async with asyncio.timeout(30):
        while len(begun) < 3:
            await asyncio.sleep(0.01)
        load.give_up()
        before = len(begun)
        while len(begun) < before + 3:
            await asyncio.sleep(0.01)
    going.cancel()
    await asyncio.wait([going])
    await load.aclose()


async def test_earlier_bets_are_not_judged(tmp_path: Path, opened: Opened) -> None:
    """Neither one that has a row, nor a lost one, nor one whose workflow has opened it again."""
    with closing(_provider(tmp_path, "old", "lost", "alive again")) as provider:
        old = await _bet(opened, "old")
        restoring = _restoring(tmp_path, opened, provider)
        restoring.at = datetime.now(UTC)
        provider.begin_anew()
        alive, new = await _bet(opened, "alive again"), await _bet(opened, "new")
        movements = [CasinoMovement(one, -1, Decimal(10)) for one in (old - 1, old, alive, new)]
        assert [one.casino_bet_id for one in await restoring.judged(provider, movements)] == [new]


async def test_without_a_restore_everything_is_judged(tmp_path: Path, opened: Opened) -> None:
    with closing(_provider(tmp_path, "one")) as provider:
        bet_id = await _bet(opened, "one")
        restoring = _restoring(tmp_path, opened, provider)
        movements = [CasinoMovement(one, -1, Decimal(10)) for one in (bet_id, bet_id + 1)]
        assert await restoring.judged(provider, movements) == movements
        assert await restoring.given_again() == []
        assert restoring.set_aside == 0


@pytest.mark.edge_case(96)
async def test_a_bet_id_that_is_given_again_is_a_violation(tmp_path: Path, opened: Opened) -> None:
    with closing(_provider(tmp_path)) as provider:
        old = await _bet(opened, "old")
        restoring = _restoring(tmp_path, opened, provider)
        restoring.at = datetime.now(UTC)
        await _bet(opened, "new")
        again = await _bet(opened, "again")
        handles: Any = Handles(old, again)
        provider.casino.handles = handles
        assert await restoring.given_again() == [f"BetId {again} was given again, to again"]


@pytest.mark.edge_case(96)
async def test_a_cashback_id_that_is_given_again_is_a_violation(tmp_path: Path, opened: Opened) -> None:
    with closing(_provider(tmp_path)) as provider:
        restoring = _restoring(tmp_path, opened, provider)
        restoring.at = datetime.now(UTC)
        again = await _cashback(opened, "operator:again")
        handles: Any = Handles(again)
        provider.casino.handles = handles
        assert await restoring.given_again() == [f"CashbackId {again} was given again, to operator:again"]


async def test_earlier_cashbacks_are_not_judged(tmp_path: Path, opened: Opened) -> None:
    restoring = _restoring(tmp_path, opened)
    row = OurCashback(7, "c", "anna", "operator:new", Decimal(5), "issued")
    movements = [CasinoMovement(number, 1, Decimal(5)) for number in (6, 7, 8)]
    assert restoring.judged_cashbacks([row], movements) == movements
    restoring.at = datetime.now(UTC)
    assert [one.casino_bet_id for one in restoring.judged_cashbacks([row], movements)] == [7, 8]
    assert restoring.judged_cashbacks([], movements) == []


async def test_a_cashback_is_at_rest_once_its_row_and_its_workflow_are(opened: Opened) -> None:
    """Its movement may be parked: then the row is open, and the run has nobody to end it."""

    class Running:
        """A Temporal in which these workflows run."""

        def __init__(self, *ids: str) -> None:
            self._ids = ids

        async def list_workflows(self, _query: str) -> AsyncIterator[SimpleNamespace]:
            for one in self._ids:
                yield SimpleNamespace(id=one)

    number = await _cashback(opened, "operator:open")
    none: Any = Running()
    of_it: Any = Running(f"cashback:{number}", f"cashback:{number + 1}")
    assert await rest.cashbacks(opened.engine, none, None) == {f"cashback {number}": "issuing"}
    assert await rest.cashbacks(opened.engine, none, datetime.now(UTC)) == {}
    async with opened.engine.connect() as connection:
        ended = "UPDATE cashback SET state = 'issued', issued_at = now(), closed_at = now()"
        await connection.execute(text(ended))
    assert await rest.cashbacks(opened.engine, none, None) == {}
    assert await rest.cashbacks(opened.engine, of_it, None) == {f"cashback:{number}": "its workflow goes on"}


async def test_orders_of_cashbacks_are_given_up_and_set_aside() -> None:
    context: Any = None
    player = SimpleNamespace(casino=SimpleNamespace(name="c"), seats=[SimpleNamespace(player="anna")])
    providers: Any = [player]
    desk = CashbackDesk(context, providers, 1, 1)
    before = [desk.next_piece(place) for place in range(2)]
    desk.begin_anew()
    after = desk.next_piece(2)
    assert [one.number for one in desk.aside] == [0, 1]
    assert [one.number for one in desk.orders] == [2]
    for piece in (*before, after):
        piece.close()


async def test_the_casino_keeps_its_journal_elsewhere() -> None:
    """In our database it would be restored with it, and no BetId would ever be seen again."""
    env = {"BETCORE_DATABASE_URL": "postgresql://ours/db", "BETCORE_API_PORT": "1"}
    async with aclosing(Wiring("postgresql://theirs/db")) as wiring:
        wired = await wiring("sandbox-casino", env)
    assert wired["BETCORE_DATABASE_URL"] == "postgresql://theirs/db"


@pytest.mark.edge_case(96)
async def test_a_base_backup_of_a_running_server_takes_its_place(tmp_path: Path) -> None:
    """What was written after the backup is gone; the supervisor starts the server on it as after any crash."""
    folder = Folder(tmp_path / "home")
    with folder.locked():
        server = Postgres(folder, ports.settle({"database_port": 0})["database_port"], {"fsync": "off"})
        async with Supervisor(folder) as supervisor:
            await server.prepare()
            await supervisor.start(server.service())
            connection = await asyncpg.connect(server.url)
            await connection.execute("CREATE TABLE found (what text); INSERT INTO found VALUES ('kept')")
            await server.back_up(folder.path / "copy")
            await connection.execute("INSERT INTO found VALUES ('lost')")
            connection.terminate()
            os.kill(supervisor.pids["postgres"], signal.SIGKILL)
            server.put_back(folder.path / "copy", folder.path / "old")
            assert await _found(server) == ["kept"]


async def _found(server: Postgres) -> list[str]:
    async with asyncio.timeout(60):
        while True:
            try:
                connection = await asyncpg.connect(server.url)
                break
            except (OSError, asyncpg.PostgresError):
                await asyncio.sleep(0.1)
    rows = await connection.fetch("SELECT what FROM found")
    await connection.close()
    return [row["what"] for row in rows]
