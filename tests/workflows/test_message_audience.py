"""A message to one casino that is posted to another one, over a real socket."""

import json
from typing import Any

import pytest
from temporalio.client import Client

from betcore.casino.tokens import CASINO_API, FEED, Tokens
from betcore.db.onboarding import Onboarding
from betcore.db.signing_keys import SigningKeys
from betcore.domain.errors import NotAuthorised
from betcore.runtime.settings import Settings
from betcore.runtime.vault import Vault
from tests.in_process_casino import SECRET_KEY, InProcessCasino, open_casino
from tests.workflows.bets import start, update, working

MAKE, CLOSE = "/payments/make", "/payments/close"


async def _posted(casino: InProcessCasino, message: str, address: str) -> int:
    async with casino.http.post(casino.casino_url + address, data=json.dumps(message)) as response:
        return response.status


@pytest.mark.edge_case(101)
async def test_a_message_moves_money_at_its_own_casino_and_call_alone(database_url: str) -> None:
    vault = Vault.of(Settings(secret_key=SECRET_KEY))
    async with open_casino(database_url) as casino:
        desk = Onboarding(casino.engine, vault)
        other = await desk.add_casino("other", casino.casino_url, "", "reply")
        # The other casino has a player of the same name.
        player: dict[str, Any] = {"partner_user_id": "anna", "currency": "EUR", "balance": "1000.00"}
        about = {"partner_client_id": other["partner_client_id"], **player}
        async with casino.http.post(f"{casino.casino_url}/_players", json=about) as response:
            response.raise_for_status()
        partner = await casino.partners.casino(casino.session.casino_id)
        data = {"Amount": "10.00", "BetId": 7, "PartnerUserId": "anna", "TransactionType": -1, "TransactionId": "7:-1"}
        ours, theirs = f"/PartnerClient-{casino.partner_client_id}", f"/PartnerClient-{other['partner_client_id']}"
        message = await casino.casinos._token(partner, MAKE, data, None)
        assert await _posted(casino, message, theirs + MAKE) == 401
        assert await _posted(casino, message, ours + CLOSE) == 401
        for_close = await casino.casinos._token(partner, CLOSE, data, None)
        assert await _posted(casino, for_close, ours + MAKE) == 401
        assert await casino.journal() == []
        assert await _posted(casino, message, ours + MAKE) == 200
        assert await casino.journal() == [(-1, "10.00")]


@pytest.mark.edge_case(101)
async def test_a_message_is_no_access_token_and_an_access_token_no_message(database_url: str) -> None:
    async with open_casino(database_url) as casino:
        keys = SigningKeys(casino.database, Vault.of(Settings(secret_key=SECRET_KEY)), 60)
        tokens, partner = Tokens(keys, "test"), await casino.partners.casino(casino.session.casino_id)
        message = await casino.casinos._token(partner, MAKE, {}, None)
        access = await tokens.issue(2, 0, "payments", CASINO_API)
        claims = await tokens.message(message)
        assert claims is not None
        assert (claims["aud"], claims["path"]) == (f"PartnerClient-{partner.partner_client_id}", MAKE)
        assert claims["aud"] not in (CASINO_API.audience, FEED.audience)
        assert await tokens.message(access) is None
        for surface in (CASINO_API, FEED):
            with pytest.raises(NotAuthorised):
                await tokens.holder(message, surface)


@pytest.mark.edge_case(101)
async def test_a_casino_may_want_no_audience_and_may_have_an_address_of_its_own(
    database_url: str, temporal: Client
) -> None:
    vault = Vault.of(Settings(secret_key=SECRET_KEY))
    async with open_casino(database_url, casino="send: {aud: false}") as casino, working(temporal, casino):
        partner = await casino.partners.casino(casino.session.casino_id)
        claims = await Tokens(SigningKeys(casino.database, vault, 60), "test").message(
            await casino.casinos._token(partner, MAKE, {}, None)
        )
        assert claims is not None
        assert "aud" not in claims
        address = f"{casino.casino_url}/PartnerClient-{casino.partner_client_id}"
        await Onboarding(casino.engine, vault).change("casino", "c", address=address)
        bet = await casino.pay_in()
        _, handle = await start(temporal, bet)
        await update(handle, "pay_out", casino.pay_out(bet, "25.00"))
        assert await casino.journal() == [(-1, "10.00"), (1, "25.00")]
        assert {call["path"] for call in await casino.casino_calls()} == {MAKE}
