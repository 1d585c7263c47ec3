"""A balance that is only shown changes no code if reading it raises."""

import json
from collections.abc import Awaitable, Callable

import pytest
from sqlalchemy import text

from betcore.domain.bet import BetState
from betcore.domain.claims import Confirmation
from tests.api.wire import Signer, post, running_api
from tests.in_process_casino import open_casino


@pytest.mark.edge_case(87)
async def test_a_balance_that_raises_changes_no_code(
    new_database: Callable[[], Awaitable[str]], temporal_address: str
) -> None:
    """Without a signing key no casino can be called; the error that is raised then is no time-out."""
    database = await new_database()
    async with open_casino(database) as casino, running_api(database, temporal_address) as api:
        provider = await casino.partners.provider(casino.counterparty_id)
        assert provider is not None
        signer = Signer(provider.counterparty_id, provider.secrets[0])
        bet = await casino.pay_in("10.00")
        claim = await casino.bets.open(bet, "run", BetState.ACCEPTING, None)
        await casino.bets.accept(claim.record.bet_id, "run", Confirmation("200", None, None))
        async with casino.engine.connect() as connection:
            await connection.execute(text("UPDATE signing_key SET retired_at = now()"))
        session = f"/v1/sessions/{casino.session.session_id}"
        body = {"betId": bet.provider_bet_id, "betAmount": "10.00", "gameRoundId": bet.round_id}
        done = await post(api, signer, json.dumps(body).encode(), f"{session}/bets/pay-in")
        assert (done.status, done.body) == (200, {"currency": "EUR", "balance": None, "_responseCode": 1})
        balance = await api.get(f"{session}/balance", signer.sign().items())
        assert (balance.status, balance.body["_responseCode"], balance.body["balance"]) == (503, 99, None)
