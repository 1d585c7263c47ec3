"""Whether and when a movement is sent again, by what an attempt has reported."""

from datetime import UTC, datetime, timedelta

import pytest

from activities.look_ups import may_be_made
from activities.pending_movement import Outcome
from activities.retries import gap_to_next_attempt, is_repeated_at_once
from betcore.casino.response_reading import CasinoAnswer
from betcore.db.bets import Claim
from betcore.domain.activity_inputs import Progress, Step
from betcore.domain.bet import BetRecord
from betcore.domain.casino_responses import DONE, DUPLICATE, NOT_SENT, PARKED, UNKNOWN, Classification

NOW, SECOND = datetime.now(UTC), timedelta(seconds=1)
LATER, EARLIER = NOW + timedelta(hours=1), NOW - timedelta(hours=1)
ACCEPT_WITHIN = timedelta(seconds=30)
DEFINITE = [progress for progress in Progress if not progress.is_open]


@pytest.mark.parametrize("progress", list(Progress))
def test_only_an_unknown_movement_is_repeated_at_once(progress: Progress) -> None:
    assert is_repeated_at_once(Step(progress=progress), None) == (progress is Progress.UNKNOWN)


def test_neither_a_row_that_waits_nor_a_passed_last_moment_is_repeated_at_once() -> None:
    unknown = Step(progress=Progress.UNKNOWN)
    assert is_repeated_at_once(unknown, LATER)
    assert not is_repeated_at_once(unknown, EARLIER)
    assert not is_repeated_at_once(unknown.model_copy(update={"wait": SECOND}), LATER)


@pytest.mark.parametrize("progress", DEFINITE)
def test_a_definite_answer_ends_the_slow_lane(progress: Progress) -> None:
    assert gap_to_next_attempt(Step(progress=progress), ACCEPT_WITHIN, None) is None


@pytest.mark.parametrize(
    ("progress", "wait", "accept_within", "gap"),
    [
        (Progress.UNKNOWN, None, ACCEPT_WITHIN, timedelta()),
        (Progress.AWAITED, None, ACCEPT_WITHIN, ACCEPT_WITHIN),
        (Progress.AWAITED, None, None, timedelta()),
        (Progress.AWAITED, SECOND, ACCEPT_WITHIN, SECOND),
        (Progress.UNKNOWN, SECOND, None, SECOND),
    ],
)
def test_an_accept_gets_its_time_and_the_row_has_the_last_word(
    progress: Progress, wait: timedelta | None, accept_within: timedelta | None, gap: timedelta
) -> None:
    assert gap_to_next_attempt(Step(progress=progress, wait=wait), accept_within, None) == gap


def test_no_attempt_follows_after_the_last_moment() -> None:
    awaited = Step(progress=Progress.AWAITED)
    assert gap_to_next_attempt(awaited, ACCEPT_WITHIN, LATER) == ACCEPT_WITHIN
    assert gap_to_next_attempt(awaited, timedelta(hours=2), LATER) is None


@pytest.mark.parametrize(
    ("meaning", "classification", "sends", "counted", "looked_up"),
    [
        (None, UNKNOWN, 2, True, False),
        (None, UNKNOWN, 3, True, True),
        (None, UNKNOWN, 3, False, False),
        ("player_blocked", PARKED, 1, True, False),
        ("player_blocked", PARKED, 2, False, True),
        (DUPLICATE, UNKNOWN, 9, True, False),
        (NOT_SENT, UNKNOWN, 9, True, False),
        ("done", DONE, 9, True, False),
    ],
)
def test_a_credit_is_looked_up_if_an_earlier_send_may_have_made_it(
    meaning: str | None, classification: Classification, sends: int, counted: bool, looked_up: bool
) -> None:
    outcome = Outcome(CasinoAnswer(meaning, "any"), classification)
    assert may_be_made(_claim(sends, counted=counted), outcome) is looked_up


def _claim(sends: int, *, counted: bool) -> Claim:
    record = BetRecord.model_construct(bet_id=1)  # no part of the decision
    return Claim(record, sends, counted, accept=None, was_parked=False, partner_user_id="p")
