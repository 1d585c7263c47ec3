"""What a casino's answer means for a movement, given how often it was sent."""

import pytest

from betcore.domain.activity_inputs import Progress
from betcore.domain.casino_responses import DONE, PARKED, UNKNOWN, Classification, classify, classify_duplicate
from betcore.domain.errors import Code
from betcore.domain.ids import TransactionType

DEBITS = [kind for kind in TransactionType if kind.is_debit]
REFUSALS = [
    "no_money",
    "player_blocked",
    "limit_reached",
    "unauthorised",
    "failed",
    "wrong_amount",
    "player_unknown",
    "token_invalid",
    "player_mismatch",
    "promo_refused",
]


@pytest.mark.parametrize("kind", DEBITS)
@pytest.mark.parametrize("meaning", REFUSALS)
def test_a_refusal_of_a_debit_that_may_be_a_repeat_says_nothing(kind: TransactionType, meaning: str) -> None:
    assert classify(kind, meaning, 1).progress is Progress.REFUSED
    for attempts in (2, 3, 100):
        assert classify(kind, meaning, attempts) == UNKNOWN


def test_a_refusal_keeps_the_casinos_reason() -> None:
    assert classify(TransactionType.ACCEPT_BET, "no_money", 1) == Classification(Progress.REFUSED, Code.NO_MONEY)
    assert classify(TransactionType.ACCEPT_BET, "unauthorised", 1) == Classification(
        Progress.REFUSED, Code.CASINO_REFUSED
    )


@pytest.mark.parametrize("kind", list(TransactionType))
@pytest.mark.parametrize("attempts", [1, 2])
def test_what_is_not_a_definite_answer_is_unknown(kind: TransactionType, attempts: int) -> None:
    assert classify(kind, None, attempts) == UNKNOWN
    assert classify(kind, "done", attempts) == DONE


@pytest.mark.parametrize("meaning", REFUSALS)
def test_a_return_is_never_given_up(meaning: str) -> None:
    assert classify(TransactionType.BET_RETURN, meaning, 1) == UNKNOWN


@pytest.mark.parametrize("attempts", [1, 2])
def test_a_duplicate_is_ours_if_it_is_listed_and_else_unknown(attempts: int) -> None:
    assert classify_duplicate(True, attempts) == DONE
    assert classify_duplicate(False, attempts) == UNKNOWN
    assert classify_duplicate(None, attempts) == UNKNOWN


@pytest.mark.parametrize("listed", [False, None])
def test_a_casino_without_a_list_is_believed_on_a_repeat_alone(listed: bool | None) -> None:
    assert classify_duplicate(True, 1, is_done=True) == DONE
    assert classify_duplicate(listed, 2, is_done=True) == DONE
    assert classify_duplicate(listed, 1, is_done=True) == PARKED


def test_what_was_not_sent_is_refused_if_it_is_the_only_send_of_a_debit() -> None:
    for kind in DEBITS:
        assert classify(kind, "not_sent", 1) == Classification(Progress.REFUSED, Code.CASINO_UNAVAILABLE)
        assert classify(kind, "not_sent", 2) == UNKNOWN
    for kind in (TransactionType.PAY_OUT, TransactionType.BET_RETURN):
        assert classify(kind, "not_sent", 1) == UNKNOWN
