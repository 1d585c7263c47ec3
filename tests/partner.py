"""A partner of a running stack: a provider, a casino, a game and a player of its own, driven over HTTP alone."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from betcore.db.database import Database, open_database
from betcore.db.engine import create_engine
from betcore.db.onboarding import Onboarding
from betcore.db.onboarding_catalogue import Catalogue
from betcore.db.onboarding_sessions import NewSession, Sessions
from betcore.domain.ids import BetKey, bet_workflow_id, reversal_workflow_id
from betcore.provider import xsign
from betcore.runtime.settings import Settings
from betcore.runtime.vault import Vault
from betcore.temporal.client import connect
from tests import cluster
from tests.locking import locked
from tests.spawned import spawned

ROOT = Path(__file__).parents[1]
_PORTS = (
    "API",
    "API_INNER",
    "FEED",
    "FEED_INNER",
    "CODEC",
    "CODEC_INNER",
    "SANDBOX_CASINO",
    "SANDBOX_PROVIDER",
    "TEMPORAL",
    "TEMPORAL_UI",
    "DATABASE",
)
_YEAR = "31536000"
_START = 300
# What a test waits for comes at once on a quiet machine; how long a busy one may take is no subject of any.
PATIENCE = 60
_UNHURRIED = {"rate": "none", "answer_deadline": 30, "order_window": 600, "unconfirmed_within": 600}
# The stack's currencies beyond ISO 4217.
CRYPTO = {"BETCORE_CRYPTO_CURRENCIES": '{"BTC": 8}'}
# All processes of a run play on one stack: no two of them may come to the same number, and pids may follow each other.
_numbers = count(os.getpid() * 1_000_000)


@dataclass
class Stack:
    """A running stack, what it printed when it was ready, and ways into it."""

    folder: Path
    addresses: dict[str, Any]
    settings: Settings
    engine: AsyncEngine
    database: Database
    client: Client
    http: aiohttp.ClientSession

    @property
    def failpoints(self) -> Path:
        """The folder in which a test arms a failpoint: ``(stack.failpoints / name).touch()``."""
        return self.folder / "failpoints"

    async def partner(
        self, provider: str = "", casino: str = "", confirmation: str = "reply", **game: str
    ) -> "TestPartner":
        """Set up a new partner; ``provider`` and ``casino`` are profiles in YAML, ``confirmation`` is reply or accept.

        By default the provider waits long, and the casino may take its time over a send: the speed of the machine
        decides no answer, and no send is repeated because of it.
        """
        provider = yaml.safe_dump(_UNHURRIED | (yaml.safe_load(provider) or {}))
        casino = yaml.safe_dump({"attempt_timeout": 12} | (yaml.safe_load(casino) or {}))
        number = next(_numbers)
        vault = Vault.of(self.settings)
        onboarding, catalogue = Onboarding(self.engine, vault), Catalogue(self.engine)
        sessions = Sessions(self.engine)
        made = await onboarding.add_provider(f"provider-{number}", "http://127.0.0.1:1", provider)
        entry = await onboarding.add_casino(f"casino-{number}", self.addresses["sandbox_casino"], casino, confirmation)
        limits = ("EUR", game.get("min_bet"), game.get("max_bet")) if game else ()
        await catalogue.add_game(f"provider-{number}", "dice", "Dice", *limits)
        keys = made["counterparty_id"], made["secret"], entry["partner_client_id"]
        partner = TestPartner(self, number, *keys, onboarding, catalogue, sessions)
        if confirmation == "accept":
            about = {"partner_client_id": partner.partner_client_id}
            known = {"secret": entry["secret"], "aggregator_url": self.addresses["api"]}
            await partner.at_casino("POST", "/_credentials", json=about | known)
            await partner.switches(confirmation="accept")
            partner.casino_secret = entry["secret"]
        partner.session_id = await partner.seat()
        return partner

    async def is_up(self) -> bool:
        """Return whether the API answers that it is ready."""
        try:
            async with (
                self.http.get(self.addresses["api_inner"] + "/health/ready") as ready,
                self.http.get(self.addresses["api"] + "/health/live") as live,
            ):
                return (ready.status, live.status) == (200, 200)
        except aiohttp.ClientError:
            return False

    def pid(self, name: str) -> int:
        """Return the pid of a process of the stack as it is now: a restarted one has another."""
        return int((self.folder / "run" / f"{name}.pid").read_text().split()[0])


@dataclass
class TestPartner:
    """One provider's view: signed calls; and the test's view: the casino's journal, our rows, faults."""

    __test__ = False  # pytest collects classes by this name

    stack: Stack
    number: int
    counterparty_id: str
    secret: str
    partner_client_id: int
    onboarding: Onboarding
    catalogue: Catalogue
    sessions: Sessions
    session_id: str = ""
    casino_secret: str = ""
    provider: str = field(init=False)
    casino: str = field(init=False)

    def __post_init__(self) -> None:
        self.provider, self.casino = f"provider-{self.number}", f"casino-{self.number}"

    # The provider's side

    async def seat(
        self,
        player: str = "anna",
        balance: str = "1000.00",
        currency: str = "EUR",
        decimals: int = 2,
        mode: str = "real",
    ) -> str:
        """Give a player money at the casino, open a session, and return its id."""
        about = {"partner_user_id": player, "currency": currency, "balance": balance, "decimals": decimals}
        await self.at_casino("POST", "/_players", json={"partner_client_id": self.partner_client_id, **about})
        opened = await self.sessions.open(NewSession(self.provider, self.casino, "dice", player, currency, mode))
        session_id: str = opened["session_id"]
        return session_id

    @staticmethod
    def new_bet() -> str:
        """Return a bet id that no other test uses."""
        return f"bet-{os.getpid()}-{next(_numbers)}"

    async def balance(self, session: str | None = None) -> "Answer":
        """Call Balance."""
        return await self.call("GET", f"/v1/sessions/{session or self.session_id}/balance")

    async def pay_in(
        self, bet: str, amount: Any = "10.00", round_id: str = "round-1", session: str | None = None
    ) -> "Answer":
        """Call PayIn."""
        return await self.post("pay-in", {"betId": bet, "betAmount": amount, "gameRoundId": round_id}, session)

    async def pay_out(
        self, bet: str, amount: Any = "25.00", round_id: str = "round-1", session: str | None = None
    ) -> "Answer":
        """Call PayOut."""
        return await self.post("pay-out", {"betId": bet, "winAmount": amount, "gameRoundId": round_id}, session)

    async def pay_in_out(
        self,
        bet: str,
        stake: Any = "10.00",
        win: Any = "25.00",
        round_id: str = "round-1",
        session: str | None = None,
    ) -> "Answer":
        """Call PayInOut."""
        body = {"betId": bet, "betAmount": stake, "winAmount": win, "gameRoundId": round_id}
        return await self.post("pay-in-out", body, session)

    async def refund(self, bet: str, session: str | None = None) -> "Answer":
        """Call Refund."""
        return await self.post("refund", {"betId": bet}, session)

    async def post(self, operation: str, body: dict[str, Any], session: str | None = None) -> "Answer":
        """Send a signed POST with a request id and a time of its own."""
        path = f"/v1/sessions/{session or self.session_id}/bets/{operation}"
        return await self.call("POST", path, xsign.compact(body))

    async def call(self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> "Answer":
        """Send a request; ``headers`` replaces the signature."""
        signed = xsign.headers(self.secret, self.counterparty_id, body) if headers is None else headers
        sent = {"Content-Type": "application/json", **signed} if body else signed
        url = self.stack.addresses["api"] + path
        async with self.stack.http.request(method, url, data=body or None, headers=sent) as response:
            return Answer(response.status, json.loads(await response.text()))

    # The test's side

    async def journal(self, bet: str) -> list[tuple[int, str]]:
        """Return TransactionType and amount of each movement of a bet in the casino's journal."""
        row = await self.row(bet)
        return [] if row is None else [(e["transaction_type"], e["amount"]) for e in await self.entries(row.bet_id)]

    async def entries(self, bet_id: int | None = None) -> list[dict[str, Any]]:
        """Return the casino's journal of bets: of one, or of all of this partner."""
        asked = {"partner_client_id": self.partner_client_id} | ({} if bet_id is None else {"bet_id": bet_id})
        found: list[dict[str, Any]] = await self.at_casino("GET", "/_journal", params=asked)
        return [entry for entry in found if entry["bet_id"] is not None]

    async def calls(self) -> list[dict[str, Any]]:
        """Return every call that reached this casino."""
        found: list[dict[str, Any]] = await self.at_casino(
            "GET", "/_calls", params={"partner_client_id": self.partner_client_id}
        )
        return found

    async def accepts(self, bet: str) -> list[dict[str, Any]]:
        """Return the Accepts that this casino has made for a bet, oldest first."""
        row = await self.row(bet)
        asked = {"partner_client_id": self.partner_client_id, "bet_id": row.bet_id}
        found: list[dict[str, Any]] = await self.at_casino("GET", "/_accepts", params=asked)
        return found

    async def accept(self, body: object) -> dict[str, Any]:
        """Call payments/accept as this casino, and return the answer's envelope."""
        found: dict[str, Any] = json.loads(await self.accept_raw(body))
        return found

    async def accept_raw(self, body: object, path: str = "/payments/accept") -> bytes:
        """Call payments/accept, or the other Accept, as this casino, and return the answer byte for byte."""
        surface = self.stack.addresses["api"] + "/mis-api/api/v2"
        account = {"PartnerClientId": self.partner_client_id, "Secret": self.casino_secret}
        async with self.stack.http.post(f"{surface}/auth/token", json=account) as response:
            token = (await response.json())["Value"]["AccessToken"]
        headers = {"Authorization": f"Bearer {token}"}
        async with self.stack.http.post(surface + path, json=body, headers=headers) as response:
            return await response.read()

    async def sent(self, bet: str) -> list[int]:
        """Return the TransactionType of each make for a bet that reached the casino, repeats too."""
        row = await self.row(bet)
        made = [call for call in await self.calls() if call["path"] == "/payments/make"]
        return [call["transaction_type"] for call in made if row is not None and call["bet_id"] == row.bet_id]

    async def faults(self, *faults: dict[str, Any]) -> None:
        """Set the faults of this casino alone; without arguments, remove them."""
        await self.at_casino("POST", "/_faults", json={"partner_client_id": self.partner_client_id, "faults": faults})

    async def switches(self, **switches: Any) -> None:
        """Set this casino's switches."""
        await self.at_casino("POST", "/_settings", json={"partner_client_id": self.partner_client_id, **switches})

    async def held(self, calls: int = 1) -> None:
        """Wait until this many calls are held at the casino."""
        asked = {"partner_client_id": self.partner_client_id, "count": calls, "timeout": PATIENCE}
        answer = await self.at_casino("GET", "/_held", params=asked)
        assert answer["held"] >= calls

    async def release(self) -> None:
        """Let the held calls go on."""
        await self.at_casino("POST", "/_release", json={"partner_client_id": self.partner_client_id})

    async def at_casino(self, method: str, path: str, **given: Any) -> Any:
        """Call the sandbox casino's control API."""
        url = self.stack.addresses["sandbox_casino"] + path
        async with self.stack.http.request(method, url, **given) as response:
            assert response.status < 400, await response.text()
            return await response.json()

    async def row(self, bet: str) -> Any:
        """Return our row of a bet, or None."""
        query = """
            SELECT bet.* FROM bet JOIN provider USING (provider_id)
            WHERE counterparty_id = :c AND provider_bet_id = :b
        """
        return (await self.sql(query, c=self.counterparty_id, b=bet) or [None])[0]

    async def sql(self, query: str, **given: Any) -> list[Any]:
        """Run a query at our database, and return its rows."""
        async with self.stack.engine.connect() as connection:
            result = await connection.execute(text(query), given)
            return list(result) if result.returns_rows else []

    async def incidents(self, bet: str) -> list[str]:
        """Return the kinds of the incidents of a bet, oldest first."""
        row = await self.row(bet)
        query = "SELECT kind FROM incident WHERE bet_id = :b ORDER BY incident_id"
        return [incident.kind for incident in await self.sql(query, b=row.bet_id)]

    def workflow(self, bet: str) -> Any:
        """Return a handle of the bet's workflow."""
        return self.stack.client.get_workflow_handle(bet_workflow_id(BetKey(self.counterparty_id, bet)))

    def reversal(self, bet: str) -> Any:
        """Return a handle of the workflow that reverses the bet."""
        return self.stack.client.get_workflow_handle(reversal_workflow_id(BetKey(self.counterparty_id, bet)))


@dataclass(frozen=True)
class Answer:
    """An HTTP answer; ``code`` is its _responseCode."""

    status: int
    body: dict[str, Any]

    @property
    def code(self) -> int:
        """The _responseCode."""
        number: int = self.body["_responseCode"]
        return number

    @property
    def reason(self) -> str | None:
        """The reason, if there is one."""
        return self.body.get("reason")

    @property
    def outcome(self) -> tuple[int, str | None]:
        """Code and reason."""
        return self.code, self.reason


async def until(call: Callable[[], Awaitable[Answer]], seconds: float = PATIENCE) -> Answer:
    """Repeat a call, as a provider does, until its answer is definite."""
    async with asyncio.timeout(seconds):
        while (answer := await call()).code == 99:
            await asyncio.sleep(0.1)
    return answer


async def eventually(condition: Callable[[], Awaitable[object]], seconds: float = PATIENCE) -> None:
    """Wait until a condition holds; the effect must be durable."""
    gap = 0.05
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(gap)
            # A look costs the servers what they need for the effect.
            gap = min(gap * 1.3, 0.2)


def caller() -> aiohttp.ClientSession:
    """Return an HTTP client without a limit of connections: no call waits for another one's."""
    # Shorter than the servers keep an idle connection, so that no call meets one that is being closed.
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=2))


