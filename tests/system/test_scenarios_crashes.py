"""Edge case 77: what the provider is answered, whichever process dies between the count of a send and the answer.

A process is killed at every failpoint on that way. At each of them several bets are interrupted together, whose
providers then repeat the call, refund it, or never call again. In the end the provider's last answer, our rows and the
casino's journal must agree: the tables of ``CrashCase`` say how.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, replace
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
# It gets stake and win of a PayInOut in one list.
ORDERED = f"{{send: {{list: one_step}}, {CASINO[1:]}"


@pytest.fixture(scope="module")
def stack(sweeping: Stack) -> Stack:
    """It has one worker, so that all bets that are in flight are in the process that dies."""
    return sweeping


@pytest.fixture(autouse=True)
async def _api(stack: Stack) -> None:
    """A test that failed may have left it dead."""
    await eventually(stack.is_up, 60)


@dataclass(frozen=True)
class CrashCase:
    """A bet during one of whose calls a process is killed, and what must come of it.

    ``before`` is what its provider had called, and was answered, before ``during``. After the crash it calls ``then``,
    which must be answered ``answered``; None stands for a provider that never calls again. The casino has the profile
    ``casino``. Once nothing more happens by itself, the bet's row has this ``state``, has or lacks ``told_at`` and
    ``withdrawn_at``, and the casino has this ``journal``. After the calls of ``later``, each with its answer, the
    casino has the journal ``at_last``.
    """

    during: str
    _: KW_ONLY
    before: str | None = None
    then: str | None
    answered: Outcome | None
    state: str
    told: bool
    withdrawn: bool
    journal: Journal
    later: dict[str, Outcome]
    at_last: Journal
    casino: str = CASINO


CALLS: dict[str, Call] = {
    "PayIn": TestPartner.pay_in,
    "PayOut": TestPartner.pay_out,
    "PayInOut": TestPartner.pay_in_out,
    "Refund": TestPartner.refund,
}

# fmt: off
# The process dies before anything stands in the row that says what the provider was answered.
PAY_IN = [
    CrashCase("PayIn", then="PayIn", answered=DONE, state="acceptance", told=True, withdrawn=False, journal=STAKED,
              later={"PayIn": DONE, "PayOut": DONE, "Refund": ALREADY_SETTLED}, at_last=SETTLED),
    CrashCase("PayIn", then="Refund", answered=DONE, state="refunded", told=False, withdrawn=True, journal=REFUNDED,
              later={"PayIn": OFF, "Refund": DONE, "PayOut": OFF}, at_last=REFUNDED),
    CrashCase("PayIn", then=None, answered=None, state="refunded", told=False, withdrawn=True, journal=REFUNDED,
              later={"PayIn": OFF, "Refund": DONE, "PayOut": OFF}, at_last=REFUNDED),
]
# The stake of a PayInOut is on its way: a Refund comes before the win, and the stake alone goes back.
STAKE_OF_PAY_IN_OUT = [
    CrashCase("PayInOut", then="PayInOut", answered=DONE, state="settled", told=True, withdrawn=False, journal=SETTLED,
              later={"PayInOut": DONE}, at_last=SETTLED),
    CrashCase("PayInOut", then="Refund", answered=DONE, state="refunded", told=False, withdrawn=True, journal=REFUNDED,
              later={"PayInOut": OFF, "Refund": DONE}, at_last=REFUNDED),
    CrashCase("PayInOut", then=None, answered=None, state="settled", told=False, withdrawn=False, journal=SETTLED,
              later={"Refund": DONE, "PayInOut": OFF}, at_last=BACK),
]
# The win of a PayInOut is on its way, or paid: a Refund is a reversal.
WIN_OF_PAY_IN_OUT = [
    CrashCase("PayInOut", then="PayInOut", answered=DONE, state="settled", told=True, withdrawn=False, journal=SETTLED,
              later={"PayInOut": DONE}, at_last=SETTLED),
    CrashCase("PayInOut", then="Refund", answered=DONE, state="settled", told=False, withdrawn=False, journal=BACK,
              later={"PayInOut": OFF, "Refund": DONE}, at_last=BACK),
    CrashCase("PayInOut", then=None, answered=None, state="settled", told=False, withdrawn=False, journal=SETTLED,
              later={"Refund": DONE, "PayInOut": OFF}, at_last=BACK),
]
PAY_OUT = [
    CrashCase("PayOut", before="PayIn", then="PayOut", answered=DONE,
              state="settled", told=True, withdrawn=False, journal=SETTLED,
              later={"PayOut": DONE, "Refund": ALREADY_SETTLED, "PayIn": DONE}, at_last=SETTLED),
    CrashCase("PayOut", before="PayIn", then="Refund", answered=ALREADY_SETTLED,
              state="settled", told=True, withdrawn=False, journal=SETTLED,
              later={"PayOut": DONE, "Refund": ALREADY_SETTLED, "PayIn": DONE}, at_last=SETTLED),
    CrashCase("PayOut", before="PayIn", then=None, answered=None,
              state="settled", told=True, withdrawn=False, journal=SETTLED,
              later={"PayOut": DONE, "Refund": ALREADY_SETTLED, "PayIn": DONE}, at_last=SETTLED),
]
REFUND = [
    CrashCase("Refund", before="PayIn", then="Refund", answered=DONE,
              state="refunded", told=True, withdrawn=True, journal=REFUNDED,
              later={"Refund": DONE, "PayOut": OFF, "PayIn": DONE}, at_last=REFUNDED),
    CrashCase("Refund", before="PayIn", then="PayOut", answered=OFF,
              state="refunded", told=True, withdrawn=True, journal=REFUNDED,
              later={"Refund": DONE, "PayOut": OFF, "PayIn": DONE}, at_last=REFUNDED),
    CrashCase("Refund", before="PayIn", then=None, answered=None,
              state="refunded", told=True, withdrawn=True, journal=REFUNDED,
              later={"Refund": DONE, "PayOut": OFF, "PayIn": DONE}, at_last=REFUNDED),
]
REVERSAL = [
    CrashCase("Refund", before="PayInOut", then="Refund", answered=DONE,
              state="settled", told=True, withdrawn=False, journal=BACK,
              later={"Refund": DONE, "PayInOut": DONE}, at_last=BACK),
    CrashCase("Refund", before="PayInOut", then="PayInOut", answered=DONE,
              state="settled", told=True, withdrawn=False, journal=BACK,
              later={"Refund": DONE, "PayInOut": DONE}, at_last=BACK),
    CrashCase("Refund", before="PayInOut", then=None, answered=None,
              state="settled", told=True, withdrawn=False, journal=BACK,
              later={"Refund": DONE, "PayInOut": DONE}, at_last=BACK),
]
# The API dies after it has recorded in the row that it answers 1: every repeat is answered 1.
RECORDED = [
    CrashCase("PayIn", then="PayIn", answered=DONE, state="acceptance", told=True, withdrawn=False, journal=STAKED,
              later={"PayIn": DONE, "PayOut": DONE, "Refund": ALREADY_SETTLED}, at_last=SETTLED),
    CrashCase("PayIn", then="Refund", answered=DONE, state="refunded", told=True, withdrawn=True, journal=REFUNDED,
              later={"PayIn": DONE, "Refund": DONE, "PayOut": OFF}, at_last=REFUNDED),
    CrashCase("PayIn", then=None, answered=None, state="acceptance", told=True, withdrawn=False, journal=STAKED,
              later={"PayOut": DONE, "PayIn": DONE}, at_last=SETTLED),
    CrashCase("PayIn", then=None, answered=None, state="acceptance", told=True, withdrawn=False, journal=STAKED,
              later={"Refund": DONE, "PayIn": DONE}, at_last=REFUNDED),
    CrashCase("PayInOut", then="PayInOut", answered=DONE, state="settled", told=True, withdrawn=False, journal=SETTLED,
              later={"PayInOut": DONE}, at_last=SETTLED),
    CrashCase("PayInOut", then="Refund", answered=DONE, state="settled", told=True, withdrawn=False, journal=BACK,
              later={"PayInOut": DONE, "Refund": DONE}, at_last=BACK),
    CrashCase("PayInOut", then=None, answered=None, state="settled", told=True, withdrawn=False, journal=SETTLED,
              later={"PayInOut": DONE}, at_last=SETTLED),
]
# fmt: on
# The win is on its way with its stake, however little of it is known.
ONE_STEP_IN_A_LIST = [replace(case, casino=ORDERED) for case in WIN_OF_PAY_IN_OUT]


@dataclass
class CrashedBet:
    """A bet of a case, and the failpoint at which its process is killed."""

    point: str
    case: CrashCase
    partner: TestPartner
    bet: str

    def call(self, operation: str) -> Callable[[], Awaitable[Answer]]:
        """Return what makes a call of its provider."""
        return partial(CALLS[operation], self.partner, self.bet)

    async def prepare(self) -> None:
        """Play the call that comes before."""
        if self.case.before:
            self.bet = await bet_with_stake_taken(self.partner, partial(CALLS[self.case.before], self.partner))

    async def play(self) -> Outcome | None:
        """Make the call of the case, and return its answer, or None if it has no definite one.

        A busy machine may refuse the stake as too late to send: then the call is made with another bet.
        """
        outcome = await definite_answer(self.call(self.case.during))
        while self.case.before is None and outcome in (None, UNAVAILABLE) and await self._is_refused():
            self.bet = self.partner.new_bet()
            outcome = await definite_answer(self.call(self.case.during))
        return outcome

    async def _is_refused(self) -> bool:
        async def is_known() -> bool:
            row = await self.partner.row(self.bet)
            return row is not None and (row.state != "accepting" or await self._is_there())

        await eventually(is_known, 60)
        return bool((await self.partner.row(self.bet)).state == "refused")

    async def is_there(self) -> None:
        """Wait until the bet is at its failpoint, as rows and journal show."""
        await eventually(self._is_there, 60)

    async def _is_there(self) -> bool:
        stands = {"counted": ("sending", 0), "answered": ("sending", 1), "recorded": ("done", 1)}.get(self._stage)
        row, journal = await self.partner.row(self.bet), await self.partner.journal(self.bet)
        ours = (await self._movements(row)).get(self._movement or 0)
        theirs = sum(kind == self._movement for kind, _ in journal)
        return ours is not None and (ours.state, theirs) == stands

    async def check(self) -> None:
        """Play what the provider does after the crash, and check what comes of it."""
        case, partner, bet = self.case, self.partner, self.bet
        if case.then:
            assert await until_definite(self.call(case.then)) == case.answered
        row = await self._at_rest()
        assert (row.state, await partner.journal(bet)) == (case.state, case.journal)
        assert (row.told_at is not None, row.withdrawn_at is not None) == (case.told, case.withdrawn)
        await self._books_agree(row)
        for operation, outcome in case.later.items():
            assert await until_definite(self.call(operation)) == outcome, operation
        assert await partner.journal(bet) == case.at_last

    async def _at_rest(self) -> Any:
        """Return the row when nothing more happens by itself."""
        await in_state(self.partner, self.bet, self.case.state, "settled", "refunded", "refused")
        if self.case.journal == BACK:
            await holds(lambda: self.partner.row(self.bet), lambda row: row.reversed_by is not None)
        if self.case.state == "acceptance" and self.case.then is None:
            await _unconfirmed_within_is_over(self.partner, self.bet)
        return await self.partner.row(self.bet)

    async def _books_agree(self, row: Any) -> None:
        """Check that our movements are those of the casino's journal, and that each send was counted before it left."""
        ours, made = await self._movements(row), await sends(self.partner, self.bet)
        booked = {(kind, f"{found.amount / 100:.2f}", found.state) for kind, found in ours.items()}
        assert booked == {(*entry, "done") for entry in self.case.journal}
        for kind, movement in ours.items():
            reached = sum(call["transaction_type"] == kind for call in made)
            stage = self._stage if kind == self._movement else ""
            # A send that was only counted never left; one whose answer was lost with its process is sent again.
            assert reached >= (2 if stage == "answered" else 1)
            assert movement.attempts >= reached + (stage == "counted"), f"counted and seen, of movement {kind}"
            assert await self._last_answer(kind) == "done"

    async def _last_answer(self, kind: int) -> str | None:
        """Return the casino's answer to the last send of a movement, or None if there is none yet."""
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
        """The movement that is under way at a failpoint of the worker."""
        credit = 2 if self.case.during == "Refund" else 1
        return {"debit": -1, "credit": credit, "claw_back": -2}.get(self.point.rpartition("_")[0])


