"""Migrations of databases in use: what the rows of an earlier schema are afterwards."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import asyncpg
import pytest
from alembic import command
from pydantic import SecretStr
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncEngine

from betcore.db.bets import Bets
from betcore.db.database import Database, DatabaseError, open_database
from betcore.db.engine import create_engine
from betcore.db.migrate import config, migrate
from betcore.db.onboarding_sessions import NewSession, Sessions
from betcore.db.provider_requests import ProviderRequests
from betcore.domain.activity_inputs import Pay
from betcore.domain.bet import BetState
from betcore.domain.claims import Confirmation
from betcore.domain.ids import TransactionType
from betcore.domain.messages import PayIn
from betcore.domain.money import Money
from betcore.domain.partners import Provider
from betcore.domain.policy import BetPolicy
from betcore.domain.profiles import CasinoProfile, ProviderProfile
from betcore.runtime.settings import Settings
from tests.unit.partner_database import refused

# Profiles as operators gave them before there was a claim "aud".
PROFILES = {
    "default": {},
    "closes": {"send": {"close": True}, "attempt_timeout": 7},
    "slow": {"retry": {"first": 2}, "confirmation": "reply"},
}

# Before limits had a currency: dice was played in EUR and JPY, cards has limits and was never played, wheel has none.
PLAYED = """
INSERT INTO provider (counterparty_id, name, base_url, profile, secret)
VALUES ('11111111-2222-4333-8444-555555555555', 'p', 'http://p', '{}', '');
INSERT INTO casino (name, api_host, profile, secret) VALUES ('c', 'http://c', '{}', '');
INSERT INTO game (provider_id, provider_game_id, name, min_bet, max_bet)
VALUES (1, 'dice', 'Dice', 0.10, 500), (1, 'cards', 'Cards', NULL, 20), (1, 'wheel', 'Wheel', NULL, NULL);
INSERT INTO player (casino_id, partner_user_id) VALUES (1, 'anna');
INSERT INTO session (session_id, provider_id, player_id, game_id, currency)
VALUES ('euros', 1, 1, 1, 'EUR'), ('more-euros', 1, 1, 1, 'EUR'), ('yen', 1, 1, 1, 'JPY'), ('wheel', 1, 1, 3, 'USD');
INSERT INTO bet (provider_id, provider_bet_id, casino_id, player_id, game_id, session_id, round_id, currency, stake,
                 state, owner, accepted_at, told_at)
