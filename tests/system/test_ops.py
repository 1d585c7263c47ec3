"""``python -m betcore ops`` beside a running stack."""

import asyncio
import json
from typing import Any

import pytest

from betcore.db.onboarding_sessions import NewSession
from tests.command_line import run
from tests.partner import Stack, TestPartner
from tests.system.scenarios import DONE, HASTY, bet_with_stake_taken
from tests.watch import has_status, in_state

MAKE = "/payments/make"
BLOCKED = {"kind": "error_code", "error_code": 103805, "path": MAKE, "transaction_type": 1}
QUICK = "retry: {first: 0.1, cap: 0.3}"
SMALL = "{retry: {first: 0.1, cap: 0.3}, approval_above: {EUR: 5}}"


class Ops:
    """The commands, at one stack."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack

    async def __call__(self, *arguments: str, ended: int = 0) -> Any:
        """Run a command with --json, and return its object."""
        return json.loads(await self.printed(*arguments, "--json", ended=ended))

    async def printed(self, *arguments: str, ended: int = 0) -> str:
        """Run a command, and return what it prints."""
        result = await run(self._stack.folder, "ops", *arguments)
        assert result.exit_code == ended, result.output
        return result.stdout

    async def refused(self, *arguments: str) -> tuple[str, str]:
        """Code and message of a refusal."""
        error = (await self(*arguments, ended=1))["error"]
        return error["code"], error["message"]


@pytest.fixture
def ops(stack: Stack) -> Ops:
    return Ops(stack)


async def _parked(stack: Stack, casino: str = QUICK) -> tuple[TestPartner, str, str]:
    """Return a bet whose win is parked: its partner, the provider's id and ours."""
    partner = await stack.partner(provider=HASTY, casino=casino)
    bet = await bet_with_stake_taken(partner, partner.pay_in)
    await partner.faults(BLOCKED)
    assert (await partner.pay_out(bet)).code == 99
    await has_status(partner, bet, "parked", True)
    return partner, bet, str((await partner.row(bet)).bet_id)


def _by(operator: str) -> tuple[str, ...]:
    return "--operator", operator, "--reason", "a test"


async def test_a_parked_bet_is_seen_tried_again_and_paid(stack: Stack, ops: Ops) -> None:
    partner, bet, number = await _parked(stack)
    [line] = [one for one in (await ops("stuck"))["stuck"] if str(one["bet_id"]) == number]
    assert (line["status"], line["state"], line["why"]) == ("parked", "settling", "needs attention")
    owed = (await ops("owed", "--casino", line["casino"]))["owed"]
    assert [(one["bets"], one["currency"], one["amount"]) for one in owed] == [(1, "EUR", "25.00")]
    assert "parked" in await ops.printed("show", number)
    await partner.faults()
    assert (await ops("retry", number, *_by("ann")))["done"]
    await in_state(partner, bet, "settled")
    told = await ops("show", line["bet"])
    assert told["bet"]["state"] == "settled"
    assert [(one["type"], one["state"]) for one in told["movements"]] == [(-1, "done"), (1, "done")]
    kinds = [one["kind"] for one in told["events"]]
    assert kinds.index("parked") < kinds.index("tried_again")
    [action] = [one["data"] for one in told["events"] if one["kind"] == "operate"]
    assert (action["action"], action["operator"], action["reason"], action["done"]) == ("retry", "ann", "a test", True)
    assert (await ops("owed", "--casino", line["casino"]))["owed"] == []


async def test_what_is_pursued_shows_its_attempt_its_failure_and_the_next_one(stack: Stack, ops: Ops) -> None:
    partner = await stack.partner(provider=HASTY, casino="retry: {first: 100, cap: 100}")
    bet = await bet_with_stake_taken(partner, partner.pay_in)
    await partner.faults({"kind": "error", "path": MAKE})
    assert (await partner.pay_out(bet)).code == 99
    await has_status(partner, bet, "owed", True)
    number = str((await partner.row(bet)).bet_id)
    async with asyncio.timeout(30):
        while not (pending := (await ops("show", number))["next"][0]["pending"]) or pending[0]["attempt"] < 2:
            pass
    assert (pending[0]["what"], pending[0]["last_failure"]) == ("pursue_credit", "http_500")
    assert pending[0]["next_at"]
    said = await ops.printed("show", number)
    assert "pursue_credit: scheduled, attempt 2, next at" in said
    await partner.faults()
    await ops("retry", number, *_by("ann"))
    await in_state(partner, bet, "settled")


async def test_a_large_sum_takes_two(stack: Stack, ops: Ops) -> None:
    partner = await stack.partner(casino=SMALL)
    bet = await bet_with_stake_taken(partner, partner.pay_in)
    number = str((await partner.row(bet)).bet_id)
    assert "second operator" in await ops.printed("settle", number, "--win", "25", *_by("ann"))
    code, message = await ops.refused("settle", number, "--win", "25", *_by("ann"))
    assert (code, "another operator" in message) == ("operation_refused", True)
    assert await partner.journal(bet) == [(-1, "10.00")]
    assert "under way" in await ops.printed("settle", number, "--win", "25.00", *_by("ben"))
    await in_state(partner, bet, "settled")
    assert (await partner.pay_out(bet)).outcome == DONE
    assert await partner.journal(bet) == [(-1, "10.00"), (1, "25.00")]


