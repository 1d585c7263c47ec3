"""What the answer to a list of a stake and its win says of both, by a casino that stops at the first refusal."""

from collections.abc import Sequence

import pytest

from betcore.casino.movement import MadeList, MadeOneStep, MakeAnswer, answer_to_each, answer_to_one_step
from betcore.casino.response_reading import CasinoAnswer
from betcore.domain.casino_values import Doubt

OK = CasinoAnswer("done", "ok", "200")
NO_MONEY = CasinoAnswer("no_money", "no_money", "103802")
NOT_ADDED = CasinoAnswer("failed", "failed", "102823")
DUPLICATE = CasinoAnswer("duplicate", "duplicate", "103803")
OWN_CODE = CasinoAnswer(None, "unmapped_code", "4711")
MISSING = CasinoAnswer(None, Doubt.ITEM_MISSING)
DOUBLED = CasinoAnswer(None, Doubt.ITEM_DOUBLED)
MIXED_UP = CasinoAnswer(None, "mismatch", message=Doubt.OTHER_TRANSACTION)
UNREADABLE = CasinoAnswer(None, "no_error_code")


def _read(stake: CasinoAnswer, win: CasinoAnswer, whole: CasinoAnswer = OK) -> MadeOneStep:
    return answer_to_one_step(MadeList(whole, [MakeAnswer(stake), MakeAnswer(win)]))


def _without_items(whole: CasinoAnswer) -> MadeOneStep:
    items: Sequence[MakeAnswer] = [MakeAnswer(answer_to_each(whole))] * 2
    return answer_to_one_step(MadeList(whole, items))


@pytest.mark.parametrize("win", [OK, NOT_ADDED, DUPLICATE, OWN_CODE, MISSING, DOUBLED, MIXED_UP, UNREADABLE])
@pytest.mark.parametrize("stake", [OK, DUPLICATE, OWN_CODE, MISSING, DOUBLED, MIXED_UP, UNREADABLE])
def test_a_stake_that_is_not_refused_stands_whatever_is_said_of_the_win(stake: CasinoAnswer, win: CasinoAnswer) -> None:
    assert _read(stake, win) == MadeOneStep(MakeAnswer(stake), MakeAnswer(win))


@pytest.mark.parametrize("win", [MISSING, NOT_ADDED, OWN_CODE, NO_MONEY])
def test_a_refusal_is_believed_if_the_casino_has_not_come_to_the_win(win: CasinoAnswer) -> None:
    assert _read(NO_MONEY, win) == MadeOneStep(MakeAnswer(NO_MONEY), MakeAnswer(win))


@pytest.mark.parametrize("win", [OK, DUPLICATE])
def test_a_refusal_beside_a_win_that_is_made_breaks_the_order(win: CasinoAnswer) -> None:
    assert _read(NO_MONEY, win) == MadeOneStep(MakeAnswer(NO_MONEY), MakeAnswer(win), broken=True)


@pytest.mark.parametrize("win", [DOUBLED, MIXED_UP, UNREADABLE])
def test_a_refusal_beside_a_win_that_is_not_clear_is_not_believed(win: CasinoAnswer) -> None:
    made = _read(NO_MONEY, win)
    assert (made.stake.answer.meaning, made.stake.answer.kind, made.broken) == (None, win.kind, False)


@pytest.mark.parametrize(
    "whole", [NO_MONEY, NOT_ADDED, CasinoAnswer("unauthorised", "unauthorised", "401"), CasinoAnswer("not_sent", "x")]
)
def test_a_refusal_of_the_whole_list_refuses_the_stake(whole: CasinoAnswer) -> None:
    made = _without_items(whole)
    assert (made.stake.answer, made.broken) == (whole, False)
    assert made.win.answer.meaning != "done"


@pytest.mark.parametrize("whole", [DUPLICATE, OWN_CODE, CasinoAnswer(None, "timeout"), CasinoAnswer(None, "http_500")])
def test_what_says_nothing_of_the_list_leaves_both_unknown(whole: CasinoAnswer) -> None:
    made = _without_items(whole)
    assert (made.stake.answer.meaning, made.win.answer.meaning, made.broken) == (None, None, False)