@asynccontextmanager
async def start_stack(folder: Path, *options: str, **environment: str) -> AsyncIterator[Stack]:
    """Start the whole stack as separate processes on free ports, as ``make up`` does, and stop it at the end."""
    process, addresses = await _launch(folder, options, environment)
    try:
        async with opened(folder, addresses) as stack:
            yield stack
    finally:
        await _stop(process)


@asynccontextmanager
async def share_stack(folder: Path, *options: str, **environment: str) -> AsyncIterator[Stack]:
    """Start a stack, or use the one that another process of this run has started in the folder.

    The process that started it stops it, when no other process uses it any more.
    """
    await asyncio.to_thread(folder.mkdir, exist_ok=True)
    started, process = folder / "addresses.json", None
    async with AsyncExitStack() as users:
        async with locked(folder / "starting"):
            if not started.exists():
                process, addresses = await _launch(folder, options, environment)
                started.write_text(json.dumps(addresses))
            await users.enter_async_context(locked(folder / "using", shared=True))
        try:
            async with opened(folder, json.loads(started.read_text())) as stack:
                yield stack
        finally:
            await users.aclose()
            if process is not None:
                async with locked(folder / "starting"), locked(folder / "using"):
                    started.unlink(missing_ok=True)
                    await _stop(process)


