"""Edge case 77: what the provider was answered, whichever process dies in between.

Between the count of a send and the bytes of an answer a process is killed at every point that there is. At each of them
several bets die together, whose provider then repeats its call, wants its stake back, or says nothing more. What the
provider heard last, our rows and the casino's journal have to agree in the end.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, groupby
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType

from tests.system.scenarios import (
    BACK,
    DONE,
    REFUNDED,
    SETTLED,
    SLOW,
    STAKED,
    UNAVAILABLE,
    Journal,
    Said,
    definitely,
    heard,
    kept,
    taken,
)
from tests.table import Answer, Stack, Table, eventually
from tests.watch import holds, in_state, sends

Call = Callable[[Table, str], Awaitable[Answer]]

OFF, ALREADY_SETTLED = (6, "already_refunded"), (6, "already_settled")
# Over before Temporal misses a worker, and long enough for many new stakes at once.
DEADLINE, PATIENT = "answer_deadline: 3.5", "answer_deadline: 15"
# A debit may still be sent by the worker that comes after the killed one.
CASINO = "{message_lifetime: 600, retry: {first: 0.2, cap: 0.5}}"


@pytest.fixture(scope="module")
def stack(sweeping: Stack) -> Stack:
    """It has one worker, so that all bets that are in flight are in the process that dies."""
    return sweeping


@pytest.fixture(autouse=True)
async def _api(stack: Stack) -> None:
    """A test that failed may have left it dead."""
    await eventually(stack.is_up, 60)


@dataclass(frozen=True, kw_only=True)
class Fate:
    """A bet whose process dies during ``call``, what its provider does then (None: nothing), and what comes of it.

    ``told`` and ``withdrawn`` are whether the row has these moments; ``later`` is what is answered when all is over.
    """

    before: Call | None = None
    call: Call
    then: Call | None
    hears: Said | None
    state: str
    journal: Journal
    told: bool
    withdrawn: bool = False
    later: Sequence[tuple[Call, Said]]
    at_last: Journal | None = None


TAKEN = Fate(
    call=Table.pay_in,
    then=Table.pay_in,
    hears=DONE,
    state="acceptance",
    journal=STAKED,
    told=True,
    later=[(Table.pay_in, DONE), (Table.pay_out, DONE), (Table.refund, ALREADY_SETTLED)],
    at_last=SETTLED,
)
TAKEN_BACK = Fate(
    call=Table.pay_in,
    then=Table.refund,
    hears=DONE,
    state="refunded",
    journal=REFUNDED,
    told=False,
    withdrawn=True,
    later=[(Table.pay_in, OFF), (Table.refund, DONE), (Table.pay_out, OFF)],
)
WON = Fate(
    call=Table.pay_in_out,
    then=Table.pay_in_out,
    hears=DONE,
    state="settled",
    journal=SETTLED,
    told=True,
    later=[(Table.pay_in_out, DONE)],
)
# The stake goes back alone where the win was not sent before the Refund.
WON_NOTHING = replace(TAKEN_BACK, call=Table.pay_in_out, later=[(Table.pay_in_out, OFF), (Table.refund, DONE)])
WON_UNHEARD = replace(
    WON,
    then=None,
    hears=None,
    told=False,
    later=[(Table.refund, DONE), (Table.pay_in_out, OFF)],
    at_last=BACK,
)
REVERSED = replace(
    WON, then=Table.refund, journal=BACK, told=False, later=[(Table.pay_in_out, OFF), (Table.refund, DONE)]
)
PAID = replace(
    TAKEN,
    before=Table.pay_in,
    call=Table.pay_out,
    then=Table.pay_out,
    state="settled",
    journal=SETTLED,
    later=[(Table.pay_out, DONE), (Table.refund, ALREADY_SETTLED), (Table.pay_in, DONE)],
)
RETURNED = replace(
    TAKEN_BACK,
    before=Table.pay_in,
    call=Table.refund,
    told=True,
    later=[(Table.refund, DONE), (Table.pay_out, OFF), (Table.pay_in, DONE)],
)
GIVEN_BACK = replace(
    REVERSED,
    before=Table.pay_in_out,
    call=Table.refund,
    told=True,
    later=[(Table.refund, DONE), (Table.pay_in_out, DONE)],
)

PAY_IN = [TAKEN, TAKEN_BACK, replace(TAKEN_BACK, then=None, hears=None)]
PAY_OUT = [PAID, replace(PAID, then=Table.refund, hears=ALREADY_SETTLED), replace(PAID, then=None, hears=None)]
REFUND = [RETURNED, replace(RETURNED, then=Table.pay_out, hears=OFF), replace(RETURNED, then=None, hears=None)]
REVERSAL = [GIVEN_BACK, replace(GIVEN_BACK, then=Table.pay_in_out), replace(GIVEN_BACK, then=None, hears=None)]

# In the API, where the row has said already that the provider is told.
STANDS = replace(TAKEN, then=None, hears=None, later=[(Table.pay_out, DONE), (Table.pay_in, DONE)])
TOLD = [
    TAKEN,
    replace(TAKEN_BACK, told=True, later=[(Table.pay_in, DONE), (Table.refund, DONE), (Table.pay_out, OFF)]),
    STANDS,
    replace(STANDS, later=[(Table.refund, DONE), (Table.pay_in, DONE)], at_last=REFUNDED),
    WON,
    replace(REVERSED, told=True, later=[(Table.pay_in_out, DONE), (Table.refund, DONE)]),
    replace(WON_UNHEARD, told=True, later=[(Table.pay_in_out, DONE)], at_last=SETTLED),
]


@dataclass
class Victim:
    """A bet that dies at a point, with its fate, at a table."""

    point: str
    fate: Fate
    table: Table
    bet: str

    def says(self, call: Call) -> Callable[[], Awaitable[Answer]]:
        """A call of its provider."""
        return partial(call, self.table, self.bet)

    async def prepare(self) -> None:
        """Play what comes before."""
        if self.fate.before:
            self.bet = await taken(self.table, partial(self.fate.before, self.table))

    async def calls(self) -> Said | None:
        """What it hears of its call. It makes it with another bet where a busy machine has refused its stake, as too
        late to send."""
        said = await heard(self.says(self.fate.call))
        while self.fate.before is None and said in (None, UNAVAILABLE) and await self._is_refused():
            self.bet = self.table.new_bet()
            said = await heard(self.says(self.fate.call))
        return said

    async def _is_refused(self) -> bool:
        async def is_known() -> bool:
            row = await self.table.row(self.bet)
            return row is not None and (row.state != "accepting" or await self._is_there())

        await eventually(is_known, 60)
        return bool((await self.table.row(self.bet)).state == "refused")

    async def is_there(self) -> None:
        """Wait until all is done that comes before its point."""
        await eventually(self._is_there, 60)

    async def _is_there(self) -> bool:
        stands = {"counted": ("sending", 0), "answered": ("sending", 1), "recorded": ("done", 1)}.get(self._stage)
        row, journal = await self.table.row(self.bet), await self.table.journal(self.bet)
        ours = (await self._movements(row)).get(self._movement or 0)
        theirs = sum(kind == self._movement for kind, _ in journal)
        return ours is not None and (ours.state, theirs) == stands

    async def goes_on(self) -> None:
        """What its provider does after the death, and what comes of it."""
        fate, table, bet = self.fate, self.table, self.bet
        if fate.then:
            assert await definitely(self.says(fate.then)) == fate.hears
        row = await self._at_rest()
        assert (row.state, await table.journal(bet)) == (fate.state, fate.journal)
        assert (row.told_at is not None, row.withdrawn_at is not None) == (fate.told, fate.withdrawn)
        await self._books_agree(row)
        for call, said in fate.later:
            assert await definitely(self.says(call)) == said, call.__name__
        assert await table.journal(bet) == (fate.at_last or fate.journal)

    async def _at_rest(self) -> Any:
        """The row once nothing more comes by itself."""
        await in_state(self.table, self.bet, self.fate.state, "settled", "refunded", "refused")
        if self.fate.journal == BACK:
            await holds(lambda: self.table.row(self.bet), lambda row: row.reversed_by is not None)
        if self.fate.state == "acceptance" and self.fate.then is None:
            await _time_to_hear_is_over(self.table, self.bet)
        return await self.table.row(self.bet)

    async def _books_agree(self, row: Any) -> None:
        """Every movement is in our book as it is in the casino's, and every send was counted before it left."""
        ours, made = await self._movements(row), await sends(self.table, self.bet)
        booked = {(kind, f"{found.amount / 100:.2f}", found.state) for kind, found in ours.items()}
        assert booked == {(*entry, "done") for entry in self.fate.journal}
        for kind, movement in ours.items():
            reached = sum(call["transaction_type"] == kind for call in made)
            dies = self._stage if kind == self._movement else ""
            # What died when it was counted never left; a send whose answer was lost with its process is made again.
            assert reached >= (2 if dies == "answered" else 1)
            assert movement.attempts >= reached + (dies == "counted"), f"counted and seen, of movement {kind}"
            assert await self._last_word(kind) == "done"

    async def _last_word(self, kind: int) -> str | None:
        """What the casino has said to the last send of a movement; None where nothing was heard of it yet."""
        query = """SELECT kind, data FROM bet_event WHERE bet_id = :b AND kind IN ('send', 'answer')
                   AND (data->>'type')::int = :t ORDER BY event_id DESC LIMIT 1"""
        [event] = await self.table.sql(query, b=(await self.table.row(self.bet)).bet_id, t=kind)
        return event.data["progress"] if event.kind == "answer" else None

    async def _movements(self, row: Any) -> dict[int, Any]:
        query = "SELECT transaction_type, amount, state, attempts FROM movement WHERE bet_id = :b"
        found = await self.table.sql(query, b=row and row.bet_id)
        return {movement.transaction_type: movement for movement in found}

    @property
    def _stage(self) -> str:
        return self.point.rpartition("_")[2]

    @property
    def _movement(self) -> int | None:
        """The movement that is under way at a point of the worker."""
        credit = 2 if self.fate.call is Table.refund else 1
        return {"debit": -1, "credit": credit, "claw_back": -2}.get(self.point.rpartition("_")[0])


