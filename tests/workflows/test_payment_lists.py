"""Credits that leave in one call, payments/make-list, against the sandbox casino on a real socket."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from activities import payments
from activities.admission import FAST, SLOW, AdmissionControl, Lane
from activities.payments import MOST_ITEMS, Payments
from activities.pending_movement import NO_CONFIRMATION, ClaimedMovement
from betcore.casino.client import LastMomentPassed
from betcore.casino.movement import MakeAnswer, Movement
from betcore.db.circuit_breakers import CircuitBreakers
from betcore.domain.bet import BetState
from betcore.domain.ids import TransactionType
from tests.in_process_casino import InProcessCasino, open_casino

MAKE, LIST = "/payments/make", "/payments/make-list"
LISTS = "{send: {list: credits}, breaker: {failures: 3}}"
WITHIN = timedelta(seconds=30)
CREDIT = TransactionType.PAY_OUT
OWNER = "this test"


@dataclass
class Payer:
    """Bets with a stake at the casino, whose wins are due."""

    casino: InProcessCasino
    payments: Payments
    breakers: CircuitBreakers

    async def due(self, number: int) -> list[ClaimedMovement]:
        """Return the wins of as many new bets, each with a counted send."""
        return [await self._due() for _ in range(number)]

    async def _due(self) -> ClaimedMovement:
        bet = await self.casino.pay_in()
        claim = await self.casino.bets.open(bet, OWNER, BetState.ACCEPTING, None)
        assert claim is not None
        partner = await self.casino.partners.casino(bet.casino_id)
        debit = Movement(claim.record.bet_id, TransactionType.ACCEPT_BET, "anna", bet.stake, bet.not_after)
        assert (await self.casino.casinos.make(partner, debit, WITHIN)).answer.meaning == "done"
        record = await self.casino.bets.accept(claim.record.bet_id, OWNER, NO_CONFIRMATION)
        return await self.claimed(self.casino.credit(bet, record, "25.00"))

    async def claimed(self, pay: Any) -> ClaimedMovement:
        """Return the credit with one more send counted."""
        claim = await self.casino.bets.begin_credit(pay)
        assert claim.counted
        not_after = datetime.now(UTC) + timedelta(seconds=60)
        return ClaimedMovement(Movement(pay.bet_id, pay.transaction_type, "anna", pay.amount, not_after), claim)

    async def pay(self, due: list[ClaimedMovement], lane: Lane = SLOW) -> list[MakeAnswer]:
        """Send all at the same moment, and return the answers in their order."""
        partner = await self.casino.partners.casino(self.casino.session.casino_id)
        return await asyncio.gather(*(self.payments.make(partner, one, lane, WITHIN) for one in due))

    async def calls(self) -> list[tuple[str, int]]:
        """Return path and number of movements of each call with a credit, in order."""
        calls = await self.casino.casino_calls()
        credits = [call for call in calls if call["path"] == LIST or call["transaction_type"] == int(CREDIT)]
        return [(call["path"], len(call["items"]) or 1) for call in credits]

    async def paid(self) -> int:
        """Return how many wins stand in the casino's journal."""
        return (await self.casino.journal()).count((int(CREDIT), "25.00"))


@asynccontextmanager
async def paying(database_url: str, profile: str = LISTS, confirmation: str = "reply") -> AsyncIterator[Payer]:
    """Open a casino that takes lists."""
    async with open_casino(database_url, casino=profile, confirmation=confirmation) as casino:
        breakers = CircuitBreakers(casino.database, 0)
        yield Payer(casino, Payments(casino.casinos, AdmissionControl(breakers)), breakers)


def _again(due: list[ClaimedMovement]) -> list[ClaimedMovement]:
    """Return the same movements as their next send."""
    return [replace(one, claim=replace(one.claim, attempts=one.sends + 1)) for one in due]


def _kinds(made: list[MakeAnswer]) -> list[str]:
    return [one.answer.kind for one in made]


