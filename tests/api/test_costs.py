"""The statements of a bet, counted in PostgreSQL's own log."""

import asyncio
import re
import secrets
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from api.provider.balances import Balances
from api.provider.call import Call
from api.provider.operations import BetOperations
from api.provider.responses import Reply
from api.provider.schemas import PayInBody, PayOutBody
from api.provider.stake_admission import StakeAdmission
from api.provider.winnings import Winnings
from api.provider.workflow_client import BetWorkflowClient
from betcore.db.engine import create_engine
from betcore.db.jackpot_pools import JackpotPools
from betcore.db.migrate import migrate
from betcore.domain.jackpots import NewPool
from betcore.domain.money import Money
from betcore.runtime.settings import Settings
from devkit.stack import postgres
from tests.in_process_casino import InProcessCasino, open_casino
from tests.workflows.bets import working

# The sandbox casino keeps its books in the same PostgreSQL: its statements are not ours.
_OURS = re.compile(r"^\S+ betcore LOG: .*(execute|statement)", re.MULTILINE)


async def _call(casino: InProcessCasino) -> Call:
    provider = await casino.partners.provider(casino.counterparty_id)
    assert provider is not None
    return Call(provider, casino.session.session_id, secrets.token_hex(16), time.monotonic() + 4, datetime.now(UTC))


async def test_a_pay_in_sends_four_statements_and_a_pay_out_three(tmp_path: Path, temporal_address: str) -> None:
    log = tmp_path / "logs" / "postgres.log"

    async def counted(call: Callable[[], Awaitable[Reply]]) -> int:
        before = await asyncio.to_thread(log.read_text)
        assert (await call()).code is None
        after = await asyncio.to_thread(log.read_text)
        return len(_OURS.findall(after[len(before) :]))

    options = {"fsync": "off", "log_statement": "all", "log_line_prefix": "%p %a "}
    async with postgres.running(tmp_path, options=options) as url:
        engine = create_engine(Settings(database_url=url))
        await migrate(engine)
        await engine.dispose()
        client = await Client.connect(temporal_address, data_converter=pydantic_data_converter)
        async with open_casino(url, cache_seconds=60) as casino, working(client, casino):
            balances = Balances(casino.calls, casino.partners, casino.casinos)
            bets = BetOperations(
                casino.calls,
                casino.bets,
                casino.partners,
                balances,
                BetWorkflowClient(client),
                StakeAdmission(casino.calls, 0),
                Winnings(casino.bets, JackpotPools(casino.database)),
            )

            async def pay_in(bet: str) -> Reply:
                body = PayInBody(betId=bet, betAmount="10.00", gameRoundId="round")
                return await bets.pay_in(await _call(casino), body)

            async def pay_out(bet: str) -> Reply:
                body = PayOutBody(betId=bet, winAmount="25.00", gameRoundId="round")
                return await bets.pay_out(await _call(casino), body)

            # The first bet fills the caches of partners and keys.
            assert (await pay_in("first")).code is None
            assert (await pay_out("first")).code is None
            assert await counted(lambda: pay_in("second")) == 4
            assert await counted(lambda: pay_out("second")) == 3
            # Nor does a jackpot to which the stake contributes: the statement that settles notes that.
            share, seed = Decimal("0.01"), Money.parse("0", "EUR")
            await JackpotPools(casino.database).add(NewPool("c", "Grand", "p", "dice", None, share, seed))
            assert await counted(lambda: pay_in("third")) == 4
            assert await counted(lambda: pay_out("third")) == 3