async def _time_to_hear_is_over(table: Table, bet: str) -> None:
    """Wait until the time to hear of a bet has run out, and the bet waits on or has taken itself back."""
    started, fired = EventType.EVENT_TYPE_TIMER_STARTED, EventType.EVENT_TYPE_TIMER_FIRED

    async def over() -> bool:
        history = await table.workflow(bet).fetch_history()
        timers = [event.event_type for event in history.events if "TIMER" in EventType.Name(event.event_type)]
        return timers == [started, fired, started] or (await table.row(bet)).withdrawn_at is not None

    await eventually(over, 60)


async def _victims(stack: Stack, points: Mapping[str, Sequence[Fate]], deadline: str) -> list[Victim]:
    """Bets at two tables: of a provider that goes on, and of one that falls silent."""
    goes_on = await stack.table(provider=deadline, casino=CASINO)
    silent = await stack.table(provider=f"{{{deadline}, unconfirmed_within: 2}}", casino=CASINO)
    victims = [
        Victim(point, fate, goes_on if fate.then else silent, Table.new_bet())
        for point, fates in points.items()
        for fate in fates
    ]
    await asyncio.gather(*(victim.prepare() for victim in victims))
    # An answer is heard before the API has come past "written": once it answers another call it is past all of these.
    assert await stack.is_up()
    return victims


