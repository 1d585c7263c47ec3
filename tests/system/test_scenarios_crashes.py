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

from tests.partner import Answer, Stack, TestPartner, eventually
from tests.system.scenarios import (
    BACK,
    DONE,
    REFUNDED,
    SETTLED,
    SLOW,
    STAKED,
    UNAVAILABLE,
    Journal,
    Outcome,
    bet_with_stake_taken,
    definite_answer,
    row_locked,
    until_definite,
)
from tests.watch import holds, in_state, sends

Call = Callable[[TestPartner, str], Awaitable[Answer]]

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
    hears: Outcome | None
    state: str
    journal: Journal
    told: bool
    withdrawn: bool = False
    later: Sequence[tuple[Call, Outcome]]
    at_last: Journal | None = None


TAKEN = Fate(
    call=TestPartner.pay_in,
    then=TestPartner.pay_in,
    hears=DONE,
    state="acceptance",
    journal=STAKED,
    told=True,
    later=[(TestPartner.pay_in, DONE), (TestPartner.pay_out, DONE), (TestPartner.refund, ALREADY_SETTLED)],
    at_last=SETTLED,
)
TAKEN_BACK = Fate(
    call=TestPartner.pay_in,
    then=TestPartner.refund,
    hears=DONE,
    state="refunded",
    journal=REFUNDED,
    told=False,
    withdrawn=True,
    later=[(TestPartner.pay_in, OFF), (TestPartner.refund, DONE), (TestPartner.pay_out, OFF)],
)
WON = Fate(
    call=TestPartner.pay_in_out,
    then=TestPartner.pay_in_out,
    hears=DONE,
    state="settled",
    journal=SETTLED,
    told=True,
    later=[(TestPartner.pay_in_out, DONE)],
)
# The stake goes back alone where the win was not sent before the Refund.
WON_NOTHING = replace(
    TAKEN_BACK, call=TestPartner.pay_in_out, later=[(TestPartner.pay_in_out, OFF), (TestPartner.refund, DONE)]
)
WON_UNHEARD = replace(
    WON,
    then=None,
    hears=None,
    told=False,
    later=[(TestPartner.refund, DONE), (TestPartner.pay_in_out, OFF)],
    at_last=BACK,
)
REVERSED = replace(
    WON,
    then=TestPartner.refund,
    journal=BACK,
    told=False,
    later=[(TestPartner.pay_in_out, OFF), (TestPartner.refund, DONE)],
)
PAID = replace(
    TAKEN,
    before=TestPartner.pay_in,
    call=TestPartner.pay_out,
    then=TestPartner.pay_out,
    state="settled",
    journal=SETTLED,
    later=[(TestPartner.pay_out, DONE), (TestPartner.refund, ALREADY_SETTLED), (TestPartner.pay_in, DONE)],
)
RETURNED = replace(
    TAKEN_BACK,
    before=TestPartner.pay_in,
    call=TestPartner.refund,
    told=True,
    later=[(TestPartner.refund, DONE), (TestPartner.pay_out, OFF), (TestPartner.pay_in, DONE)],
)
GIVEN_BACK = replace(
    REVERSED,
    before=TestPartner.pay_in_out,
    call=TestPartner.refund,
    told=True,
    later=[(TestPartner.refund, DONE), (TestPartner.pay_in_out, DONE)],
)

PAY_IN = [TAKEN, TAKEN_BACK, replace(TAKEN_BACK, then=None, hears=None)]
PAY_OUT = [PAID, replace(PAID, then=TestPartner.refund, hears=ALREADY_SETTLED), replace(PAID, then=None, hears=None)]
REFUND = [RETURNED, replace(RETURNED, then=TestPartner.pay_out, hears=OFF), replace(RETURNED, then=None, hears=None)]
REVERSAL = [GIVEN_BACK, replace(GIVEN_BACK, then=TestPartner.pay_in_out), replace(GIVEN_BACK, then=None, hears=None)]

