"""The specification itself: what it allows, and above all what it does not."""

from dataclasses import replace
from typing import Any

import pytest

from tests.model import book
from tests.model.book import (
    DIFFERENT,
    DONE,
    INFO,
    KEPT_WIN,
    LIST,
    MAKE,
    REFUNDED,
    REFUSED_BET,
    UNAVAILABLE,
    UNKNOWN,
    UNSEEN,
    Bet,
    Bets,
    Call,
    Said,
    Stage,
    World,
)

PAY_IN = Call("pay-in", "b", "s", "anna", "EUR", "dice", round="r", stake="10.00")
PAY_OUT = Call("pay-out", "b", "s", "anna", "EUR", "dice", round="r", win="25.00")
REFUND = Call("refund", "b", "s", "anna", "EUR", "dice")
WRONG = {
    "round": replace(PAY_OUT, round="another"),
    "player": replace(REFUND, player="boris"),
}
TAKEN = Bet(Stage.TAKEN, PAY_IN, "anna", "EUR", told=True)
PAID = replace(TAKEN, stage=Stage.PAID, win="25.00", filed=(("pay-out", "25.00"),))

Fault = dict[str, Any]
ODD: Fault = {"path": MAKE, "kind": "answer", "commit": True, "status": 409}
FALSE_DUPLICATE: Fault = {"path": MAKE, "kind": "error_code", "error_code": 103803}
LOST: Fault = {"path": MAKE, "kind": "lost"}
MISREAD: Fault = {"path": INFO, "kind": "rewrite", "fields": {"Amount": "77.77"}}
BLIND: Fault = {"path": INFO, "kind": "drop"}


def _broken(*faults: Fault, **profile: bool) -> World:
    return World(faults=list(faults), **profile)


def _after(bets: Bets, call: Call, said: Said, world: World) -> Bets:
    """Return the possible states after a call with this answer."""
    return book.hear(bets, (call,), world)[(said,)]


def _ends(bets: Bets, world: World) -> set[tuple[Stage, bool]]:
    return {(bet.stage, bet.parked) for bet in book.at_rest(bets, world)}


def _journals(bets: Bets) -> set[tuple[int, ...]]:
    return {tuple(kind for kind, _ in journal) for bet in bets for journal in bet.journals()}


# Edge case 83: calls that are right and wrong at once


@pytest.mark.parametrize("right_first", [True, False])
@pytest.mark.parametrize(("right", "wrong"), [(PAY_OUT, WRONG["round"]), (REFUND, WRONG["player"])])
def test_each_of_calls_at_once_hears_what_its_own_data_deserves(right: Call, wrong: Call, right_first: bool) -> None:
    world = World(late=True)
    opened = frozenset(bet for bet in _after(UNSEEN, PAY_IN, UNKNOWN, world) if bet.opened is not None)
    heard = book.hear(opened, (right, wrong) if right_first else (wrong, right), world)
    place = 0 if right_first else 1
    assert {said[place] for said in heard} == {DONE, UNKNOWN, REFUSED_BET}
    assert {said[1 - place] for said in heard} == {DIFFERENT, UNKNOWN}


def test_a_stake_may_be_too_late_once_its_deadline_is_over_or_a_worker_away() -> None:
    assert (UNAVAILABLE,) not in book.hear(UNSEEN, (PAY_IN,), World())
    assert (UNAVAILABLE,) in book.hear(UNSEEN, (PAY_IN,), World(late=True))
    undecided = _after(UNSEEN, PAY_IN, UNKNOWN, World())
    assert _journals(_after(undecided, PAY_IN, UNAVAILABLE, World())) == {()}


# Edge case 84: taken, and answered in words of the casino's own


@pytest.mark.parametrize("operation", [PAY_IN, PAY_OUT, REFUND])
def test_what_was_taken_is_known_though_the_answers_are_odd(operation: Call) -> None:
    world, bets = _broken(ODD), UNSEEN if operation.opens else frozenset({TAKEN})
    assert world.tells
    assert book.will_be_known(bets, operation, world)
    assert (DONE,) in book.hear(bets, (operation,), world)