async def _all_die(stack: Stack, victims: Sequence[Victim]) -> list[Said | None]:
    """Kill the process in which all are at their points; what their provider has heard then.

    Point by point: who is to die at a later point of a movement has to come past the others. All wait for one more who
    does not come, but those at the last point, who are complete.
    """
    calls: list[asyncio.Task[Said | None]] = []
    *waiting, last = ((stack.failpoints / point, list(those)) for point, those in groupby(victims, lambda v: v.point))
    for armed, those in waiting:
        armed.write_text(str(len(those) + 1))
        calls += [asyncio.create_task(victim.calls()) for victim in those]
        await asyncio.gather(*(victim.is_there() for victim in those))
    armed, those = last
    armed.write_text(str(len(those)))
    calls += [asyncio.create_task(victim.calls()) for victim in those]

    async def reached() -> bool:
        return not armed.exists()

    await eventually(reached, 60)
    for armed, _ in waiting:
        armed.unlink()
    return await asyncio.gather(*calls)


async def _play(stack: Stack, points: Mapping[str, Sequence[Fate]], told: Said | None = None) -> None:
    """Play all fates to their ends. What the provider has heard when the process dies: nothing, or ``told``."""
    victims = await _victims(stack, points, DEADLINE if told is None else PATIENT)
    assert await _all_die(stack, victims) == [told] * len(victims)

    async def one(victim: Victim) -> None:
        try:
            await victim.goes_on()
        except BaseException as error:
            then = victim.fate.then.__name__ if victim.fate.then else "silence"
            error.add_note(f"killed at {victim.point} in {victim.fate.call.__name__}, then {then}")
            raise

    async with asyncio.TaskGroup() as group:
        for victim in victims:
            group.create_task(one(victim))


