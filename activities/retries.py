"""Whether a movement is sent again, and when: at once in the fast lane, after growing gaps in the slow one.

In the slow lane an attempt without a definite answer fails, and Temporal starts the next one after the gap that the
failure names. Gaps have jitter: else a casino that recovers would get all movements of all bets at the same moment.
"""

import random
from datetime import UTC, datetime, timedelta

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from activities.admission import NotAdmitted
from betcore.domain.activity_inputs import Progress, Step
from betcore.domain.casino_values import short
from betcore.domain.errors import Code
from betcore.domain.policy import Retry

_NO_GAP = timedelta()
_WHILE_NOT_ADMITTED = timedelta(seconds=30)


def is_repeated_at_once(step: Step, until: datetime | None) -> bool:
    """Return whether the fast lane may send again: nothing is known, and no row or last moment holds the send back."""
    return step.progress is Progress.UNKNOWN and step.wait is None and (until is None or datetime.now(UTC) < until)


def gap_to_next_attempt(step: Step, accept_within: timedelta | None, until: datetime | None) -> timedelta | None:
    """Return the least gap to the next attempt in the slow lane; None if there is to be none.

    A movement that waits for its Accept gets the time that the casino has for it; the row may ask for another gap.
    """
    if not step.progress.is_open:
        return None
    gap = accept_within if step.progress is Progress.AWAITED and accept_within else _NO_GAP
    gap = gap if step.wait is None else step.wait
    return None if until is not None and datetime.now(UTC) + gap >= until else gap


def retry_after(detail: str, retry: Retry, least: timedelta = _NO_GAP) -> ApplicationError:
    """Return the failure of an attempt in the slow lane, to be raised: it names the gap to the next attempt."""
    gap = retry.gap(activity.info().attempt)
    return ApplicationError(
        short(detail),
        type=Code.OUTCOME_UNKNOWN,
        next_retry_delay=max(gap * random.uniform(0.8, 1.2), least),  # noqa: S311  a spread, not a secret
        category=ApplicationErrorCategory.BENIGN,
    )


def retry_not_admitted(refusal: NotAdmitted, retry: Retry) -> ApplicationError:
    """Return the failure of an attempt that was not admitted.

    Its gap stays short enough for the movement to become the breaker's probe, or to be early when the casino is back.
    """
    often = retry.model_copy(update={"cap": min(retry.cap, _WHILE_NOT_ADMITTED)})
    return retry_after(str(refusal), often, refusal.wait)