VALUES (1, 'open', 1, 1, 1, 'euros', 'round', 'EUR', 1000, 'acceptance', 'run', now(), now());
INSERT INTO movement (bet_id, transaction_type, amount, state, attempts, ended_at)
SELECT bet_id, -1, 1000, 'done', 1, now() FROM bet;
"""

_PROVIDER = Provider(1, "11111111-2222-4333-8444-555555555555", "p", "http://p", ProviderProfile(), (), disabled=False)


@pytest.fixture
async def database(engine: AsyncEngine, postgres_url: str) -> AsyncIterator[Database]:
    server, _, _ = postgres_url.rpartition("/")
    async with open_database(Settings(database_url=SecretStr(f"{server}/earlier"))) as found:
        yield found


@pytest.fixture
async def engine(postgres_url: str) -> AsyncIterator[AsyncEngine]:
    """A database without any schema."""
    server, _, _ = postgres_url.rpartition("/")
    connection = await asyncpg.connect(postgres_url)
    await connection.execute("CREATE DATABASE earlier TEMPLATE template0 STRATEGY FILE_COPY")
    found = create_engine(Settings(database_url=SecretStr(f"{server}/earlier")))
    try:
        yield found
    finally:
        await found.dispose()
        await connection.execute("DROP DATABASE earlier")
        await connection.close()


async def _upgrade(engine: AsyncEngine, revision: str) -> None:
    def upgrade(connection: Connection) -> None:
        alembic = config()
        alembic.attributes["connection"] = connection
        command.upgrade(alembic, revision)

    async with engine.execution_options(isolation_level="READ COMMITTED").begin() as connection:
        await connection.run_sync(upgrade)


@pytest.mark.edge_case(101)
async def test_casinos_that_are_there_get_no_audience_and_keep_their_profiles(engine: AsyncEngine) -> None:
    """A JWT library that expects no audience may refuse a message that names one."""
    await _upgrade(engine, "0006")
    insert = "INSERT INTO casino (name, api_host, profile, secret) VALUES ($1, 'http://c', $2::text::jsonb, '')"
    async with engine.connect() as connection:
        for name, profile in PROFILES.items():
            await connection.exec_driver_sql(insert, (name, json.dumps(profile)))
        await migrate(engine)
        await connection.exec_driver_sql(insert, ("new", "{}"))
        rows = await connection.exec_driver_sql("SELECT name, profile FROM casino")
        found = {row.name: row.profile for row in rows}
    assert found == {
        "default": {"send": {"aud": False}},
        "closes": {"send": {"close": True, "aud": False}, "attempt_timeout": 7},
        "slow": {"retry": {"first": 2}, "confirmation": "reply", "send": {"aud": False}},
        "new": {},
    }
    sent = {name: CasinoProfile.model_validate(profile).send for name, profile in found.items()}
    assert {name: one.aud for name, one in sent.items()} == {
        "default": False,
        "closes": False,
        "slow": False,
        "new": True,
    }
    assert [name for name, one in sent.items() if one.close] == ["closes"]


async def test_sessions_keep_the_limits_they_had_and_open_bets_go_on(engine: AsyncEngine, database: Database) -> None:
    await _upgrade(engine, "0009")
    async with engine.connect() as connection:
        for statement in PLAYED.strip().removesuffix(";").split(";\n"):
            await connection.exec_driver_sql(statement)
    await migrate(engine)
    requests, bets = ProviderRequests(database), Bets(database)
    limits = {}
    for number, session_id in enumerate(("euros", "more-euros", "yen", "wheel")):
        seen = await requests.look_up(_PROVIDER, f"{number:032}", session_id, "open")
        assert seen is not None
        assert seen.session is not None
        limits[session_id] = seen.session.min_bet, seen.session.max_bet
    both = Decimal("0.10"), Decimal(500)
    assert limits == {"euros": both, "more-euros": both, "yen": both, "wheel": (None, None)}

    record = await requests.find(1, "open")
    assert record is not None
    credit = Pay(
        bet_id=record.bet_id,
        owner="run",
        casino_id=1,
        partner_user_id="anna",
        transaction_type=TransactionType.PAY_OUT,
        amount=Money.parse("25.00", "EUR"),
        attempt_timeout=timedelta(seconds=1),
        sends=1,
        retry=BetPolicy.of(ProviderProfile(), CasinoProfile()).retry,
    )
    await bets.begin_credit(credit)
    paid = await bets.credit_done(record.bet_id, "run", TransactionType.PAY_OUT, Confirmation("200", None, None))
    assert paid.state is BetState.SETTLED
    now = datetime.now(UTC)
    stake = PayIn(
        provider_id=1,
        counterparty_id="11111111-2222-4333-8444-555555555555",
        provider_bet_id="new",
        session_id="yen",
        casino_id=1,
        player_id=1,
        partner_user_id="anna",
        game_id=1,
        round_id="round",
        stake=Money.parse("10", "JPY"),
        answer_by=now,
        settle_by=now,
        policy=BetPolicy.of(ProviderProfile(), CasinoProfile()),
    )
    opened = await bets.open(stake, "another-run", BetState.ACCEPTING, None)
    assert opened is not None

    sessions = Sessions(engine)
    for game, currency in (("dice", "EUR"), ("dice", "JPY"), ("wheel", "KWD")):
        await sessions.open(NewSession("p", "c", game, "anna", currency))
    for game, currency in (("dice", "USD"), ("cards", "EUR")):
        with refused("currency_unsupported"):
            await sessions.open(NewSession("p", "c", game, "anna", currency))


async def test_indexes_are_made_anew_after_an_interruption_and_incidents_are_counted(engine: AsyncEngine) -> None:
    """Two processes migrate at once; an earlier one was killed when it had made an index in part."""
    await _upgrade(engine, "0011")
    async with engine.connect() as connection:
        await connection.exec_driver_sql(
            "INSERT INTO incident (kind, ours, theirs) SELECT 'parked', '{}', '{}' FROM generate_series(1, 3)"
        )
        with pytest.raises(DatabaseError):
            await connection.exec_driver_sql("CREATE UNIQUE INDEX CONCURRENTLY incident_kind ON incident (kind)")
        await asyncio.gather(migrate(engine), migrate(engine))
        await connection.exec_driver_sql(
            "INSERT INTO incident (kind, ours, theirs) VALUES ('parked', '{}', '{}'), ('cancelled', '{}', '{}')"
        )
        counts = {row.kind: row.incidents for row in await connection.exec_driver_sql("SELECT * FROM incident_count")}
        invalid = await connection.exec_driver_sql("SELECT indexrelid FROM pg_index WHERE NOT indisvalid")
        [made] = await connection.exec_driver_sql("SELECT indexdef FROM pg_indexes WHERE indexname = 'incident_kind'")
        assert invalid.all() == []
    assert counts == {"parked": 4, "cancelled": 1}
    assert made.indexdef == "CREATE INDEX incident_kind ON public.incident USING btree (kind, incident_id)"


async def test_sessions_get_the_states_they_are_in(engine: AsyncEngine) -> None:
    await _upgrade(engine, "0011")
    async with engine.connect() as connection:
        for statement in PLAYED.strip().removesuffix(";").split(";\n"):
            await connection.exec_driver_sql(statement)
        await connection.exec_driver_sql("UPDATE session SET ended_at = now() WHERE session_id = 'yen'")
        await migrate(engine)
        rows = await connection.exec_driver_sql(
            "SELECT session_id, state, end_reason, expires_at, seen_at >= opened_at AS seen FROM session"
        )
        assert sorted(tuple(row) for row in rows) == [
            ("euros", "open", None, None, True),
            ("more-euros", "open", None, None, True),
            ("wheel", "open", None, None, True),
            ("yen", "ended", "closed", None, True),
        ]
