"""What two books say of a bet, ours and the casino's, and what follows where they differ. Pure.

A difference is looked at twice before money moves or a person is called; what its bet is still resolving is left to it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from betcore.errors import Malformed
from betcore.ids import BetKey, TransactionType
from betcore.messages import BetRecord, Message
from betcore.money import Money

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Unix time in seconds stays below this for three thousand years; in milliseconds it has been above since 1973.
_MILLISECONDS_FROM = 10**11
_LONGEST_WORD = 200


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
class Listed:
    """A movement as ``payments/info`` lists it. ``amount`` is as it was written; ``at`` is None where unreadable."""

    transaction_type: int
    amount: str
    partner_user_id: str | None
    transaction_id: str | None
    partner_transaction_id: str | None
    at: datetime | None

    def is_of(self, bet_id: int, amount: Money, partner_user_id: str) -> bool:
        """Whether this is our movement of its type: amount, player and TransactionId, as far as they are told."""
        named = f"{bet_id}:{self.transaction_type}"
        same_player = self.partner_user_id in (None, partner_user_id)
        return self._money(amount.currency) == amount and same_player and self.transaction_id in (None, named)

    def facts(self, currency: str) -> dict[str, str]:
        """What it says, for one side of a finding. No personal data."""
        money = self._money(currency)
        told = {
            "transaction_id": self.transaction_id,
            "partner_transaction_id": self.partner_transaction_id,
            "amount": f"{currency} {money}" if money else self.amount,
            "at": self.at.isoformat() if self.at else None,
        }
        return {name: _plain(value) for name, value in told.items() if value is not None}

    def _money(self, currency: str) -> Money | None:
        try:
            return Money.parse(self.amount, currency)
        except Malformed:
            return None


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


def moment(given: object) -> datetime | None:
    """A Timestamp of the casino: ISO 8601 with a zone, or Unix time in seconds or milliseconds; None for any other."""
    if isinstance(given, bool):
        return None
    try:
        if isinstance(given, int):
            scale = 1000 if given < _MILLISECONDS_FROM else 1
            return _EPOCH + timedelta(milliseconds=given * scale)
        read = datetime.fromisoformat(given) if isinstance(given, str) else None
    except (ValueError, OverflowError):
        return None
    return read if read and read.tzinfo else None


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
    if len(theirs) > 1:
        ours["times"], there["times"] = "1" if mine else "0", str(len(theirs))
    if any(item.partner_user_id not in (None, bet.partner_user_id) for item in theirs):
        ours["player"], there["player"] = "the bet's", "another one"
    return Difference(kind, how, remedy, ours, there)


def _plain(text: str) -> str:
    """What a casino wrote, as it can be stored and shown."""
    return "".join(char if char.isprintable() else "?" for char in text[:_LONGEST_WORD])


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