@pytest.mark.parametrize("lane", [FAST, SLOW])
async def test_what_waits_at_the_same_moment_leaves_in_one_call(database_url: str, lane: Lane) -> None:
    async with paying(database_url) as payer:
        made = await payer.pay(await payer.due(5), lane)
        assert await payer.calls() == [(LIST, 5)]
        assert _kinds(made) == ["ok"] * 5
        assert len({one.partner_transaction_id for one in made}) == 5
        assert all(one.balance for one in made)
        assert await payer.paid() == 5


async def test_what_waits_alone_is_no_list(database_url: str) -> None:
    async with paying(database_url) as payer:
        assert _kinds(await payer.pay(await payer.due(1))) == ["ok"]
        assert await payer.calls() == [(MAKE, 1)]


async def test_a_casino_without_lists_gets_none(database_url: str) -> None:
    async with paying(database_url, "{send: {list: false}}") as payer:
        assert _kinds(await payer.pay(await payer.due(3))) == ["ok"] * 3
        assert await payer.calls() == [(MAKE, 1)] * 3


async def test_no_list_has_more_items_or_bytes_than_agreed(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(payments, "MOST_ITEMS", 3)
    async with paying(database_url) as payer:
        due = await payer.due(7)
        assert _kinds(await payer.pay(due)) == ["ok"] * 7
        assert sorted(await payer.calls()) == [(MAKE, 1), (LIST, 3), (LIST, 3)]
        size = 2 + sum(len(one) + 2 for one in [str(due[0].movement.message())] * 2)
        monkeypatch.setattr(payments, "MOST_BYTES", size)
        assert _kinds(await payer.pay(due[:5])) == ["ok"] * 5
        assert sorted((await payer.calls())[3:]) == [(MAKE, 1), (LIST, 2), (LIST, 2)]
    assert MOST_ITEMS == 100


@pytest.mark.parametrize(
    ("fault", "kinds"),
    [
        ({"kind": "item_missing"}, ["item_missing", "ok", "ok"]),
        ({"kind": "item_doubled"}, ["item_doubled", "ok", "ok"]),
        ({"kind": "items_reversed"}, ["ok", "ok", "ok"]),
        ({"kind": "item_foreign"}, ["foreign_item"] * 3),
        ({"kind": "wrong_bet"}, ["foreign_item"] * 3),
        ({"kind": "rewrite", "fields": {"TransactionId": "1:1"}}, ["mismatch"] * 3),
        ({"kind": "rewrite", "without": ["BetId"]}, ["item_missing"] * 3),
        ({"kind": "rewrite", "without": ["ErrorCode"]}, ["no_error_code"] * 3),
        ({"kind": "rewrite", "fields": {"ErrorCode": 4711}}, ["unmapped_code"] * 3),
        ({"kind": "other_types"}, ["ok"] * 3),
        ({"kind": "dirty_texts"}, ["ok"] * 3),
        ({"kind": "cut"}, ["connection"] * 3),
        ({"kind": "lost"}, ["connection"] * 3),
        ({"kind": "garbage"}, ["not_json"] * 3),
        ({"kind": "missing"}, ["no_error_code"] * 3),
        ({"kind": "answer", "status": 200, "body": '{"ErrorCode": 200, "Value": {}}', "commit": True}, None),
        ({"kind": "answer", "status": 200, "body": '{"ErrorCode": 200, "Value": null}', "commit": True}, None),
        ({"kind": "error", "status": 500, "commit": True}, ["http_500"] * 3),
        ({"kind": "status", "status": 404}, ["http_404"] * 3),
        ({"kind": "error_code", "error_code": 103801}, ["list_refused"] * 3),
        ({"kind": "refuse_after_commit", "error_code": 102145}, ["list_refused"] * 3),
        ({"kind": "status", "status": 401}, ["unauthorised"] * 3),
        ({"kind": "drop"}, ["connection"] * 3),
    ],
    ids=lambda given: given.get("kind") if isinstance(given, dict) else "",
)
async def test_what_is_not_answered_clearly_goes_on_alone_and_is_made_once(
    database_url: str, fault: dict[str, Any], kinds: list[str] | None
) -> None:
    """An answer that is lost, mixed up, or refuses the whole list ends no movement."""
    kinds = kinds or ["list_not_a_list"] * 3
    async with paying(database_url) as payer:
        due = await payer.due(3)
        await payer.casino.faults({**fault, "path": LIST})
        made = await payer.pay(due)
        assert _kinds(made) == kinds
        unknown = [one for one, answer in zip(due, made, strict=True) if answer.answer.meaning != "done"]
        assert all(one.answer.meaning in (None, "unauthorised", "done") for one in made)
        assert _kinds(await payer.pay(_again(unknown))) == ["ok"] * len(unknown)
        assert await payer.calls() == [(LIST, 3)] + [(MAKE, 1)] * len(unknown)
        assert await payer.paid() == 3


async def test_a_list_that_is_late_is_unknown_and_made_once(database_url: str) -> None:
    async with paying(database_url) as payer:
        due = await payer.due(2)
        await payer.casino.faults({"kind": "hold_after", "path": LIST, "times": 1})
        partner = await payer.casino.partners.casino(payer.casino.session.casino_id)
        soon = timedelta(seconds=0.5)
        made = await asyncio.gather(*(payer.payments.make(partner, one, SLOW, soon) for one in due))
        assert _kinds(made) == ["timeout"] * 2
        await payer.casino.release()
        assert _kinds(await payer.pay(_again(due))) == ["ok"] * 2
        assert await payer.paid() == 2


async def test_each_item_has_an_outcome_of_its_own(database_url: str) -> None:
    async with paying(database_url) as payer:
        due = await payer.due(3)
        stranger = replace(due[1], movement=replace(due[1].movement, partner_user_id="nobody"))
        assert _kinds(await payer.pay([due[0], stranger, due[2]])) == ["ok", "player_unknown", "ok"]
        assert await payer.paid() == 2


async def test_one_list_without_an_answer_is_one_failure_of_its_casino(database_url: str) -> None:
    async with paying(database_url) as payer:
        due = await payer.due(5)
        await payer.casino.faults({"kind": "lost", "path": LIST})
        await payer.pay(due)
        [state] = await payer.casino.sql("SELECT failures, open_since FROM casino_health")
        assert (state.failures, state.open_since) == (1, None)


async def test_a_list_whose_last_moment_has_passed_does_not_leave(database_url: str) -> None:
    async with paying(database_url) as payer:
        late, other = await payer.due(2)
        late = replace(late, movement=replace(late.movement, not_after=datetime.now(UTC)))
        partner = await payer.casino.partners.casino(payer.casino.session.casino_id)
        sends = [payer.payments.make(partner, one, SLOW, WITHIN) for one in (late, other)]
        results = await asyncio.gather(*sends, return_exceptions=True)
        assert [type(one) for one in results] == [LastMomentPassed, LastMomentPassed]
        assert await payer.calls() == []


async def test_an_attempt_that_is_given_up_does_not_send(database_url: str) -> None:
    async with paying(database_url) as payer:
        first, second = await payer.due(2)
        partner = await payer.casino.partners.casino(payer.casino.session.casino_id)
        given_up = asyncio.create_task(payer.payments.make(partner, first, SLOW, WITHIN))
        await asyncio.sleep(0)
        given_up.cancel()
        assert _kinds(await payer.pay([second])) == ["ok"]
        assert await payer.paid() == 1


async def test_two_attempts_of_one_movement_share_no_list(database_url: str) -> None:
    async with paying(database_url) as payer:
        first, second = await payer.due(2)
        assert _kinds(await payer.pay([first, first, second])) == ["ok"] * 3
        assert sorted(await payer.calls()) == [(MAKE, 1), (LIST, 2)]
        assert await payer.paid() == 2


async def test_a_movement_that_was_parked_goes_alone(database_url: str) -> None:
    async with paying(database_url) as payer:
        first, *others = await payer.due(3)
        parked = replace(first, claim=replace(first.claim, was_parked=True))
        assert _kinds(await payer.pay([parked, *others])) == ["ok"] * 3
        assert sorted(await payer.calls()) == [(MAKE, 1), (LIST, 2)]