async def _launch(folder: Path, options: Sequence[str], environment: Mapping[str, str]) -> tuple[Process, Any]:
    (folder / "failpoints").mkdir(parents=True, exist_ok=True)
    cluster.copy_to(folder)
    free = {f"BETCORE_{name}_PORT": "0" for name in _PORTS}
    # Tests hold up many stakes at once, which a stack turns away: see tests/api/test_overload.py.
    # Their providers list no games, and a sync that fails files an incident.
    # The draw game is played where it is tested: elsewhere it would only use the machine.
    off = {"BETCORE_STAKES_IN_FLIGHT": "0", "BETCORE_CATALOGUE_SECONDS": "0", "BETCORE_SANDBOX_DRAW_SECONDS": "0"}
    # Tests book stakes to jackpots themselves, and say what is booked by then.
    own = {"BETCORE_FAILPOINTS": str(folder / "failpoints"), "BETCORE_JACKPOT_SECONDS": _YEAR, **off, **CRYPTO}
    with (folder / "up.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *spawned(sys.executable, "-m", "tests.warm", "up", "--json", "--data-dir", str(folder), *options),
            cwd=ROOT,
            env={**os.environ, **free, **own, **environment},
            stdout=PIPE,
            stderr=log,
        )
    try:
        async with asyncio.timeout(_START):
            assert process.stdout is not None
            addresses = json.loads(await process.stdout.readline())
        assert "error" not in addresses, addresses
    except BaseException:
        await _stop(process)
        raise
    return process, addresses


@asynccontextmanager
async def opened(folder: Path, addresses: dict[str, Any]) -> AsyncIterator[Stack]:
    """Open the ways into a running stack of this folder."""
    # A test also does what no role may: it writes rows by hand, and locks tables.
    settings = Settings(data_dir=folder, database_url=SecretStr(addresses["database"]))
    engine = create_engine(settings)
    async with caller() as http, open_database(settings) as database:
        yield Stack(folder, addresses, settings, engine, database, await connect(settings), http)
    await engine.dispose()


async def _stop(process: Process) -> None:
    if process.returncode is None:
        process.terminate()
    await process.wait()
