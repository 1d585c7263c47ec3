"""Messages between API, commands, workflows and activities about the rounds of live games."""

from datetime import datetime

from betcore.domain.errors import Code
from betcore.domain.live_rounds import LiveRound, RoundReport
from betcore.domain.message_base import Message
from betcore.domain.proof import Proof


class LiveGameOrder(Message):
    """The start argument of a live game's workflow."""

    game_type: int


class ReportRound(Message):
    """A provider's report of a round of one of its games."""

    game_type: int
    provider_id: int
    round_id: str
    report: RoundReport
    proof: Proof | None = None


class CancelRound(Message):
    """That an operator wants a round cancelled, and why. A second operator must want the same."""

    game_type: int
    round_id: str
    operator: str
    reason: str


class RecordReport(Message):
    """A report, and when it was filed."""

    order: ReportRound
    now: datetime


class RecordCancel(Message):
    """An operator's order, and when it was filed."""

    order: CancelRound
    now: datetime


class PassTime(Message):
    """What a game's running round is asked for: what time alone has changed."""

    game_type: int
    now: datetime


class RoundAnswer(Message):
    """What has become of a report, of an operator's order, or of the time.

    ``refusal`` is None if the round's row says what was asked for. ``running`` is the game's round whose times count
    now. ``changed`` says that ``round`` has just been written, ``refunds`` that its open bets are to be refunded.
    """

    refusal: Code | None = None
    why: str = ""
    round: LiveRound | None = None
    running: LiveRound | None = None
    refunds: bool = False
    changed: bool = False


class RefundRound(Message):
    """A cancelled round whose open bets go back, and until when bets may still appear in it."""

    game_type: int
    round_id: str
    appear_until: datetime


class RefundPass(Message):
    """One look at the open bets of a cancelled round: how many there are, and how many have their Refund.

    ``done`` says that none is open, and none can be opened any more.
    """

    open_bets: int
    filed: int
    done: bool = False