async def _unconfirmed_within_is_over(partner: TestPartner, bet: str) -> None:
    """Wait until ``unconfirmed_within`` is over, and the bet goes on waiting or is withdrawn."""
    started, fired = EventType.EVENT_TYPE_TIMER_STARTED, EventType.EVENT_TYPE_TIMER_FIRED

    async def over() -> bool:
        history = await partner.workflow(bet).fetch_history()
        timers = [event.event_type for event in history.events if "TIMER" in EventType.Name(event.event_type)]
        return timers == [started, fired, started] or (await partner.row(bet)).withdrawn_at is not None

    await eventually(over, 60)


async def _bets(stack: Stack, points: Mapping[str, Sequence[CrashCase]], deadline: str) -> list[CrashedBet]:
    """Return bets of two partners of each casino: of a provider that calls again, and of one that does not."""
    partners = {
        (casino, calls): await stack.partner(provider=provider, casino=casino)
        for casino in {case.casino for case in chain(*points.values())}
        for calls, provider in ((True, deadline), (False, f"{{{deadline}, unconfirmed_within: 2}}"))
    }
    bets = [
        CrashedBet(point, case, partners[case.casino, case.then is not None], TestPartner.new_bet())
        for point, cases in points.items()
        for case in cases
    ]
    await asyncio.gather(*(bet.prepare() for bet in bets))
    # An answer may be read before the API is past the failpoint "answer_written" of its call. Once it has answered
    # another call, it is past all of these.
    assert await stack.is_up()
    return bets


