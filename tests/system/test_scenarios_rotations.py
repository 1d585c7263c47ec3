"""Edge case 65: a provider's secret and a casino's address change while bets are open."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from aiohttp import web

from tests.partner import Stack, TestPartner, eventually, until
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
async def _new_address(stack: Stack) -> AsyncIterator[tuple[str, list[str]]]:
    """Serve another address of the sandbox casino, and yield it with the paths that were called there."""
    seen: list[str] = []

    async def forward(request: web.Request) -> web.Response:
        seen.append(request.path)
        url = stack.addresses["sandbox_casino"] + request.path
        async with stack.http.post(
            url, data=await request.read(), headers={"Content-Type": "application/json"}
        ) as answer:
            return web.Response(status=answer.status, body=await answer.read(), content_type="application/json")

    app = web.Application()
    app.router.add_post("/{path:.*}", forward)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield "http://{}:{}".format(*runner.addresses[0][:2]), seen
    finally:
        await runner.cleanup()


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
