"""The specification itself: what it allows, and above all what it does not."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from tests.model import book, pools
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
TAKEN = Bet(Stage.TAKEN, PAY_IN, "anna", "EUR", "dice", told=True)
PAID = replace(TAKEN, stage=Stage.PAID, win="25.00", filed=(("pay-out", "25.00", None),))

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
    assert {(bet.stage, bet.unbooked) for bet in parked} == {(Stage.TAKING, (-1,))}
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
    assert {(bet.stage, bet.unbooked) for bet in parked} == {(Stage.CLAWING, (-2,))}
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


# Edge cases 180 to 196: jackpots

WON = replace(PAY_OUT, jackpot="500.00")
WON_POOL = replace(PAY_OUT, jackpot="grand")
WON_AT_ONCE = replace(PAY_IN, operation="pay-in-out", win="25.00", jackpot="500.00")
PAID_WON = replace(PAID, jackpot="500.00", filed=(("pay-out", "25.00", "500.00"),))


def test_a_jackpot_is_paid_after_the_win_and_said_in_the_answer() -> None:
    world, taken = World(), frozenset({TAKEN})
    assert set(book.hear(taken, (WON,), world)) == {((1, "jackpot 500.00"),), (UNKNOWN,)}
    assert _journals(_after(taken, WON, (1, "jackpot 500.00"), world)) == {(-1, 1, 4)}
    assert (DONE,) not in book.hear(UNSEEN, (WON_AT_ONCE,), world)
    assert _journals(_after(UNSEEN, WON_AT_ONCE, (1, "jackpot 500.00"), world)) == {(-1, 1, 4)}
    # A PayIn that is repeated says nothing of it.
    assert (DONE,) in book.hear(frozenset({PAID_WON}), (PAY_IN,), world)


@pytest.mark.parametrize("call", [PAY_OUT, WON_POOL, replace(WON, jackpot="500.01")])
def test_another_jackpot_is_another_call(call: Call) -> None:
    assert set(book.hear(frozenset({PAID_WON}), (call,), World())) == {(DIFFERENT,), (UNKNOWN,)}


def test_a_bet_with_a_jackpot_is_never_taken_back() -> None:
    world = World(reverses=True)
    for bets in (frozenset({PAID_WON}), _after(UNSEEN, WON_AT_ONCE, (1, "jackpot 500.00"), world)):
        assert set(book.hear(bets, (REFUND,), world)) == {(book.SETTLED,), (UNKNOWN,)}
        assert {bet.stage for bet in book.at_rest(bets, world)} == {Stage.PAID}


def test_a_jackpot_that_is_refused_is_parked_and_its_win_is_paid() -> None:
    world = _broken({"path": MAKE, "kind": "error_code", "error_code": 103806, "transaction_type": 4})
    ends = book.at_rest(_after(frozenset({TAKEN}), WON, UNKNOWN, world), world)
    parked = frozenset(bet for bet in ends if bet.parked)
    assert ({bet.stage for bet in parked}, _journals(parked)) == ({Stage.PAYING_JACKPOT}, {(-1, 1)})
    assert {bet.moving for bet in parked} == {book.JACKPOT}
    by_hand = book.at_rest(book.operate(parked, "mark-paid", None, World())["done"], World())
    assert _journals(by_hand) == {(-1, 1)}
    again = book.at_rest(book.operate(parked, "retry", None, World())["done"], World())
    assert _journals(again) == {(-1, 1, 4)}


def test_a_pool_is_paid_or_had_nothing() -> None:
    heard = book.hear(frozenset({TAKEN}), (WON_POOL,), World())
    assert set(heard) == {((1, "jackpot grand"),), ((1, "jackpot 0.00"),), (UNKNOWN,)}
    assert _journals(heard[((1, "jackpot grand"),)]) == {(-1, 1, 4)}
    assert _journals(heard[((1, "jackpot 0.00"),)]) == {(-1, 1)}


def test_a_pool_of_another_game_is_refused_and_nothing_is_recorded() -> None:
    wheel = replace(PAY_OUT, jackpot="wheel")
    assert set(book.hear(frozenset({TAKEN}), (wheel,), World())) == {(book.NO_POOL,), (UNKNOWN,)}
    assert _after(frozenset({TAKEN}), wheel, book.NO_POOL, World()) == {TAKEN}


def test_of_two_wins_of_a_pool_one_gets_it_and_the_other_the_seed() -> None:
    began = pools.grown(pools.of_seed(100), 7)
    both = pools.closure(began, ["b1", "b2"])
    for first, second in (("b1", "b2"), ("b2", "b1")):
        left = pools.after(pools.after(both, first, 107), second, 100)
        assert {pool.won for pool in left} == {((first, 107), (second, 100))}
    assert not pools.after(pools.after(both, "b1", 107), "b2", 107)
    # The same bet never wins it again.
    assert pools.closure(pools.after(both, "b1", 107), ["b1"]) == pools.after(both, "b1", 107)


def test_a_pool_that_is_disabled_is_won_once() -> None:
    won = pools.closure(pools.disabled(pools.of_seed(100)), ["b1", "b2"])
    assert {amount for pool in won if len(pool.won) == 2 for _, amount in pool.won} == {100, 0}
    assert set(pools.adjusted(pools.of_seed(100), -101)) == {"refused"}


def test_stakes_contribute_once_until_they_are_taken_back() -> None:
    counted = pools.Contributions(Decimal("0.1151"))
    assert counted.book({"b1": 1000}, [], disabled=False) == 115
    # 0.1151 of 4,000 is 460.4.
    assert counted.book({"b1": 1000, "b2": 3000}, [], disabled=False) == 460 - 115
    assert counted.book({"b1": 1000, "b2": 3000, "b3": 10}, ["b1"], disabled=True) == 345 - 460


# Edge cases 140 to 142: stake and win in one list

AT_ONCE = replace(WON_AT_ONCE, jackpot=None)


def test_a_stake_that_has_left_with_its_win_is_never_returned_alone() -> None:
    world = _broken({"path": LIST, "kind": "lost"}, one_step=True)
    undecided = _after(UNSEEN, AT_ONCE, UNKNOWN, world)
    ends = book.at_rest(_after(undecided, REFUND, UNKNOWN, world), world)
    assert _journals(frozenset(bet for bet in ends if bet.listed)) == {(), (-1, 1), (-1, 1, -2, 2)}
    assert _journals(_after(undecided, REFUND, DONE, world)) == {(), (-1, 1, -2, 2)}


def test_a_list_that_is_refused_refuses_the_stake() -> None:
    world = _broken({"path": LIST, "kind": "error_code", "error_code": 103805}, one_step=True)
    refused = _after(UNSEEN, AT_ONCE, book.BLOCKED, world)
    assert _journals(refused) == {()}
    # A jackpot keeps stake and win out of one list.
    assert (book.BLOCKED,) not in book.hear(UNSEEN, (WON_AT_ONCE,), world)


def test_the_win_of_a_list_may_be_refused_though_it_was_made() -> None:
    world = _broken({"path": MAKE, "kind": "error_code", "error_code": 103805}, BLIND, one_step=True)
    world.faults.append({"path": LIST, "kind": "last_item_missing"})
    ends = book.at_rest(_after(UNSEEN, AT_ONCE, UNKNOWN, world), world)
    parked = frozenset(bet for bet in ends if bet.stage is Stage.PAYING)
    assert _journals(parked) == {(-1,), (-1, 1)}


# Edge cases 262 to 264: wins that wait for two operators

LIMITED = World(limited=True)
HELD = replace(TAKEN, filed=(("pay-out", "25.00", None),), held=("25.00", None))


def test_a_win_beyond_its_limit_waits_whatever_comes() -> None:
    bets = book.at_rest(_after(frozenset({TAKEN}), PAY_OUT, UNKNOWN, LIMITED), LIMITED)
    assert HELD in bets
    assert (DONE,) not in book.hear(frozenset({TAKEN}), (PAY_OUT,), LIMITED)
    for call in (PAY_OUT, replace(PAY_OUT, win="5.00"), REFUND):
        assert set(book.hear(frozenset({HELD}), (call,), LIMITED)) == {(UNKNOWN,)}
    assert _journals(book.at_rest(frozenset({HELD}), LIMITED)) == {(-1,)}
    for action in ("void", "settle", "mark-paid"):
        assert set(book.operate(frozenset({HELD}), action, "25.00", LIMITED)) == {"refused"}
    assert book.operate(frozenset({HELD}), "release alone", None, LIMITED) == {"alone": {HELD}}


def test_a_released_win_is_paid_once_and_a_refused_one_never() -> None:
    released = book.operate(frozenset({HELD}), "release", None, LIMITED)
    assert set(released) == {"done"}
    assert _journals(book.at_rest(released["done"], LIMITED)) == {(-1, 1)}
    refused = book.at_rest(book.operate(frozenset({HELD}), "refuse", None, LIMITED)["done"], LIMITED)
    assert _journals(refused) == {(-1,)}
    assert set(book.hear(refused, (PAY_OUT,), LIMITED)) == {(book.WIN_REFUSED,), (UNKNOWN,)}
    smaller = _after(refused, replace(PAY_OUT, win="5.00"), DONE, LIMITED)
    assert {journal for bet in smaller for journal in bet.journals()} == {((-1, "10.00"), (1, "5.00"))}
    refunded = replace(HELD, filed=(*HELD.filed, ("refund", None, None)))
    back = book.at_rest(book.operate(frozenset({refunded}), "refuse", None, LIMITED)["done"], LIMITED)
    assert _journals(back) == {(-1, 2)}


def test_a_win_of_one_step_that_is_refused_returns_its_stake() -> None:
    call = replace(PAY_IN, operation="pay-in-out", win="25.00")
    held = frozenset({replace(TAKEN, opened=call, told=False, held=("25.00", None))})
    back = book.at_rest(book.operate(held, "refuse", None, LIMITED)["done"], LIMITED)
    assert _journals(back) == {(-1, 2)}
    assert (REFUNDED,) in book.hear(back, (call,), LIMITED)
