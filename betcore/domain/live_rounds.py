"""Rounds of live games: their states, what a provider reports of them, and what follows from a report. Pure.

A round goes one way only: awaiting, active (betting, then action), finished. From each of these it may go to review or
be cancelled, and from review it may still be finished or cancelled. Finished and cancelled are for good.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from betcore.domain import live_draw
from betcore.domain.errors import Code
from betcore.domain.message_base import Message

# Why a round is in review, beside what its provider says.
NO_RESULT = "no_result"
# Why the service refunds a bet.
ROUND_CANCELLED = "round_cancelled"
# A stake that was on its way when its round was cancelled is opened, or is too late, well within this time.
STAKES_APPEAR_FOR = timedelta(minutes=5)


class RoundState(StrEnum):
    """The state of a round; ``number`` is that of the feed."""

    AWAITING = "awaiting"
    ACTIVE = "active"
    FINISHED = "finished"
    REVIEW = "review"
    CANCELLED = "cancelled"

    @property
    def number(self) -> int:
        """Return the number of the wire, 1 to 5."""
        return list(RoundState).index(self) + 1

    @property
    def is_terminal(self) -> bool:
        """Return whether it is for good."""
        return self in (RoundState.FINISHED, RoundState.CANCELLED)

    @property
    def is_running(self) -> bool:
        """Return whether no other round of its game may begin."""
        return self in (RoundState.AWAITING, RoundState.ACTIVE)


class PlayStatus(StrEnum):
    """What an active round is doing; ``number`` is that of the feed."""

    BETTING = "betting"
    ACTION = "action"

    @property
    def number(self) -> int:
        """Return the number of the wire, 1 or 2."""
        return list(PlayStatus).index(self) + 1


class ReportedState(StrEnum):
    """What a provider reports: the states of a round, with *active* in its two parts."""

    AWAITING = "awaiting"
    BETTING = "betting"
    ACTION = "action"
    FINISHED = "finished"
    REVIEW = "review"
    CANCELLED = "cancelled"


# How far a round is, for reports that may come late or skip a part.
_STAGES = (ReportedState.AWAITING, ReportedState.BETTING, ReportedState.ACTION)


class RoundReport(Message):
    """A provider's report of a round. What a state does not bring, or the provider has left out, is None or empty."""

    state: ReportedState
    betting_closes_at: datetime | None = None
    commitment: str | None = None
    results: tuple[int | str, ...] = ()
    seed: str | None = None
    algorithm: str | None = None
    reason: str | None = None


class LiveRound(Message):
    """A round as its row has it. ``edition`` counts the rounds of a game from 1.

    ``results_due_at`` is when it goes to review unless it has ended; ``finished_at`` is when it was finished or
    cancelled.
    """

    game_type: int
    edition: int
    round_id: str
    state: RoundState
    play_status: PlayStatus | None = None
    announced_at: datetime
    started_at: datetime | None = None
    betting_closes_at: datetime | None = None
    results_due_at: datetime | None = None
    finished_at: datetime | None = None
    results: tuple[int | str, ...] = ()
    commitment: str | None = None
    seed: str | None = None
    algorithm: str | None = None
    reason: str | None = None

    @property
    def next_moment(self) -> datetime | None:
        """Return when time changes it next, None if it does not."""
        if self.state is not RoundState.ACTIVE:
            return None
        closes = self.betting_closes_at if self.play_status is PlayStatus.BETTING else None
        return min((moment for moment in (closes, self.results_due_at) if moment is not None), default=None)


class Judgement(NamedTuple):
    """What follows from a report: the round as it becomes, None if it stays as it is; and the refusal, if it is one.

    A proof that does not hold is both: it is refused, and the round goes to review.
    """

    becomes: LiveRound | None = None
    refusal: Code | None = None
    why: str = ""


def announced(game_type: int, edition: int, round_id: str, now: datetime) -> LiveRound:
    """Return a round of which nothing has been reported yet."""
    return LiveRound(
        game_type=game_type, edition=edition, round_id=round_id, state=RoundState.AWAITING, announced_at=now
    )


def judge(
    found: LiveRound, report: RoundReport, now: datetime, result_within: timedelta, *, is_new: bool = False
) -> Judgement:
    """Return what follows from a report. ``is_new`` says that it is the first one of the round."""
    match report.state:
        case ReportedState.FINISHED:
            return _finish(found, report, now)
        case ReportedState.REVIEW | ReportedState.CANCELLED:
            return _break_off(found, report, now)
        case _:
            return _go_on(found, report, now, result_within, is_new=is_new)