async def _crash(stack: Stack, bets: Sequence[CrashedBet]) -> list[Outcome | None]:
    """Kill the process in which all bets are at their failpoints; return what their providers were answered before.

    Failpoint by failpoint: a bet that has to reach a later one of a movement must pass the others first. Each failpoint
    waits for one bet more than comes, but the last one, which has all of its own and kills.
    """
    calls: list[asyncio.Task[Outcome | None]] = []
    *waiting, last = ((stack.failpoints / point, list(those)) for point, those in groupby(bets, lambda bet: bet.point))
    for armed, those in waiting:
        armed.write_text(str(len(those) + 1))
        calls += [asyncio.create_task(bet.play()) for bet in those]
        await asyncio.gather(*(bet.is_there() for bet in those))
    armed, those = last
    armed.write_text(str(len(those)))
    calls += [asyncio.create_task(bet.play()) for bet in those]

    async def reached() -> bool:
        return not armed.exists()

    await eventually(reached, 60)
    for armed, _ in waiting:
        armed.unlink()
    return await asyncio.gather(*calls)


async def _play(stack: Stack, points: Mapping[str, Sequence[CrashCase]], answered: Outcome | None = None) -> None:
    """Play all cases to their ends. When the process dies, their providers have no answer, or ``answered``."""
    bets = await _bets(stack, points, DEADLINE if answered is None else PATIENT)
    assert await _crash(stack, bets) == [answered] * len(bets)

    async def one(bet: CrashedBet) -> None:
        try:
            await bet.check()
        except BaseException as error:
            error.add_note(f"killed at {bet.point} in {bet.case.during}, then {bet.case.then or 'no call'}")
            raise

    async with asyncio.TaskGroup() as group:
        for bet in bets:
            group.create_task(one(bet))


