"""A sandbox casino on a real socket in the test's process, with a provider, a game, players and the real activities."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import aiohttp
import asyncpg
from aiohttp import web
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from activities.admission import AdmissionControl
from betcore.casino.accept_notifications import AcceptNotifications
from betcore.casino.client import CasinoClient
from betcore.db.bets import Bets
from betcore.db.circuit_breakers import CircuitBreakers
from betcore.db.database import Database, open_database
from betcore.db.engine import create_engine
from betcore.db.onboarding import Onboarding
from betcore.db.onboarding_catalogue import Catalogue
from betcore.db.onboarding_sessions import NewSession, Sessions
from betcore.db.partners import Partners
from betcore.db.provider_requests import ProviderRequests
from betcore.db.signing_keys import SigningKeys
from betcore.domain.activity_inputs import Pay
from betcore.domain.bet import BetRecord
from betcore.domain.ids import TransactionType
from betcore.domain.messages import PayIn, PayOut, Refund, Reverse
from betcore.domain.money import Money
from betcore.domain.policy import BetPolicy
from betcore.domain.proof import Proof
from betcore.domain.sessions import Session
from betcore.provider.client import ProviderClient
from betcore.runtime.settings import Settings
from betcore.runtime.vault import Vault
from devkit.sandbox.casino.app import create_app
from worker import Activities

# A key of the tests alone.
SECRET_KEY = "dGVzdHRlc3R0ZXN0dGVzdHRlc3R0ZXN0dGVzdHRlc3Q="
_numbers = count(1)
# At most one: its kid, and its private part as SECRET_KEY has sealed it.
_signing_keys: list[tuple[str, str]] = []


@dataclass
class InProcessCasino:
    """One provider and one casino on one database, and what reads and writes them."""

    engine: AsyncEngine
    database: Database
    casino_url: str
    http: aiohttp.ClientSession
    calls: ProviderRequests
    partners: Partners
    casinos: CasinoClient
    hints: AcceptNotifications
    bets: Bets
    counterparty_id: str
    partner_client_id: int
    session: Session
    cache_seconds: float
    opened_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    async def pay_in(self, stake: str = "10.00", *, seconds: float = 4, **changed: Any) -> PayIn:
        """Return a PayIn of a new bet, as the API would make it."""
        provider = await self.partners.provider(self.counterparty_id)
        casino = await self.partners.casino(self.session.casino_id)
        assert provider is not None
        now, number = datetime.now(UTC), next(_numbers)
        fields: dict[str, Any] = {
            "provider_id": provider.provider_id,
            "counterparty_id": provider.counterparty_id,
            "provider_bet_id": f"bet-{number}",
            "session_id": self.session.session_id,
            "casino_id": self.session.casino_id,
            "player_id": self.session.player_id,
            "partner_user_id": self.session.partner_user_id,
            "game_id": self.session.game_id,
            "round_id": f"round-{number}",
            "stake": Money.parse(stake, "EUR"),
            "answer_by": now + timedelta(seconds=seconds),
            "settle_by": now + timedelta(seconds=provider.profile.settle_within),
            "policy": BetPolicy.of(provider.profile, casino.profile),
        }
        return PayIn(**{**fields, **changed})

    async def pay_in_out(self, stake: str = "10.00", win: str = "25.00", **changed: Any) -> PayIn:
        """Return a PayInOut of a new bet."""
        return await self.pay_in(stake, win=Money.parse(win, "EUR"), **changed)

    def reverse(self, bet: PayIn, record: BetRecord) -> Reverse:
        """Return the reversal of a settled bet, as the API would start it."""
        return bet.reversed(record, datetime.now(UTC) + timedelta(seconds=4))

    def pay_out(self, bet: PayIn, win: str) -> PayOut:
        """Return the PayOut of a bet."""
        answer_by = datetime.now(UTC) + timedelta(seconds=4)
        amount = Money.parse(win, "EUR")
        return PayOut(player_id=bet.player_id, round_id=bet.round_id, win=amount, answer_by=answer_by)

    def credit(self, bet: PayIn, record: BetRecord, win: str) -> Pay:
        """Return the activity's input with which the bet's workflow pays a win."""
        return Pay(
            bet_id=record.bet_id,
            owner=record.owner or "",
            casino_id=bet.casino_id,
            partner_user_id=bet.partner_user_id,
            transaction_type=TransactionType.PAY_OUT,
            amount=Money.parse(win, "EUR"),
            attempt_timeout=bet.policy.attempt_timeout,
            sends=1,
            retry=bet.policy.retry,
        )

    def activities(self, client: Client) -> Activities:
        """Return the real activities, over this casino and its database."""
        admission = AdmissionControl(CircuitBreakers(self.database, self.cache_seconds))
        providers = ProviderClient(self.http)
        return Activities.on(self.database, self.partners, self.casinos, self.hints, admission, client, providers)

    def refund(self, bet: PayIn) -> Refund:
        """Return the Refund of a bet, as its provider sends it."""
        proof = Proof(request_id="refund", timestamp=1, body_sha256="ab", signature="cd", secret="current")
        return Refund(player_id=bet.player_id, answer_by=datetime.now(UTC) + timedelta(seconds=4), proof=proof)

    async def refund_in(self, event: str, name: str = "proof") -> str | None:
        """Return the request id of the Refund whose proof an event has, None if it has none."""
        query = "SELECT data -> :name ->> 'request_id' AS kept FROM bet_event WHERE kind = :event"
        [found] = await self.sql(query, name=name, event=event)
        return None if found.kept is None else str(found.kept)

    async def journal(self) -> list[tuple[int, str]]:
        """Return TransactionType and amount of every movement of bets, in the order of the casino's journal."""
        found = await self._casino("GET", "/_journal", params={"partner_client_id": self.partner_client_id})
        return [(e["transaction_type"], e["amount"]) for e in found if e["bet_id"] is not None]

    async def faults(self, *faults: dict[str, Any]) -> None:
        """Break the casino."""
        body = {"partner_client_id": self.partner_client_id, "faults": list(faults)}
        await self._casino("POST", "/_faults", json=body)

    async def release(self) -> None:
        """Let the held calls go on."""
        await self._casino("POST", "/_release", json={"partner_client_id": self.partner_client_id})

    async def casino_calls(self) -> list[dict[str, Any]]:
        """Return every call that arrived at the casino."""
        calls: list[dict[str, Any]] = await self._casino(
            "GET", "/_calls", params={"partner_client_id": self.partner_client_id}
        )
        return calls

    async def held(self) -> None:
        """Wait until a call is held."""
        params = {"partner_client_id": self.partner_client_id, "count": 1, "timeout": 60}
        assert (await self._casino("GET", "/_held", params=params))["held"]

    async def attempts(self) -> dict[int, int]:
        """Return the sends counted for each movement, by TransactionType; for a casino with one bet."""
        async with self.engine.connect() as connection:
            rows = await connection.execute(text("SELECT transaction_type, attempts FROM movement"))
            return {row.transaction_type: row.attempts for row in rows}

    async def incidents(self) -> list[Any]:
        """Return all incidents."""
        return await self.sql("SELECT * FROM incident ORDER BY incident_id")

    async def sql(self, query: str, **given: Any) -> list[Any]:
        """Run a query, and return its rows."""
        async with self.engine.connect() as connection:
            return list(await connection.execute(text(query), given))

    async def row(self, bet: PayIn) -> Any:
        """Return the bet's row, or None."""
        query = text("SELECT * FROM bet WHERE provider_id = :p AND provider_bet_id = :b")
        async with self.engine.connect() as connection:
            given = {"p": bet.provider_id, "b": bet.provider_bet_id}
            return (await connection.execute(query, given)).one_or_none()

    async def _casino(self, method: str, path: str, **given: Any) -> Any:
        async with self.http.request(method, self.casino_url + path, **given) as response:
            response.raise_for_status()
            return await response.json()