@pytest.mark.parametrize("fault", [LOST, BLIND, ODD | {"commit": False}, FALSE_DUPLICATE])
def test_nothing_is_promised_while_other_faults_stand(fault: Fault) -> None:
    assert not _broken(ODD, fault).tells


# Edge case 88: "duplicate" of what was never made


def test_a_stake_that_is_falsely_a_duplicate_is_taken_or_refused_and_never_done_without_a_stake() -> None:
    world = _broken(FALSE_DUPLICATE | {"transaction_type": -1})
    assert world.tells
    assert book.will_be_known(UNSEEN, PAY_IN, world)
    assert _ends(_after(UNSEEN, PAY_IN, UNKNOWN, world), world) >= {(Stage.TAKEN, False), (Stage.REFUSED, False)}
    assert _journals(book.at_rest(_after(UNSEEN, PAY_IN, DONE, world), world)) == {(-1,)}
    assert _journals(book.at_rest(_after(UNSEEN, PAY_IN, UNAVAILABLE, world), world)) == {()}


@pytest.mark.parametrize(
    ("call", "stage", "paid"), [(PAY_OUT, Stage.PAYING, (-1, 1)), (REFUND, Stage.RETURNING, (-1, 2))]
)
def test_a_credit_that_is_falsely_a_duplicate_is_made_or_parked(
    call: Call, stage: Stage, paid: tuple[int, ...]
) -> None:
    world, bets = _broken(FALSE_DUPLICATE | {"transaction_type": paid[-1]}), frozenset({TAKEN})
    ends = book.at_rest(_after(bets, call, UNKNOWN, world), world)
    parked = frozenset(bet for bet in ends if bet.parked)
    assert {bet.stage for bet in parked} == {stage}
    # It was absent twice.
    assert _journals(parked) == {(-1,)}
    assert _journals(book.at_rest(_after(bets, call, DONE, world), world)) == {paid}
    paid_by_hand = book.operate(parked, "mark-paid", None, World())["done"]
    assert _journals(book.at_rest(paid_by_hand, World())) == {(-1,)}
    tried_again = book.operate(parked, "retry", None, World())["done"]
    assert _journals(book.at_rest(tried_again, World())) == {paid}


# Edge case 90: a debit is parked


def _parked_stake(world: World) -> Bets:
    ends = book.at_rest(_after(UNSEEN, PAY_IN, UNKNOWN, world), world)
    return frozenset(bet for bet in ends if bet.parked)


@pytest.mark.parametrize(
    ("action", "misread", "stage", "journal"),
    [
        ("mark-taken", True, Stage.TAKEN, (-1,)),
        ("mark-taken", False, Stage.TAKEN, (-1,)),
        ("mark-not-taken", True, Stage.REFUSED, (-1,)),
        # The casino's own word comes first.
        ("mark-not-taken", False, Stage.TAKEN, (-1,)),
        ("void", False, Stage.RETURNED, (-1, 2)),
        ("retry", False, Stage.TAKEN, (-1,)),
    ],
)
def test_operators_end_a_parked_stake(action: str, misread: bool, stage: Stage, journal: tuple[int, ...]) -> None:
    world = _broken(LOST, MISREAD)
    parked = _parked_stake(world)
    assert {(bet.stage, bet.unbooked) for bet in parked} == {(Stage.TAKING, -1)}
    assert _journals(parked) == {(-1,)}
    world = _broken(MISREAD) if misread else World()
    ends = book.at_rest(book.operate(parked, action, None, world)["done"], world)
    assert {bet.stage for bet in ends} == {stage}
    assert _journals(ends) == {journal}


def test_a_stake_that_is_listed_as_another_is_voided_only_once_the_list_is_clear() -> None:
    world = _broken(LOST, MISREAD)
    again = book.at_rest(book.operate(_parked_stake(world), "void", None, world)["done"], world)
    assert {(bet.stage, bet.parked, bet.is_refunded) for bet in again} >= {(Stage.TAKING, True, True)}
    assert (Stage.BURIED, False) not in _ends(again, world)