# A worker dies: no provider has a definite answer


@pytest.mark.edge_case(20, 21, 42, 46, 66, 77, 141, 142)
@pytest.mark.parametrize("stage", ["counted", "answered", "recorded"])
async def test_a_worker_killed_in_the_middle_of_movements(stack: Stack, stage: str) -> None:
    points = {
        f"credit_{stage}": [*PAY_OUT, *REFUND, *REVERSAL, *WIN_OF_PAY_IN_OUT],
        f"claw_back_{stage}": REVERSAL,
        f"debit_{stage}": [*PAY_IN, *STAKE_OF_PAY_IN_OUT, *ONE_STEP_IN_A_LIST],
    }
    await _play(stack, points)


# The API dies: the bet goes on without it


@pytest.mark.edge_case(1, 20, 21, 46, 77)
async def test_an_api_killed_before_it_records_its_answer(stack: Stack) -> None:
    await _play(stack, {"outcome_known": [*PAY_IN, *PAY_OUT, *REFUND, *REVERSAL, *WIN_OF_PAY_IN_OUT]})


@pytest.mark.edge_case(1, 77)
async def test_an_api_killed_between_the_record_and_the_answer(stack: Stack) -> None:
    """The row cannot show whether the answer arrived: a bet whose provider may have been answered 1 stands."""
    await _play(stack, {"outcome_told": RECORDED})


@pytest.mark.edge_case(1, 20, 21, 46, 77)
async def test_an_api_killed_after_its_answer(stack: Stack) -> None:
    await _play(stack, {"answer_written": [*RECORDED, *PAY_OUT, *REFUND, *REVERSAL]}, answered=DONE)


# Both at once


@pytest.mark.edge_case(77)
async def test_a_bet_is_answered_at_the_moment_of_its_withdrawal(stack: Stack) -> None:
    """The answer and the withdrawal both update the row, in either order; a PayOut that comes later changes nothing."""
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
    await _unconfirmed_within_is_over(partner, told)
    assert [await partner.journal(bet) for bet in bets] == [STAKED, REFUNDED, REFUNDED]
    rows: list[Any] = [await partner.row(bet) for bet in bets]
    moments = [(row.told_at is not None, row.withdrawn_at is not None) for row in rows]
    assert moments == [(True, False), (False, True), (False, True)]
    for bet, outcome in ((told, DONE), (withdrawn, OFF), (paid, OFF)):
        assert (await partner.pay_in(bet)).outcome == outcome
    assert [(await partner.refund(bet)).outcome for bet in bets] == [DONE] * 3
    assert list(chain(*[await partner.journal(bet) for bet in bets])) == REFUNDED * 3