async def _put_signing_key(engine: AsyncEngine, keys: SigningKeys) -> None:
    """Give a database the signing key of this process: to make one takes longer than many a test."""
    async with engine.begin() as connection:
        for kid, sealed in _signing_keys:
            insert = "INSERT INTO signing_key (kid, private_pem) VALUES (:k, :p) ON CONFLICT DO NOTHING"
            await connection.execute(text(insert), {"k": kid, "p": sealed})
    if not _signing_keys:
        await keys.ensure()
        async with engine.connect() as connection:
            made = (await connection.execute(text("SELECT kid, private_pem FROM signing_key"))).one()
        _signing_keys.append((made.kid, made.private_pem))


@asynccontextmanager
async def open_casino(
    database_url: str, provider: str = "", casino: str = "", cache_seconds: float = 0, confirmation: str = "reply"
) -> AsyncIterator[InProcessCasino]:
    """Open a casino on a fresh database; ``provider`` and ``casino`` are profiles in YAML.

    With ``confirmation="accept"`` the casino takes movements and leaves it to the test to confirm them.
    """
    settings = Settings(database_url=database_url, secret_key=SECRET_KEY)
    engine, vault = create_engine(settings), Vault.of(settings)
    async with (
        open_database(settings) as database,
        asyncpg.create_pool(database_url, min_size=1, max_size=5) as pool,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http,
        AcceptNotifications(settings) as hints,
    ):
        keys = SigningKeys(database, vault, 60)
        await _put_signing_key(engine, keys)
        # A call that a test leaves held is not waited for.
        runner = web.AppRunner(create_app(pool, keys.jwks), access_log=None, shutdown_timeout=1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        url = "http://{}:{}".format(*runner.addresses[0][:2])
        try:
            onboarding, catalogue, sessions = Onboarding(engine, vault), Catalogue(engine), Sessions(engine)
            made = await onboarding.add_provider("p", "http://127.0.0.1:1", provider)
            entry = await onboarding.add_casino("c", url, casino, confirmation)
            await catalogue.add_game("p", "dice", "Dice", "EUR", "0", "500")
            opened = await sessions.open(NewSession("p", "c", "dice", "anna", "EUR"))
            player = {"partner_user_id": "anna", "currency": "EUR", "balance": "1000.00"}
            client_id = entry["partner_client_id"]
            async with http.post(f"{url}/_players", json={"partner_client_id": client_id, **player}) as response:
                response.raise_for_status()
            switches = {"partner_client_id": client_id, "confirmation": confirmation}
            async with http.post(f"{url}/_settings", json=switches) as response:
                response.raise_for_status()
            calls, bets, partners = ProviderRequests(database), Bets(database), Partners(database, vault, cache_seconds)
            casinos = CasinoClient(http, keys, "test")
            found = await partners.provider(made["counterparty_id"])
            assert found is not None
            seen = await calls.look_up(found, "0" * 32, opened["session_id"], None)
            assert seen is not None
            assert seen.session is not None
            yield InProcessCasino(
                engine, database, url, http, calls, partners, casinos, hints, bets,
                made["counterparty_id"], client_id, seen.session, cache_seconds,
            )  # fmt: skip
        finally:
            await runner.cleanup()
            await engine.dispose()
