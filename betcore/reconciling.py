"""What two books say of a bet, ours and the casino's, and what follows where they differ. Pure.

A difference is looked at twice before money moves or a person is called; what its bet is still resolving is left to it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from betcore.ids import BetKey, TransactionType
from betcore.listed import Listed
from betcore.messages import BetRecord, Message
from betcore.money import Money


class Kind(StrEnum):
    """How two books differ in one movement."""

    MISSING_THERE = "missing_there"
    MISSING_HERE = "missing_here"
    AMOUNT = "amount"
    STATUS = "status"
    LATE = "late"
    LEFT_TO_THE_BET = "left_to_the_bet"


class Outcome(StrEnum):
    """What is done about a difference, and what was done."""

    RETURNED = "returned"
    ASKED_THE_BET = "asked_the_bet"
    LEFT_TO_THE_BET = "left_to_the_bet"
    INCIDENT = "incident"
    NOTED = "noted"

    @property
    def needs_second_look(self) -> bool:
        """Whether the difference has to show twice before this is done."""
        return self in (Outcome.RETURNED, Outcome.INCIDENT)


class Reconcile(Message):
    """The start argument of a run: the bets of one casino opened from the one moment on, and before the other."""

    casino_id: int
    opened_from: datetime
    opened_to: datetime


class SecondLook(Message):
    """Whether findings wait for a second look, and how long it has to wait."""

    wanted: bool
    after: timedelta


class Reconciled(Message):
    """A run: ``compared`` of ``bets`` were compared, and how many findings there are of each kind and outcome."""

    reconciliation_id: int
    bets: int
    compared: int
    kinds: dict[str, int]
    outcomes: dict[str, int]


@dataclass(frozen=True, slots=True)
class OurMovement:
    """A movement's row. ``error_code`` is the casino's, None where it was never asked."""

    transaction_type: int
    amount: Money
    state: str
    error_code: str | None
    first_sent_at: datetime
    not_after: datetime | None

    @property
    def never_asked_for(self) -> bool:
        """Whether it is done without the casino: a free round, where the casino wants to hear of none."""
        return self.state == "done" and self.amount.minor == 0 and self.error_code is None


@dataclass(frozen=True, slots=True)
class UnreadBet:
    """A bet whose rows this deployment cannot read, and why."""

    bet_id: int
    why: str


@dataclass(frozen=True, slots=True)
class OurBet:
    """A bet's rows at one moment."""

    key: BetKey
    partner_user_id: str
    record: BetRecord
    movements: tuple[OurMovement, ...]

    @property
    def bet_id(self) -> int:
        """Its number."""
        return self.record.bet_id

    @property
    def reversing(self) -> bool:
        """Whether a reversal of it is open."""
        return self.record.reversal is not None and self.record.reversal.closed_at is None

    @property
    def ended_without_its_stake(self) -> bool:
        """Whether it is over, and no stake is held for it."""
        return self.record.closed_at is not None and self.record.accepted_at is None


@dataclass(frozen=True, slots=True)
class Difference:
    """Where the books differ in one movement, and what is to be done about it."""

    transaction_type: int
    kind: Kind
    remedy: Outcome
    ours: dict[str, str]
    theirs: dict[str, str]


def compare(bet: OurBet, listed: Sequence[Listed], leeway: timedelta, now: datetime) -> list[Difference]:
    """Where a bet's rows and the casino's list of it differ: one difference a type at most, by type.

    ``leeway`` is how wrong the casino's clock may be.
    """
    ours = {movement.transaction_type: movement for movement in bet.movements}
    kinds = sorted(ours.keys() | {item.transaction_type for item in listed})
    found = (
        _difference(bet, kind, ours.get(kind), [item for item in listed if item.transaction_type == kind], leeway, now)
        for kind in kinds
    )
    return [difference for difference in found if difference is not None]


def moving(differences: Sequence[Difference]) -> list[Difference]:
    """The differences of a bet whose rows change faster than they can be compared: they are its own."""
    left = Outcome.LEFT_TO_THE_BET
    return [Difference(one.transaction_type, Kind.LEFT_TO_THE_BET, left, one.ours, one.theirs) for one in differences]


