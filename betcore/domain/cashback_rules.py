"""Rules of cashback: the windows of time that a rule is run for, and what it gives for what a player has lost. Pure.

A rule has versions. The version that stands at the end of a window, its cut, decides what the window gives. Windows of
a rule follow each other without a gap, so that no loss is counted twice, and none is left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from betcore.domain.currencies import decimals
from betcore.domain.message_base import Message
from betcore.domain.money import Money
from betcore.domain.profiles import CashbackRule

# The statements of before the cut are committed by then: none of them may take as long.
MARGIN = timedelta(minutes=10)
_MOMENT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Losses:
    """What the bets of one player have moved in one window and currency, in minor units."""

    stakes: int
    returns: int
    payouts: int
    jackpots: int
    claw_backs: int

    @property
    def lost(self) -> int:
        """Return what the player has lost; 0 for a player who has won."""
        return max(0, self.stakes - self.returns - self.payouts - self.jackpots + self.claw_backs)


@dataclass(frozen=True, slots=True)
class RuleVersion:
    """A rule as it stood from ``created_at`` on, until ``retired_at``."""

    version_id: int
    rule: CashbackRule
    time_zone: str
    created_at: datetime
    retired_at: datetime | None


@dataclass(frozen=True, slots=True)
class Window:
    """What has ended from ``since`` on and before ``cut``, and the version of the rule that it is run by."""

    version: RuleVersion
    since: datetime
    cut: datetime


@dataclass(frozen=True, slots=True)
class RuleRun:
    """The row of a window's run. Players up to ``last_player_id`` have been dealt with in its ``times``-th round."""

    run_id: int
    casino_id: int
    name: str
    version_id: int
    period_from: datetime
    period_to: datetime
    last_player_id: int
    times: int
    players: int
    opened: int
    blocked: int
    unread: int
    contradicted: int
    ended_at: datetime | None


class RuleRunDone(Message):
    """Result of a run: how many of its ``players`` were given a cashback, and how many not, for which reason."""

    run_id: int
    players: int
    opened: int
    blocked: int
    unread: int
    contradicted: int


def cashback_of(rule: CashbackRule, losses: Losses, currency: str) -> Money | None:
    """Return what a rule gives for losses, in whole minor units; None if that is nothing, or below the rule's floor.

    Raises Malformed for a currency that this deployment does not know.
    """
    numerator, denominator = rule.share.as_integer_ratio()
    places = decimals(currency)
    minor = losses.lost * numerator // denominator
    if currency in rule.cap:
        minor = min(minor, _scaled(rule.cap[currency], places)[0])
    least = _scaled(rule.floor[currency], places)[1] if currency in rule.floor else 1
    return Money(minor=minor, currency=currency) if minor >= max(1, least) else None


def next_window(versions: Sequence[RuleVersion], paid_to: datetime | None) -> Window | None:
    """Return the window of a rule behind the last one, which ended at ``paid_to``; None if no version has one.

    ``versions`` are all of the rule, oldest first. A rule counts from the moment at which it was first added. If it is
    taken away and added again before its cut, it goes on; after its cut, it begins anew.
    """
    since, missed = paid_to, None
    for version in versions:
        if since is None or (missed is not None and missed < version.created_at):
            since = version.created_at
        cut = next_cut(version, max(since, version.created_at - _MOMENT))
        if version.retired_at is None or cut < version.retired_at:
            return Window(version, since, cut)
        missed = cut
    return None


def next_cut(version: RuleVersion, after: datetime) -> datetime:
    """Return the first end of a day, week (Sunday) or month behind a moment, by the clocks of the rule's time zone."""
    zone = ZoneInfo(version.time_zone)
    day = after.astimezone(zone).date()
    while True:
        day = _next_start(version.rule, day)
        # A midnight that a change of the clocks leaves out is the moment of that change.
        cut = datetime.combine(day, time(), zone).astimezone(after.tzinfo)
        if cut > after:
            return cut


def _next_start(rule: CashbackRule, day: date) -> date:
    match rule.period:
        case "day":
            return day + timedelta(days=1)
        case "week":
            return day + timedelta(days=7 - day.weekday())
        case "month":
            return (day.replace(day=1) + timedelta(days=32)).replace(day=1)


def _scaled(amount: Decimal, places: int) -> tuple[int, int]:
    """Return an amount in minor units, rounded down and rounded up: a floor and a cap may have more decimals."""
    numerator, denominator = amount.as_integer_ratio()
    scaled = numerator * 10**places
    return scaled // denominator, -(-scaled // denominator)