# In the API, where the row has said already that the provider is told.
STANDS = replace(TAKEN, then=None, hears=None, later=[(TestPartner.pay_out, DONE), (TestPartner.pay_in, DONE)])
TOLD = [
    TAKEN,
    replace(
        TAKEN_BACK,
        told=True,
        later=[(TestPartner.pay_in, DONE), (TestPartner.refund, DONE), (TestPartner.pay_out, OFF)],
    ),
    STANDS,
    replace(STANDS, later=[(TestPartner.refund, DONE), (TestPartner.pay_in, DONE)], at_last=REFUNDED),
    WON,
    replace(REVERSED, told=True, later=[(TestPartner.pay_in_out, DONE), (TestPartner.refund, DONE)]),
    replace(WON_UNHEARD, told=True, later=[(TestPartner.pay_in_out, DONE)], at_last=SETTLED),
]


@dataclass
class Victim:
    """A bet that dies at a point, with its fate, of a partner."""

    point: str
    fate: Fate
    partner: TestPartner
    bet: str

    def says(self, call: Call) -> Callable[[], Awaitable[Answer]]:
        """A call of its provider."""
        return partial(call, self.partner, self.bet)

    async def prepare(self) -> None:
        """Play what comes before."""
        if self.fate.before:
            self.bet = await bet_with_stake_taken(self.partner, partial(self.fate.before, self.partner))

    async def calls(self) -> Outcome | None:
        """What it hears of its call. It makes it with another bet where a busy machine has refused its stake, as too
        late to send."""
        said = await definite_answer(self.says(self.fate.call))
        while self.fate.before is None and said in (None, UNAVAILABLE) and await self._is_refused():
            self.bet = self.partner.new_bet()
            said = await definite_answer(self.says(self.fate.call))
        return said

    async def _is_refused(self) -> bool:
        async def is_known() -> bool:
            row = await self.partner.row(self.bet)
            return row is not None and (row.state != "accepting" or await self._is_there())

        await eventually(is_known, 60)
        return bool((await self.partner.row(self.bet)).state == "refused")

    async def is_there(self) -> None:
        """Wait until all is done that comes before its point."""
        await eventually(self._is_there, 60)

    async def _is_there(self) -> bool:
        stands = {"counted": ("sending", 0), "answered": ("sending", 1), "recorded": ("done", 1)}.get(self._stage)
        row, journal = await self.partner.row(self.bet), await self.partner.journal(self.bet)
        ours = (await self._movements(row)).get(self._movement or 0)
        theirs = sum(kind == self._movement for kind, _ in journal)
        return ours is not None and (ours.state, theirs) == stands

    async def goes_on(self) -> None:
        """What its provider does after the death, and what comes of it."""
        fate, partner, bet = self.fate, self.partner, self.bet
        if fate.then:
            assert await until_definite(self.says(fate.then)) == fate.hears
        row = await self._at_rest()
        assert (row.state, await partner.journal(bet)) == (fate.state, fate.journal)
        assert (row.told_at is not None, row.withdrawn_at is not None) == (fate.told, fate.withdrawn)
        await self._books_agree(row)
        for call, said in fate.later:
            assert await until_definite(self.says(call)) == said, call.__name__
        assert await partner.journal(bet) == (fate.at_last or fate.journal)

    async def _at_rest(self) -> Any:
        """The row once nothing more comes by itself."""
        await in_state(self.partner, self.bet, self.fate.state, "settled", "refunded", "refused")
        if self.fate.journal == BACK:
            await holds(lambda: self.partner.row(self.bet), lambda row: row.reversed_by is not None)
        if self.fate.state == "acceptance" and self.fate.then is None:
            await _time_to_hear_is_over(self.partner, self.bet)
        return await self.partner.row(self.bet)

    async def _books_agree(self, row: Any) -> None:
        """Every movement is in our book as it is in the casino's, and every send was counted before it left."""
        ours, made = await self._movements(row), await sends(self.partner, self.bet)
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
        [event] = await self.partner.sql(query, b=(await self.partner.row(self.bet)).bet_id, t=kind)
        return event.data["progress"] if event.kind == "answer" else None

    async def _movements(self, row: Any) -> dict[int, Any]:
        query = "SELECT transaction_type, amount, state, attempts FROM movement WHERE bet_id = :b"
        found = await self.partner.sql(query, b=row and row.bet_id)
        return {movement.transaction_type: movement for movement in found}

    @property
    def _stage(self) -> str:
        return self.point.rpartition("_")[2]

    @property
    def _movement(self) -> int | None:
        """The movement that is under way at a point of the worker."""
        credit = 2 if self.fate.call is TestPartner.refund else 1
        return {"debit": -1, "credit": credit, "claw_back": -2}.get(self.point.rpartition("_")[0])


