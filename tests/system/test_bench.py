"""``make bench`` in small: the service and its floors, on the stack that other tests use."""

import asyncio

from sqlalchemy import text

from bench.bets.modes.compare import targets_on
from bench.bets.processes import Watch
from bench.bets.stacks import RunningStack
from bench.bets.workload import BetKind, Target
from devkit.stack.up import Ready
from tests.partner import Stack

# What a bet has left in our tables, without ids and times.
_ROWS = text("""
    SELECT DISTINCT one_step, state, stake, win, told_at IS NOT NULL,
           accepted_balance IS NOT NULL, closed_balance IS NOT NULL,
           (SELECT array_agg(ROW(transaction_type, amount, m.state, attempts, error_code,
                                 partner_transaction_id IS NOT NULL)::text ORDER BY transaction_type)
            FROM movement m WHERE m.bet_id = b.bet_id),
           (SELECT array_agg(ROW(kind, data - 'request_id' - 'proof', data ? 'proof')::text ORDER BY event_id)
            FROM bet_event e WHERE e.bet_id = b.bet_id)
    FROM bet b JOIN casino USING (casino_id)
    WHERE casino.name = :casino AND provider_bet_id LIKE :prefix || '%'
""")
_TRIES = 10


async def _play(target: Target) -> None:
    for kind in BetKind:
        stop = asyncio.Event()
        # A bet that has begun is played to its end.
        asyncio.get_running_loop().call_later(0.05, stop.set)
        played = await target.play(kind, 1, stop)
        assert {len(bet.milliseconds) for bet in played} == {len(kind.calls)}


async def test_the_service_and_every_floor_play_bets_and_the_lean_one_writes_the_rows_of_the_service(
    stack: Stack,
) -> None:
    ready = Ready(**stack.addresses)
    environment = {"BETCORE_DATA_DIR": str(stack.folder), "BETCORE_DATABASE_URL": ready.database}
    running = RunningStack(ready, stack.settings, environment)
    async with targets_on(running, stack.http, Watch(), players=2) as compared:
        for target in (compared.by_accept, compared.equal, compared.bare, compared.lean):
            await _play(target)

        async def rows(prefix: str) -> set[tuple[str, ...]]:
            async with stack.engine.connect() as connection:
                found = await connection.execute(_ROWS, {"casino": compared.casino.name, "prefix": prefix})
                return {tuple(map(str, row)) for row in found}

        lean = await rows("lean-")
        assert len(lean) == 2
        # A busy machine sends more than once, and writes other rows then.
        for _ in range(_TRIES):
            await _play(compared.service)
            service = await rows("bench-")
            if lean <= service:
                return
        assert lean == service