# A worker dies: nobody has heard anything definite


@pytest.mark.edge_case(20, 21, 42, 46, 66, 77)
@pytest.mark.parametrize("stage", ["counted", "answered", "recorded"])
async def test_a_worker_killed_in_the_middle_of_movements(stack: Stack, stage: str) -> None:
    points = {
        f"credit_{stage}": [*PAY_OUT, *REFUND, *REVERSAL, WON, REVERSED, WON_UNHEARD],
        f"claw_back_{stage}": REVERSAL,
        f"debit_{stage}": [*PAY_IN, WON, WON_NOTHING, WON_UNHEARD],
    }
    await _play(stack, points)


# The API dies: the bet goes on without it


@pytest.mark.edge_case(1, 20, 21, 46, 77)
async def test_an_api_killed_before_it_says_that_it_tells(stack: Stack) -> None:
    await _play(stack, {"outcome_known": [*PAY_IN, *PAY_OUT, *REFUND, *REVERSAL, WON, REVERSED, WON_UNHEARD]})


@pytest.mark.edge_case(1, 77)
async def test_an_api_killed_between_saying_so_and_telling(stack: Stack) -> None:
    """The row cannot know that the provider never got it: a bet that may be known to stand stands."""
    await _play(stack, {"outcome_told": TOLD})


@pytest.mark.edge_case(1, 20, 21, 46, 77)
async def test_an_api_killed_after_it_told(stack: Stack) -> None:
    await _play(stack, {"answer_written": [*TOLD, *PAY_OUT, *REFUND, *REVERSAL]}, told=DONE)


# Both at once


@pytest.mark.edge_case(77)
async def test_a_bet_is_told_of_at_the_moment_in_which_it_is_taken_back(stack: Stack) -> None:
    """Both want the row, now the one first and now the other; a PayOut that comes too late changes nothing."""
    table = await stack.table(provider="{answer_deadline: 4, unconfirmed_within: 2}", casino=SLOW)
    told, withdrawn, paid = bets = [table.new_bet() for _ in range(3)]
    await table.faults({"kind": "hold_after", "path": "/payments/make", "times": 3})
    assert [answer.code for answer in await asyncio.gather(*(table.pay_in(bet) for bet in bets))] == [99] * 3
    await table.release()
    await asyncio.gather(*(in_state(table, bet, "acceptance") for bet in bets))
    async with kept(table, *bets) as waiting:
        calls = [asyncio.create_task(heard(partial(table.pay_in, told)))]
        await waiting(1)
        # All three take themselves back now.
        await waiting(4)
        calls.append(asyncio.create_task(heard(partial(table.pay_in, withdrawn))))
        await waiting(5)
        calls.append(asyncio.create_task(definitely(partial(table.pay_out, paid))))
    assert await asyncio.gather(*calls) == [DONE, OFF, OFF]
    await asyncio.gather(*(in_state(table, bet, "refunded") for bet in (withdrawn, paid)))
    await _time_to_hear_is_over(table, told)
    assert [await table.journal(bet) for bet in bets] == [STAKED, REFUNDED, REFUNDED]
    rows: list[Any] = [await table.row(bet) for bet in bets]
    moments = [(row.told_at is not None, row.withdrawn_at is not None) for row in rows]
    assert moments == [(True, False), (False, True), (False, True)]
    for bet, said in ((told, DONE), (withdrawn, OFF), (paid, OFF)):
        assert (await table.pay_in(bet)).said == said
    assert [(await table.refund(bet)).said for bet in bets] == [DONE] * 3
    assert list(chain(*[await table.journal(bet) for bet in bets])) == REFUNDED * 3
