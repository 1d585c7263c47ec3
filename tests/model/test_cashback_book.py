"""The specification of cashbacks itself: what it allows, and above all what it does not."""

from typing import Any

import pytest

from tests.model import cashbacks
from tests.model.book import MAKE, OF_CASHBACKS, World
from tests.model.cashbacks import CANCEL, ISSUE, UNSEEN, Cashback, Cashbacks, Order, Stage

FIVE, SIX, TAKE_BACK = Order("c", "anna", "5.00"), Order("c", "anna", "6.00"), Order("c")
ISSUED = frozenset({Cashback(Stage.ISSUED, "anna", "5.00")})
ISSUING = frozenset({Cashback(Stage.ISSUING, "anna", "5.00")})


def _broken(kind: str, transaction_type: int, **more: Any) -> World:
    return World(faults=[{"path": MAKE, "kind": kind, "transaction_type": transaction_type, **more}])


def _after(these: Cashbacks, order: Order, said: str, world: World) -> Cashbacks:
    return cashbacks.hear(these, (order,), world)[(said,)]


def _ends(these: Cashbacks, world: World) -> set[tuple[Stage, str, bool]]:
    return {(one.stage, one.cancel, one.parked) for one in cashbacks.at_rest(these, world)}


def _journals(these: Cashbacks) -> set[tuple[int, ...]]:
    return {tuple(kind for kind, _ in journal) for one in these for journal in one.journals()}


def test_faults_of_bets_are_none_of_cashbacks() -> None:
    path = next(iter(OF_CASHBACKS))
    world = World(faults=[{"path": MAKE, "kind": "lost"}, {"path": path, "kind": "error", "transaction_type": ISSUE}])
    assert [(fault["path"], fault["kind"]) for fault in world.of_cashbacks().faults] == [(MAKE, "error")]
    assert not World(faults=world.faults[1:]).unclear(ISSUE)
    assert World(faults=world.faults[1:]).tells


# Edge case 200


def test_an_order_is_paid_once_and_another_one_of_its_name_is_refused() -> None:
    assert set(cashbacks.hear(UNSEEN, (FIVE, FIVE), World())) == {("opened", "repeated"), ("repeated", "opened")}
    heard = cashbacks.hear(UNSEEN, (FIVE, SIX), World())
    assert set(heard) == {("opened", "refused"), ("refused", "opened")}
    assert {one.amount for one in heard[("refused", "opened")]} == {"6.00"}
    assert _journals(cashbacks.at_rest(heard[("opened", "refused")], World())) == {(1,)}


# Edge cases 203, 204 and 213


def test_a_cancel_before_the_issue_is_confirmed_comes_after_it() -> None:
    ends = cashbacks.at_rest(_after(ISSUING, TAKE_BACK, "now", World()), World())
    assert {(one.stage, one.cancel) for one in ends if not one.parked} == {
        (Stage.CANCELLED, ""),
        # Its last moment had passed before it left.
        (Stage.ISSUED, "absent"),
    }
    assert _journals(frozenset(one for one in ends if one.stage is Stage.CANCELLED)) == {(1, -2)}


def test_a_cancel_that_is_asked_for_twice_is_one() -> None:
    # The second one may come after the first has ended without the money, and begins another then.
    assert set(cashbacks.hear(ISSUED, (TAKE_BACK, TAKE_BACK), World())) == {
        ("now", "before"),
        ("before", "now"),
        ("now", "now"),
    }
    done = frozenset(one for one in _after(ISSUED, TAKE_BACK, "now", World()) if one.stage is Stage.CANCELLED)
    assert set(cashbacks.hear(done, (TAKE_BACK,), World())) == {("before",)}
    assert set(cashbacks.hear(done, (FIVE,), World())) == {("repeated",)}


def test_a_cancel_that_the_casino_refuses_is_refused_for_good() -> None:
    world = _broken("error_code", CANCEL, error_code=103802)
    refused = frozenset(one for one in _after(ISSUED, TAKE_BACK, "now", world) if one.cancel == "refused")
    assert {one.stage for one in refused} == {Stage.ISSUED}
    assert set(cashbacks.hear(refused, (TAKE_BACK,), World())) == {("refused",)}
    assert not any(one.cancel == "refused" for one in _after(ISSUED, TAKE_BACK, "now", World()))


# Edge cases 206 and 209


@pytest.mark.parametrize("kind", ["lost", "error", "garbage"])
def test_what_is_owed_is_paid_however_the_casino_fails(kind: str) -> None:
    world = _broken(kind, ISSUE)
    assert _ends(_after(UNSEEN, FIVE, "opened", world), world) == {(Stage.ISSUED, "", False)}


def test_what_is_refused_is_for_operators() -> None:
    world = _broken("error_code", ISSUE, error_code=103805)
    parked = frozenset(one for one in cashbacks.at_rest(ISSUING, world) if one.parked)
    assert _journals(parked) == {()}
    by_hand = cashbacks.at_rest(cashbacks.decide(parked, World())["mark-paid done"], World())
    assert (_journals(by_hand), {one.stage for one in by_hand}) == ({()}, {Stage.ISSUED})
    again = cashbacks.at_rest(cashbacks.decide(parked, World())["retry done"], World())
    assert _journals(again) == {(1,)}
    # The casino has nothing that it could give back.
    cancelled = cashbacks.at_rest(_after(by_hand, TAKE_BACK, "now", World()), World())
    assert {(one.stage, one.cancel) for one in cancelled if not one.parked} == {
        (Stage.ISSUED, "absent"),
        (Stage.ISSUED, "refused"),
    }


# Edge cases 214 and 215


@pytest.mark.parametrize(("mark", "stage", "journal"), [("taken", "CANCELLED", (1, -2)), ("not-taken", "ISSUED", (1,))])
def test_a_cancel_without_an_answer_is_what_operators_find_in_the_books(
    mark: str, stage: str, journal: tuple[int, ...]
) -> None:
    world = _broken("lost", CANCEL)
    parked = frozenset(one for one in _after(ISSUED, TAKE_BACK, "now", world) if one.parked)
    assert _journals(parked) == {(1,), (1, -2)}
    ended = cashbacks.at_rest(cashbacks.decide(parked, World())[f"mark-{mark} done"], World())
    assert ({one.stage for one in ended}, _journals(ended)) == ({Stage[stage]}, {journal})
    if mark == "not-taken":
        assert ("now",) in cashbacks.hear(ended, (TAKE_BACK,), World())