async def _time_to_hear_is_over(partner: TestPartner, bet: str) -> None:
    """Wait until the time to hear of a bet has run out, and the bet waits on or has taken itself back."""
    started, fired = EventType.EVENT_TYPE_TIMER_STARTED, EventType.EVENT_TYPE_TIMER_FIRED

    async def over() -> bool:
        history = await partner.workflow(bet).fetch_history()
        timers = [event.event_type for event in history.events if "TIMER" in EventType.Name(event.event_type)]
        return timers == [started, fired, started] or (await partner.row(bet)).withdrawn_at is not None

    await eventually(over, 60)


async def _victims(stack: Stack, points: Mapping[str, Sequence[Fate]], deadline: str) -> list[Victim]:
    """Bets of two partners: of a provider that goes on, and of one that falls silent."""
    goes_on = await stack.partner(provider=deadline, casino=CASINO)
    silent = await stack.partner(provider=f"{{{deadline}, unconfirmed_within: 2}}", casino=CASINO)
    victims = [
        Victim(point, fate, goes_on if fate.then else silent, TestPartner.new_bet())
        for point, fates in points.items()
        for fate in fates
    ]
    await asyncio.gather(*(victim.prepare() for victim in victims))
    # An answer is heard before the API has come past "written": once it answers another call it is past all of these.
    assert await stack.is_up()
    return victims


async def _all_die(stack: Stack, victims: Sequence[Victim]) -> list[Outcome | None]:
    """Kill the process in which all are at their points; what their provider has heard then.

    Point by point: who is to die at a later point of a movement has to come past the others. All wait for one more who
    does not come, but those at the last point, who are complete.
    """
    calls: list[asyncio.Task[Outcome | None]] = []
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


async def _play(stack: Stack, points: Mapping[str, Sequence[Fate]], told: Outcome | None = None) -> None:
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
    partner = await stack.partner(provider="{answer_deadline: 4, unconfirmed_within: 2}", casino=SLOW)
    told, withdrawn, paid = bets = [partner.new_bet() for _ in range(3)]
    await partner.faults({"kind": "hold_after", "path": "/payments/make", "times": 3})
    assert [answer.code for answer in await asyncio.gather(*(partner.pay_in(bet) for bet in bets))] == [99] * 3
    await partner.release()
    await asyncio.gather(*(in_state(partner, bet, "acceptance") for bet in bets))
    async with row_locked(partner, *bets) as waiting:
        calls = [asyncio.create_task(definite_answer(partial(partner.pay_in, told)))]
        await waiting(1)
        # All three take themselves back now.
        await waiting(4)
        calls.append(asyncio.create_task(definite_answer(partial(partner.pay_in, withdrawn))))
        await waiting(5)
        calls.append(asyncio.create_task(until_definite(partial(partner.pay_out, paid))))
    assert await asyncio.gather(*calls) == [DONE, OFF, OFF]
    await asyncio.gather(*(in_state(partner, bet, "refunded") for bet in (withdrawn, paid)))
    await _time_to_hear_is_over(partner, told)
    assert [await partner.journal(bet) for bet in bets] == [STAKED, REFUNDED, REFUNDED]
    rows: list[Any] = [await partner.row(bet) for bet in bets]
    moments = [(row.told_at is not None, row.withdrawn_at is not None) for row in rows]
    assert moments == [(True, False), (False, True), (False, True)]
    for bet, said in ((told, DONE), (withdrawn, OFF), (paid, OFF)):
        assert (await partner.pay_in(bet)).outcome == said
    assert [(await partner.refund(bet)).outcome for bet in bets] == [DONE] * 3
    assert list(chain(*[await partner.journal(bet) for bet in bets])) == REFUNDED * 3