async def test_a_bet_is_voided(stack: Stack, ops: Ops) -> None:
    partner = await stack.partner()
    bet = await bet_with_stake_taken(partner, partner.pay_in)
    number = str((await partner.row(bet)).bet_id)
    assert (await ops("void", number, *_by("ann")))["done"]
    await in_state(partner, bet, "refunded")
    assert (await partner.refund(bet)).outcome == DONE
    assert await partner.journal(bet) == [(-1, "10.00"), (2, "10.00")]
    code, message = await ops.refused("void", number, *_by("ann"))
    assert (code, "refunded" in message) == ("operation_refused", True)


async def test_what_cannot_be_done_is_refused_and_changes_nothing(stack: Stack, ops: Ops) -> None:
    partner, bet, number = await _parked(stack)
    before = await ops("show", number)
    assert (await ops.refused("show", "nobody/nothing"))[0] == "not_found"
    assert (await ops.refused("retry", "999999999", *_by("ann")))[0] == "not_found"
    assert (await ops.refused("retry", number, "--operator", "ann", "--reason", "  "))[0] == "invalid_operation"
    assert (await ops.refused("retry", number, "--operator", " ", "--reason", "a test"))[0] == "invalid_operation"
    assert (await ops.refused("settle", number, "--win", "1.234", *_by("ann")))[0] == "invalid_operation"
    for action in (("void",), ("settle", "--win", "1")):
        code, message = await ops.refused(action[0], number, *action[1:], *_by("ann"))
        assert (code, "settling" in message) == ("operation_refused", True)
    after = await ops("show", number)
    assert (after["events"], after["movements"]) == (before["events"], before["movements"])
    assert (await partner.row(bet)).state == "settling"


@pytest.mark.edge_case(90)
async def test_a_parked_stake_is_ended_by_two_who_see_what_the_casino_lists(stack: Stack, ops: Ops) -> None:
    hurried = "{clock_leeway: 0.2, effect_within: 0.3, message_lifetime: 1, retry: {first: 0.1, cap: 0.3}}"
    partner = await stack.partner(provider=HASTY, casino=hurried)
    duplicate = {"kind": "refuse_after_commit", "error_code": 103803, "path": MAKE, "transaction_type": -1}
    another = {"kind": "rewrite", "path": "/payments/info", "fields": {"Amount": "9.00"}}
    await partner.faults(duplicate, another)
    bet = await _parked_stake(partner)
    number = str((await partner.row(bet)).bet_id)
    assert "lists another movement in its place" in await ops.printed("mark-not-taken", number, *_by("ann"))
    assert (await ops.refused("mark-not-taken", number, *_by("Ann")))[0] == "operation_refused"
    # What the casino lists as ours is taken, whatever operators say.
    await partner.faults(duplicate)
    code, message = await ops.refused("mark-not-taken", number, *_by("ben"))
    assert (code, "lists" in message, "accepting" in message) == ("operation_refused", True, True)
    # If the casino's list cannot be read, operators may still report what the casino has answered them.
    await partner.faults(duplicate, {"kind": "garbage", "path": "/payments/info"})
    done = await ops("mark-not-taken", number, *_by("ben"))
    assert (done["done"], done["casino"]["says"]) == (True, "unclear")
    await in_state(partner, bet, "refused")
    assert (await partner.pay_in(bet)).outcome == (7, "casino_refused")
    code, message = await ops.refused("mark-taken", number, *_by("ann"))
    assert (code, "refused" in message) == ("operation_refused", True)


async def _parked_stake(partner: TestPartner) -> str:
    """Return a bet whose stake is parked; a busy machine may refuse one as too late before it."""
    async with asyncio.timeout(60):
        while True:
            bet = partner.new_bet()
            if (await partner.pay_in(bet)).code == 99:
                await has_status(partner, bet, "parked", True)
                return bet


async def test_a_bet_keeps_the_brand_of_its_session(stack: Stack, ops: Ops) -> None:
    partner = await stack.partner()
    seat = NewSession(partner.provider, partner.casino, "dice", "anna", "EUR", brand="royal.example")
    branded = (await partner.sessions.open(seat))["session_id"]
    taken, buried, plain = (partner.new_bet() for _ in range(3))
    assert (await partner.pay_in(taken, session=branded)).outcome == DONE
    assert (await partner.refund(buried, session=branded)).outcome == DONE
    assert (await partner.pay_in(plain)).outcome == DONE
    shown = [(await ops("show", f"{partner.provider}/{bet}"))["bet"]["brand"] for bet in (taken, buried, plain)]
    assert shown == ["royal.example", "royal.example", None]