@pytest.mark.parametrize(
    ("action", "stage", "said"), [("mark-taken", Stage.REVERSED, DONE), ("mark-not-taken", Stage.KEPT, KEPT_WIN)]
)
def test_operators_end_a_parked_claw_back(action: str, stage: Stage, said: Said) -> None:
    about = LOST | {"transaction_type": -2}
    world = _broken(about, MISREAD, reverses=True)
    ends = book.at_rest(_after(frozenset({PAID}), REFUND, UNKNOWN, world), world)
    parked = frozenset(bet for bet in ends if bet.parked)
    assert {(bet.stage, bet.unbooked) for bet in parked} == {(Stage.CLAWING, -2)}
    decided = book.at_rest(book.operate(parked, action, None, world)["done"], world)
    assert {bet.stage for bet in decided if not bet.parked} == {stage}
    ended = frozenset(bet for bet in decided if not bet.parked)
    assert {book.answer(bet, REFUND, world) for bet in ended} == {said}


def test_nothing_is_parked_while_the_list_is_right() -> None:
    world = _broken(LOST)
    assert not _parked_stake(world)


@pytest.mark.parametrize("action", ["mark-taken", "mark-not-taken", "mark-paid"])
def test_nothing_is_marked_that_is_not_parked(action: str) -> None:
    assert set(book.operate(frozenset({TAKEN}), action, None, World())) == {"refused"}


# Edge case 93: withdrawn, and settled after all


def test_a_bet_that_was_taken_back_is_never_paid_out() -> None:
    world = World(soon_withdrawn=True)
    told_of_the_refund = _after(UNSEEN, PAY_IN, REFUNDED, world)
    assert set(book.hear(told_of_the_refund, (PAY_OUT,), world)) == {(REFUNDED,), (UNKNOWN,)}
    late = replace(world, late=True)
    for ended in (_after(told_of_the_refund, PAY_OUT, said, late) for said in (REFUNDED, UNKNOWN)):
        assert _journals(book.at_rest(ended, late)) == {(-1, 2)}


# Edge cases 131 and 132: credits that leave in a list


@pytest.mark.parametrize("kind", ["item_missing", "item_doubled", "item_foreign", "lost", "error_code"])
def test_what_a_list_leaves_unknown_is_made_alone(kind: str) -> None:
    world = _broken({"path": LIST, "kind": kind, "error_code": 103805})
    assert world.tells
    assert not world.unclear(book.STAKE)
    for call, stage in ((PAY_OUT, Stage.PAID), (REFUND, Stage.RETURNED)):
        assert _ends(_after(frozenset({TAKEN}), call, UNKNOWN, world), world) == {(stage, False), (Stage.TAKEN, False)}


def test_an_item_that_is_refused_for_good_may_be_made_all_the_same() -> None:
    world = _broken({"path": LIST, "kind": "rewrite", "fields": {"ErrorCode": 103805}})
    ends = book.at_rest(_after(frozenset({TAKEN}), PAY_OUT, UNKNOWN, world), world)
    parked = frozenset(bet for bet in ends if bet.parked)
    assert _journals(parked) == {(-1,), (-1, 1)}
    assert {bet.stage for bet in ends - parked} == {Stage.PAID, Stage.TAKEN}
    assert _ends(_after(frozenset({TAKEN}), REFUND, DONE, world), world) == {(Stage.RETURNED, False)}


# Edge case 85: the same in other clothes


@pytest.mark.parametrize("kind", book.CLEAN)
@pytest.mark.parametrize("path", [MAKE, INFO, book.ACCEPTS])
def test_other_formats_change_no_answer(path: str, kind: str) -> None:
    world = _broken({"path": path, "kind": kind})
    assert world.tells
    for calls in ((PAY_IN,), (PAY_OUT, REFUND)):
        bets = UNSEEN if calls[0].opens else frozenset({TAKEN})
        assert book.hear(bets, calls, world) == book.hear(bets, calls, World())
