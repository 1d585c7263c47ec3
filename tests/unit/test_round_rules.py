"""What follows from a report of a round: pure rules, every state against every report."""

from datetime import UTC, datetime, timedelta

import pytest

from betcore.domain import live_draw
from betcore.domain.errors import Code
from betcore.domain.live_rounds import (
    NO_RESULT,
    Judgement,
    LiveRound,
    PlayStatus,
    ReportedState,
    RoundReport,
    RoundState,
    after_time,
    announced,
    in_review,
    judge,
    refuses_stake,
)

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
CLOSES = NOW + timedelta(seconds=20)
WITHIN = timedelta(seconds=300)
SEED = "ab" * 32
COMMITMENT = live_draw.commitment(SEED)
NEW = announced(1, 7, "r-7", NOW)


def report(state: str, **fields: object) -> RoundReport:
    given = {"results": (1, 2)} | fields if state == "finished" else fields
    return RoundReport.model_validate({"state": state} | given)


def after(*reports: RoundReport, now: datetime = NOW) -> LiveRound:
    """Return a round after reports that are all taken."""
    found, is_new = NEW, True
    for one in reports:
        judged = judge(found, one, now, WITHIN, is_new=is_new)
        assert judged.refusal is None
        found, is_new = judged.becomes or found, False
    return found


def on(found: LiveRound, state: str, now: datetime = NOW, **fields: object) -> Judgement:
    return judge(found, report(state, **fields), now, WITHIN)


AWAITING = after(report("awaiting"))
BETTING = after(report("awaiting"), report("betting", betting_closes_at=CLOSES))
ACTION = after(report("awaiting"), report("betting", betting_closes_at=CLOSES), report("action"))
FINISHED = after(report("betting", betting_closes_at=CLOSES), report("finished"))
REVIEW = after(report("betting", betting_closes_at=CLOSES), report("review", reason="camera"))
CANCELLED = after(report("betting", betting_closes_at=CLOSES), report("cancelled"))
NEVER_STARTED = after(report("awaiting"), report("cancelled"))


def test_a_round_goes_its_way() -> None:
    assert (AWAITING.state, AWAITING.play_status, AWAITING.started_at) == (RoundState.AWAITING, None, None)
    assert (BETTING.state, BETTING.play_status, BETTING.started_at) == (RoundState.ACTIVE, PlayStatus.BETTING, NOW)
    assert (BETTING.betting_closes_at, BETTING.results_due_at) == (CLOSES, CLOSES + WITHIN)
    assert (ACTION.state, ACTION.play_status, ACTION.results_due_at) == (
        RoundState.ACTIVE,
        PlayStatus.ACTION,
        NOW + WITHIN,
    )
    assert (FINISHED.state, FINISHED.play_status, FINISHED.results) == (RoundState.FINISHED, None, (1, 2))
    assert FINISHED.finished_at == NOW


def test_a_part_that_was_not_reported_is_passed_over() -> None:
    assert after(report("finished")).started_at == NOW
    assert after(report("action")).play_status is PlayStatus.ACTION
    assert after(report("awaiting"), report("finished")).state is RoundState.FINISHED


def test_numbers_of_the_feed() -> None:
    assert [state.number for state in RoundState] == [1, 2, 3, 4, 5]
    assert [status.number for status in PlayStatus] == [1, 2]


ROUNDS = {
    "awaiting": AWAITING,
    "betting": BETTING,
    "action": ACTION,
    "finished": FINISHED,
    "review": REVIEW,
    "cancelled": CANCELLED,
    "never_started": NEVER_STARTED,
}
# Of each round, what each report is: it moves the round (m), is a repeat (r), or contradicts (c).
#                 awaiting, betting, action, finished, review, cancelled
EVERY = {
    "awaiting": "r m m m m m",
    "betting": "r r m m m m",
    "action": "r r r m m m",
    "finished": "r r r r c c",
    "review": "r r r m r m",
    "cancelled": "r r r c c r",
    "never_started": "r c c c c r",
}


@pytest.mark.parametrize("name", EVERY)
def test_every_report_of_every_round(name: str) -> None:
    found = ROUNDS[name]
    for state, expected in zip(ReportedState, EVERY[name].split(), strict=True):
        fields = {"betting_closes_at": CLOSES} if state is ReportedState.BETTING else {}
        judged = on(found, state, **fields)
        kind = "m" if judged.becomes else "c" if judged.refusal else "r"
        assert (state, kind) == (state, expected)
        assert judged.refusal in (None, Code.DIFFERENT_DATA)