def after_time(found: LiveRound, now: datetime) -> LiveRound | None:
    """Return the round as time alone has changed it by now, None if it has not: betting closes, results are late."""
    if found.state is not RoundState.ACTIVE:
        return None
    if found.results_due_at is not None and found.results_due_at <= now:
        return in_review(found, NO_RESULT)
    closes = found.betting_closes_at
    if found.play_status is PlayStatus.BETTING and closes is not None and closes <= now:
        return _changed(found, play_status=PlayStatus.ACTION)
    return None


def in_review(found: LiveRound, reason: str | None) -> LiveRound:
    """Return the round in review."""
    return _changed(found, state=RoundState.REVIEW, play_status=None, reason=reason)


def cancelled(found: LiveRound, reason: str | None, now: datetime) -> LiveRound:
    """Return the round cancelled."""
    return _changed(found, state=RoundState.CANCELLED, play_status=None, reason=reason, finished_at=now)


def refuses_stake(state: RoundState | None, *, one_step: bool) -> bool:
    """Return whether a new stake of a round in this state is refused; None if the round is not known.

    A stake that comes after the betting may have been placed in time, and its provider knows. A round that has ended
    takes none; but a bet of one step is sent when its win is known, which may be after the end.
    """
    return state is RoundState.CANCELLED or (state is RoundState.FINISHED and not one_step)


def _go_on(
    found: LiveRound, report: RoundReport, now: datetime, result_within: timedelta, *, is_new: bool
) -> Judgement:
    ahead = is_new or (found.state.is_running and _STAGES.index(report.state) > _stage(found))
    if not ahead and found.started_at is None and report.state is not ReportedState.AWAITING:
        return _contradiction(f"the round is {found.state}")
    if differing := list(_differing(found, report, adopts=ahead)):
        return _contradiction(f"{differing[0]} is not that of the round")
    if not ahead:
        return Judgement()
    becomes = _changed(
        found, commitment=report.commitment or found.commitment, algorithm=report.algorithm or found.algorithm
    )
    if report.state is ReportedState.AWAITING:
        return Judgement(becomes)
    closes = report.betting_closes_at or found.betting_closes_at
    betting = report.state is ReportedState.BETTING and (closes is None or closes > now)
    due_from = closes if betting and closes is not None else now
    return Judgement(
        _changed(
            becomes,
            state=RoundState.ACTIVE,
            play_status=PlayStatus.BETTING if betting else PlayStatus.ACTION,
            started_at=found.started_at or now,
            betting_closes_at=closes,
            results_due_at=due_from + result_within,
        )
    )


def _finish(found: LiveRound, report: RoundReport, now: datetime) -> Judgement:
    if found.state is RoundState.CANCELLED:
        return _contradiction(f"the round is {found.state}")
    if differing := list(_differing(found, report, adopts=found.state is not RoundState.FINISHED)):
        return _contradiction(f"{differing[0]} is not that of the round")
    if found.state is RoundState.FINISHED:
        return Judgement()
    if report.seed is not None and found.commitment is None:
        return _contradiction("no commitment was published for this seed")
    algorithm = report.algorithm or found.algorithm
    if found.commitment is not None:
        wrong = live_draw.fault(found.round_id, found.commitment, report.seed, algorithm, report.results)
        if wrong is not None:
            stays = found.state is RoundState.REVIEW and found.reason == wrong
            return _contradiction(wrong, None if stays else in_review(found, wrong))
    return Judgement(
        _changed(
            found,
            state=RoundState.FINISHED,
            play_status=None,
            started_at=found.started_at or now,
            finished_at=now,
            results=report.results,
            seed=report.seed,
            algorithm=algorithm,
            reason=None,
        )
    )


def _break_off(found: LiveRound, report: RoundReport, now: datetime) -> Judgement:
    if found.state.value == report.state.value:
        return Judgement()
    if found.state.is_terminal:
        return _contradiction(f"the round is {found.state}")
    if report.state is ReportedState.REVIEW:
        return Judgement(in_review(found, report.reason))
    return Judgement(cancelled(found, report.reason, now))


def _stage(found: LiveRound) -> int:
    return 0 if found.play_status is None else _STAGES.index(ReportedState(found.play_status))


def _differing(found: LiveRound, report: RoundReport, *, adopts: bool) -> Iterator[str]:
    """Yield the fields that the report gives otherwise than the round has them; ``adopts``: or has them not yet."""
    given = {
        "bettingClosesAt": (report.betting_closes_at, found.betting_closes_at),
        "commitment": (report.commitment, found.commitment),
        "results": (report.results or None, found.results or None),
        "seed": (report.seed, found.seed),
        "algorithm": (report.algorithm, found.algorithm),
    }
    for name, (said, known) in given.items():
        if said is not None and said != known and not (adopts and known is None):
            yield name


def _contradiction(why: str, becomes: LiveRound | None = None) -> Judgement:
    return Judgement(becomes, Code.DIFFERENT_DATA, why)


def _changed(found: LiveRound, **fields: object) -> LiveRound:
    return found.model_copy(update=fields)