def _difference(
    bet: OurBet,
    kind: int,
    mine: OurMovement | None,
    theirs: Sequence[Listed],
    leeway: timedelta,
    now: datetime,
) -> Difference | None:
    if mine is None:
        # A reversal that is open has its next legs before it, and finds out itself what is there.
        in_hand = bet.reversing and kind in (TransactionType.PAY_OUT_RETURN, TransactionType.BET_RETURN)
        return _said(bet, kind, mine, theirs, Kind.MISSING_HERE, _left_or_told(in_hand))
    if not theirs:
        return _missing_there(bet, mine)
    if len(theirs) > 1 or not theirs[0].is_of(bet.bet_id, mine.amount, bet.partner_user_id):
        return _said(bet, kind, mine, theirs, Kind.AMOUNT, Outcome.INCIDENT)
    match mine.state:
        case "sending" | "parked" if kind > 0:
            # Its bet looks for it before, or soon after, it sends it again, and ends done.
            return _said(bet, kind, mine, theirs, Kind.STATUS, Outcome.ASKED_THE_BET)
        case "sending":
            return _said(bet, kind, mine, theirs, Kind.LEFT_TO_THE_BET, Outcome.LEFT_TO_THE_BET)
        case "done":
            late = _is_late(mine, theirs[0].at, leeway, now)
            return _said(bet, kind, mine, theirs, Kind.LATE, Outcome.NOTED) if late else None
        case "parked" | "paid_by_hand":
            return _said(bet, kind, mine, theirs, Kind.STATUS, Outcome.INCIDENT)
        case _ if kind == TransactionType.ACCEPT_BET and bet.ended_without_its_stake:
            return _said(bet, kind, mine, theirs, Kind.MISSING_HERE, Outcome.RETURNED)
        case _:
            return _said(bet, kind, mine, theirs, Kind.MISSING_HERE, _left_or_told(bet.reversing))


def _left_or_told(in_hand: bool) -> Outcome:
    return Outcome.LEFT_TO_THE_BET if in_hand else Outcome.INCIDENT


def _missing_there(bet: OurBet, mine: OurMovement) -> Difference | None:
    kind = mine.transaction_type
    if mine.state == "sending" and kind < 0:
        return _said(bet, kind, mine, [], Kind.LEFT_TO_THE_BET, Outcome.LEFT_TO_THE_BET)
    if mine.state == "sending":
        return _said(bet, kind, mine, [], Kind.MISSING_THERE, Outcome.ASKED_THE_BET)
    if mine.state == "done" and not mine.never_asked_for:
        return _said(bet, kind, mine, [], Kind.MISSING_THERE, Outcome.INCIDENT)
    return None


def _is_late(mine: OurMovement, at: datetime | None, leeway: timedelta, now: datetime) -> bool:
    """Whether the casino has a debit from a moment at which no message of ours could have made it."""
    if mine.not_after is None or at is None:
        return False
    return not mine.first_sent_at - leeway <= at <= min(mine.not_after, now) + leeway


def _said(
    bet: OurBet, kind: int, mine: OurMovement | None, theirs: Sequence[Listed], how: Kind, remedy: Outcome
) -> Difference:
    if remedy is Outcome.LEFT_TO_THE_BET:
        how = Kind.LEFT_TO_THE_BET
    currency = bet.record.currency
    ours = {"transaction_id": f"{bet.bet_id}:{kind}"}
    if mine is not None:
        ours |= {"amount": f"{currency} {mine.amount}", "state": mine.state}
    there = theirs[0].facts(currency) if theirs else {}
    if mine and theirs and (doubt := theirs[0].differs(bet.bet_id, mine.amount, bet.partner_user_id)):
        there["reason"] = doubt
    if len(theirs) > 1:
        ours["times"], there["times"] = "1" if mine else "0", str(len(theirs))
    if any(item.is_of_another_player(bet.partner_user_id) for item in theirs):
        ours["player"], there["player"] = "the bet's", "another one"
    return Difference(kind, how, remedy, ours, there)


def run_id(casino: str, opened_from: datetime, opened_to: datetime, times: int = 0) -> str:
    """The id of the workflow of a run that a person wants, when so many of the same window have ended."""
    again = f":{times + 1}" if times else ""
    return f"reconciliation:{casino}:{_utc(opened_from)}:{_utc(opened_to)}{again}"


SCHEDULED = "scheduled-reconciliation"


def scheduled_run_id(casino: str, opened_from: datetime, opened_to: datetime) -> str:
    """The id of the workflow of a run that the schedule wants."""
    return f"{SCHEDULED}:{casino}:{_utc(opened_from)}:{_utc(opened_to)}"


def _utc(time: datetime) -> str:
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")