def test_other_data_of_the_same_state_is_a_contradiction_and_moves_nothing() -> None:
    for found, state, fields, name in [
        (AWAITING, "awaiting", {"commitment": COMMITMENT}, "commitment"),
        (BETTING, "betting", {"betting_closes_at": NOW}, "bettingClosesAt"),
        (BETTING, "betting", {"commitment": COMMITMENT}, "commitment"),
        (ACTION, "betting", {"betting_closes_at": NOW}, "bettingClosesAt"),
        (FINISHED, "finished", {"results": (2, 1)}, "results"),
        (FINISHED, "finished", {"results": (1, 2, 3)}, "results"),
        (FINISHED, "finished", {"seed": SEED}, "seed"),
        (FINISHED, "betting", {"betting_closes_at": NOW}, "bettingClosesAt"),
    ]:
        judged = on(found, state, **fields)
        assert (judged.becomes, judged.refusal) == (None, Code.DIFFERENT_DATA)
        assert judged.why == f"{name} is not that of the round"


def test_a_repeat_may_leave_out_what_was_said() -> None:
    assert on(BETTING, "betting") == Judgement()


def test_betting_that_has_closed_before_its_report_comes_is_action() -> None:
    late = after(report("betting", betting_closes_at=CLOSES), now=CLOSES)
    assert (late.play_status, late.results_due_at) == (PlayStatus.ACTION, CLOSES + WITHIN)


def test_a_commitment_stands_before_the_betting_or_not_at_all() -> None:
    promised = after(report("awaiting", commitment=COMMITMENT), report("betting", algorithm="draw-v1:2/9"))
    assert (promised.commitment, promised.algorithm) == (COMMITMENT, "draw-v1:2/9")
    assert on(promised, "betting", commitment="00" * 32).refusal is Code.DIFFERENT_DATA
    assert on(promised, "finished", algorithm="draw-v1:2/8", seed=SEED).becomes is None
    assert on(ACTION, "finished", seed=SEED).why == "no commitment was published for this seed"


def test_a_proof_that_holds_finishes_the_round() -> None:
    promised = after(report("betting", commitment=COMMITMENT, algorithm="draw-v1:2/9"))
    results = live_draw.draw(SEED, "r-7", 2, 9)
    done = on(promised, "finished", seed=SEED, results=results).becomes
    assert done is not None
    assert (done.state, done.seed, done.results) == (RoundState.FINISHED, SEED, results)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({}, "the seed of the commitment is missing"),
        ({"seed": "cd" * 32}, "the seed does not fit the commitment"),
        ({"seed": SEED, "results": (9, 9)}, "the results do not follow from the seed by draw-v1:2/9"),
    ],
)
def test_a_proof_that_does_not_hold_is_refused_and_the_round_goes_to_review(
    fields: dict[str, object], why: str
) -> None:
    promised = after(report("betting", commitment=COMMITMENT, algorithm="draw-v1:2/9"))
    judged = on(promised, "finished", **fields)
    assert (judged.refusal, judged.why) == (Code.DIFFERENT_DATA, why)
    assert judged.becomes is not None
    assert (judged.becomes.state, judged.becomes.reason, judged.becomes.results) == (RoundState.REVIEW, why, ())
    assert on(judged.becomes, "finished", **fields) == Judgement(None, Code.DIFFERENT_DATA, why)
    repaired = on(judged.becomes, "finished", seed=SEED, results=live_draw.draw(SEED, "r-7", 2, 9)).becomes
    assert repaired is not None
    assert repaired.state is RoundState.FINISHED


def test_time_closes_the_betting_and_then_wants_results() -> None:
    assert BETTING.next_moment == CLOSES
    assert after_time(BETTING, CLOSES - timedelta(microseconds=1)) is None
    closed = after_time(BETTING, CLOSES)
    assert closed is not None
    assert (closed.play_status, closed.next_moment) == (PlayStatus.ACTION, CLOSES + WITHIN)
    assert after_time(closed, CLOSES) is None
    assert after_time(closed, CLOSES + WITHIN) == in_review(closed, NO_RESULT)
    # A worker that was away for long: the round is late at once.
    assert after_time(BETTING, CLOSES + WITHIN) == in_review(BETTING, NO_RESULT)


def test_time_changes_nothing_else() -> None:
    for found in (AWAITING, FINISHED, REVIEW, CANCELLED):
        assert (found.next_moment, after_time(found, NOW + timedelta(days=9))) == (None, None)


def test_a_round_whose_end_of_betting_is_not_known_still_wants_results() -> None:
    assert after(report("betting")).next_moment == NOW + WITHIN


@pytest.mark.parametrize(
    ("state", "one_step", "refused"),
    [
        (None, False, False),
        (RoundState.AWAITING, False, False),
        (RoundState.ACTIVE, False, False),
        (RoundState.REVIEW, False, False),
        (RoundState.FINISHED, False, True),
        (RoundState.CANCELLED, False, True),
        (RoundState.FINISHED, True, False),
        (RoundState.CANCELLED, True, True),
    ],
)
def test_which_stakes_are_refused(state: RoundState | None, one_step: bool, refused: bool) -> None:
    assert refuses_stake(state, one_step=one_step) is refused
