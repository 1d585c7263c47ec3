"""Bets beside pages that look at the feed, and without them, in turn on one stack."""

import asyncio
import json
from argparse import ArgumentParser, Namespace
from contextlib import AsyncExitStack
from typing import Any

import aiohttp

from bench import harness
from bench.bets.measuring import measure
from bench.bets.options import add_load_options, add_round_options, loads_of, window_of
from bench.bets.partners import partners_of
from bench.bets.processes import Watch
from bench.bets.provider_calls import ProviderCalls
from bench.bets.ratios import ratios_to
from bench.bets.rounds import Results, say, warm_up
from bench.bets.stacks import RunningStack, running_stack
from bench.bets.verdicts import Verdict
from bench.bets.workload import BetKind
from betcore.casino.http_session import http_session
from betcore.db.engine import create_engine
from betcore.db.onboarding import Onboarding
from betcore.runtime.vault import Vault
from devkit.cli.sandbox import CASINO_NAME

_WITHOUT, _WITH = "without readers", "with readers"
_AT_LEAST = 0.95
_API = "/partnersmediator-service/api/v2"


def add_options(parser: ArgumentParser) -> None:
    """Add the options of this mode."""
    parser.add_argument("--readers", type=int, default=200, help="websockets, each with two frames a second")
    add_round_options(parser)
    add_load_options(parser, 8, 16, kinds=[BetKind.TWO_STEP])


async def run(options: Namespace, watch: Watch) -> dict[str, object]:
    """Measure in turn; readers connect before a measurement, and leave after it."""
    async with AsyncExitStack() as running:
        http = await running.enter_async_context(http_session())
        stack = await running.enter_async_context(running_stack(watch))
        partners = await running.enter_async_context(partners_of(stack, http))
        service = partners.calls(await partners.sandbox_casino("reply", options.confirmation), "service")
        about = await _readers(stack, http, options.readers)
        say("the stack is up")
        await warm_up([service], [load.kind for load in loads_of(options)], watch)
        results = await _rounds(service, about, options, watch)
    return {
        "rows": results.rows(),
        "verdicts": [one.row() for one in _verdicts(results)],
        "ratios": ratios_to(_WITHOUT, results),
    }


async def _rounds(service: ProviderCalls, about: dict[str, Any], options: Namespace, watch: Watch) -> Results:
    results, window = Results(), window_of(options)
    for number in range(options.rounds):
        for load in loads_of(options):
            for name in (_WITHOUT, _WITH) if number % 2 == 0 else (_WITH, _WITHOUT):
                async with AsyncExitStack() as reading:
                    if name == _WITH:
                        await reading.enter_async_context(harness.child("bench.feed_clients", json.dumps(about)))
                    figures = await measure(service, load.kind, load.in_flight, window, watch)
                results.add(load, name, figures)
                say(f"round {number + 1}, {load}: {figures['bets_per_s']:.1f} bets/s {name}")
    return results


async def _readers(stack: RunningStack, http: aiohttp.ClientSession, clients: int) -> dict[str, Any]:
    """Return what the readers' process is told: they look at the first live game of the sandbox's casino."""
    feed = stack.ready.feed
    engine = create_engine(stack.settings)
    try:
        secret = await Onboarding(engine, Vault.of(stack.settings)).secret("casino", CASINO_NAME)
    finally:
        await engine.dispose()
    client_id = stack.ready.partner_client_id
    asked = {"PartnerClientId": client_id, "Secret": secret}
    async with http.post(f"{feed}{_API}/auth/token", json=asked) as answer:
        token = (await answer.json())["Value"]["AccessToken"]
    headers = {"Authorization": f"Bearer {token}"}
    while True:
        async with http.get(f"{feed}{_API}/games/list", headers=headers) as answer:
            if games := (await answer.json())["Value"]:
                break
        await asyncio.sleep(0.5)
    return {
        "ports": [int(feed.rpartition(":")[2])],
        "token": token,
        "client_id": client_id,
        "game_type": games[0]["GameType"],
        "clients": clients,
        "seconds": 3600,
    }


def _verdicts(results: Results) -> list[Verdict]:
    return [
        Verdict("bets/s with readers, of those without", str(load), _AT_LEAST, True, ratio)
        for load in results.rounds
        if (ratio := results.ratio(load, "bets_per_s", _WITH, _WITHOUT)) is not None
    ]
