"""A provider's secret, a casino's address (edge case 65) and the key that signs (108) change while bets are open."""

import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from time import monotonic

import jwt
import pytest
from aiohttp import web

from betcore.db.signing_keys import SigningKeys
from betcore.runtime.vault import Vault
from tests.partner import Stack, TestPartner, eventually, until
from tests.serving import serving
from tests.system.scenarios import DONE, HASTY, SETTLED, bet_with_stake_taken

MAKE = "/payments/make"


async def _accepted(partner: TestPartner) -> bool:
    return (await partner.balance()).code != 8


@pytest.mark.edge_case(65)
async def test_both_secrets_hold_while_one_takes_the_place_of_the_other(partner: TestPartner) -> None:
    opened = [partner.new_bet() for _ in range(2)]
    for bet in opened:
        assert (await partner.pay_in(bet)).outcome == DONE
    made = await partner.onboarding.rotate_secret("provider", partner.provider, 3600)
    renewed = replace(partner, secret=made["secret"])
    # A process trusts what it knows of a provider for two seconds.
    await eventually(lambda: _accepted(renewed))
    assert (await partner.pay_out(opened[0])).outcome == DONE
    assert (await renewed.pay_out(opened[1])).outcome == DONE
    # A repeat may be signed with either, whichever signed the first.
    assert (await renewed.pay_out(opened[0])).outcome == DONE
    await partner.onboarding.rotate_secret("provider", partner.provider, 0)

    async def refused() -> bool:
        return not await _accepted(partner)

    await eventually(refused)
    for bet in opened:
        assert await partner.journal(bet) == SETTLED


@asynccontextmanager
async def _new_address(
    stack: Stack, trusts: Callable[[str], Awaitable[bool]] | None = None
) -> AsyncIterator[tuple[str, list[str]]]:
    """Serve another address of the sandbox casino, and yield it with the paths that were called there."""
    seen: list[str] = []

    async def forward(request: web.Request) -> web.Response:
        seen.append(request.path)
        if trusts is not None and not await trusts(await request.json()):
            return web.Response(status=401)
        url = stack.addresses["sandbox_casino"] + request.path
        async with stack.http.post(
            url, data=await request.read(), headers={"Content-Type": "application/json"}
        ) as answer:
            return web.Response(status=answer.status, body=await answer.read(), content_type="application/json")

    app = web.Application()
    app.router.add_post("/{path:.*}", forward)
    async with serving(app) as url:
        yield url, seen


@pytest.mark.edge_case(65)
async def test_every_attempt_goes_to_the_address_of_now(stack: Stack) -> None:
    partner = await stack.partner(provider=HASTY, casino="{retry: {first: 0.2, cap: 0.4}}")
    won, back = (
        await bet_with_stake_taken(partner, partner.pay_in),
        await bet_with_stake_taken(partner, partner.pay_in_out),
    )
    await partner.faults({"kind": "error", "path": MAKE})
    assert (await partner.pay_out(won)).code == 99
    assert (await partner.refund(back)).code == 99
    async with _new_address(stack) as (address, seen):
        await partner.onboarding.change("casino", partner.casino, address=address)

        async def both_are_asked_for_there() -> bool:
            return seen.count(MAKE) > 5

        await eventually(both_are_asked_for_there)
        await partner.faults()
        assert (await until(lambda: partner.pay_out(won))).outcome == DONE
        assert (await until(lambda: partner.refund(back))).outcome == DONE
        assert await partner.journal(won) == SETTLED
        assert await partner.journal(back) == [*SETTLED, (-2, "25.00"), (2, "10.00")]


@dataclass
class Caching:
    """A casino that keeps the JWKS for as long as it may, and never reads it early for a ``kid`` that is new to it."""

    stack: Stack
    keeps: float
    kids: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    _read_at: float = -math.inf
    _keys: jwt.PyJWKSet | None = None

    async def trusts(self, message: str) -> bool:
        """Return whether a listed key has signed the message."""
        if self._keys is None or monotonic() - self._read_at > self.keeps:
            self._read_at = monotonic()
            async with self.stack.http.get(self.stack.addresses["api"] + "/mis-api/api/v2/auth/jwks") as response:
                self._keys = jwt.PyJWKSet.from_dict(await response.json())
        kid = jwt.get_unverified_header(message)["kid"]
        listed = {key.key_id: key for key in self._keys.keys}
        if kid not in listed:
            self.unknown.append(kid)
            return False
        options = {"verify_aud": False}
        jwt.decode(message, listed[kid], algorithms=["RS256"], leeway=timedelta(minutes=5), options=options)
        self.kids.append(kid)
        return True


@pytest.mark.edge_case(108)
async def test_a_casino_with_a_cached_jwks_refuses_nothing_while_keys_rotate(stack: Stack) -> None:
    partner = await stack.partner()
    keys = SigningKeys(stack.database, Vault.of(stack.settings), 0)
    casino = Caching(stack, keeps=1)
    async with _new_address(stack, casino.trusts) as (address, _):
        await partner.onboarding.change("casino", partner.casino, address=address)
        opened = [partner.new_bet() for _ in range(3)]
        for bet in opened:
            assert (await partner.pay_in(bet)).outcome == DONE
        old = (await keys.current()).kid
        # An API process may list what it has in its cache; a second more than a moment for the commit.
        new = await keys.rotate(timedelta(seconds=casino.keeps + stack.settings.partner_cache_seconds + 1))
        while new not in casino.kids:
            bet = partner.new_bet()
            assert (await partner.pay_in(bet)).outcome == DONE
            assert (await partner.pay_out(bet)).outcome == DONE
        for bet in opened:
            assert (await partner.pay_out(bet)).outcome == DONE
            assert await partner.journal(bet) == SETTLED
    assert casino.unknown == []
    assert set(casino.kids) == {old, new}
