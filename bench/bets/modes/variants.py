"""Whole stacks beside each other, under the same load in turn: the base of the modes that change one thing.

Each stack has servers of its own. The first variant is the base of the ratios.
"""

from argparse import Namespace
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack

from bench.bets.options import play_chosen_loads
from bench.bets.partners import partners_of
from bench.bets.processes import Watch, memory_mib
from bench.bets.provider_calls import ProviderCalls
from bench.bets.ratios import ratios_to
from bench.bets.rounds import Results, say
from bench.bets.stacks import RunningStack, StackOptions, on_servers_elsewhere, own_stack
from bench.bets.verdicts import Verdict
from bench.bets.workload import Target
from betcore.casino.http_session import http_session
from betcore.domain.errors import Misconfigured

Prepare = Callable[[str, RunningStack], Awaitable[None]]
Judge = Callable[[Results], list[Verdict]]


async def _nothing(name: str, stack: RunningStack) -> None:
    pass


def _the_service(calls: ProviderCalls) -> Target:
    return calls


def _no_verdict(results: Results) -> list[Verdict]:
    return []


async def compare_variants(
    variants: Mapping[str, StackOptions],
    options: Namespace,
    watch: Watch,
    prepare: Prepare = _nothing,
    judge: Judge = _no_verdict,
    target_of: Callable[[ProviderCalls], Target] = _the_service,
) -> dict[str, object]:
    """Start a stack for each variant, prepare it, and return what all of them do under the loads of the options."""
    if on_servers_elsewhere():
        raise Misconfigured("this mode compares stacks that it starts: name no servers", code="invalid_settings")
    async with AsyncExitStack() as running:
        http = await running.enter_async_context(http_session())
        targets: list[Target] = []
        for name, variant in variants.items():
            stack = await running.enter_async_context(own_stack(watch, variant))
            await prepare(name, stack)
            partners = await running.enter_async_context(partners_of(stack, http))
            casino = await partners.sandbox_casino("bench", options.confirmation)
            targets.append(target_of(partners.calls(casino, name)))
            say(f"{name} is up: {stack.ready.pids}")
        results = await play_chosen_loads(targets, options, watch)
        return {
            "rows": results.rows(),
            "verdicts": [one.row() for one in judge(results)],
            "ratios": ratios_to(targets[0].name, results),
            "memory_mib": {target.name: memory_mib(target.pids) for target in targets},
        }
