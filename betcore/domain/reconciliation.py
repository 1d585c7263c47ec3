"""Reconciliation of a bet or a cashback: compare our rows with the casino's list, and decide about each difference.

A difference must show in two looks before money moves or an incident is filed. A difference that the own workflow of
the bet or cashback is still resolving is left to that workflow. Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from betcore.domain.compared_rows import OurMovement, Ours
from betcore.domain.ids import TransactionType
from betcore.domain.message_base import Message
from betcore.domain.payment_list import Listed


class Kind(StrEnum):
    """How two books differ in one movement."""

    MISSING_THERE = "missing_there"
    MISSING_HERE = "missing_here"
    AMOUNT = "amount"
    STATUS = "status"
    LATE = "late"
    LEFT_TO_THE_BET = "left_to_the_bet"


class Outcome(StrEnum):
    """The remedy of a difference, planned or done."""

    RETURNED = "returned"
    ASKED_THE_BET = "asked_the_bet"
    LEFT_TO_THE_BET = "left_to_the_bet"
    INCIDENT = "incident"
    NOTED = "noted"

    @property
    def needs_second_look(self) -> bool:
        """Return whether the difference has to show in two looks before this is done."""
        return self in (Outcome.RETURNED, Outcome.INCIDENT)


class Reconcile(Message):
    """The start argument of a run: bets and cashbacks of one casino with opened_from <= opened < opened_to."""

    casino_id: int
    opened_from: datetime
    opened_to: datetime


@dataclass(frozen=True, slots=True)
class Run:
    """A run's row: ``compared`` of ``bets`` are compared, those up to ``last_bet_id``.

    The ``cashbacks`` of a casino that lists them count as bets.
    """

    reconciliation_id: int
    casino_id: int
    opened_from: datetime
    opened_to: datetime
    workflow_id: str
    bets: int
    compared: int
    last_bet_id: int
    ended_at: datetime | None
    cashbacks: bool


@dataclass(frozen=True, slots=True)
class OpenFinding:
    """A finding that waits for its second look."""

    finding_id: int
    bet_id: int
    transaction_type: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """A run to be started, and the id of its workflow."""

    order: Reconcile
    workflow_id: str


class SecondLook(Message):
    """Whether findings need a second look, and how long to wait before it."""

    wanted: bool
    after: timedelta


class Reconciled(Message):
    """Result of a run: ``compared`` of ``bets`` were compared; findings are counted by kind and by outcome."""

    reconciliation_id: int
    bets: int
    compared: int
    kinds: dict[str, int]
    outcomes: dict[str, int]


@dataclass(frozen=True, slots=True)
class Difference:
    """A difference between both books in one movement, and its remedy."""

    transaction_type: int
    kind: Kind
    remedy: Outcome
    ours: dict[str, str]
    theirs: dict[str, str]


def compare(bet: Ours, listed: Sequence[Listed], leeway: timedelta, now: datetime) -> list[Difference]:
    """Return the differences between our rows and the casino's list of them: at most one a transaction type, in order.

    ``leeway`` is how wrong the casino's clock may be.
    """
    ours = {movement.transaction_type: movement for movement in bet.movements}
    theirs: dict[int, list[Listed]] = {}
    for item in listed:
        theirs.setdefault(item.transaction_type, []).append(item)
    found = (
        _difference(bet, transaction_type, ours.get(transaction_type), theirs.get(transaction_type, []), leeway, now)
        for transaction_type in sorted(ours.keys() | theirs.keys())
    )
    return _with_its_win(bet, [difference for difference in found if difference is not None])


def _with_its_win(bet: Ours, found: list[Difference]) -> list[Difference]:
    """Return the differences of a bet; a stake that ended is not returned alone if the casino has paid its win too."""
    if not bet.has_win_with_its_stake or not any(one.transaction_type == TransactionType.PAY_OUT for one in found):
        return found
    return [replace(one, remedy=Outcome.INCIDENT) if one.remedy is Outcome.RETURNED else one for one in found]


def moving(differences: Sequence[Difference]) -> list[Difference]:
    """Return the differences as left to the bet, because its rows change faster than they can be compared."""
    left = Outcome.LEFT_TO_THE_BET
    return [Difference(one.transaction_type, Kind.LEFT_TO_THE_BET, left, one.ours, one.theirs) for one in differences]


def _difference(
    bet: Ours,
    transaction_type: int,
    mine: OurMovement | None,
    theirs: Sequence[Listed],
    leeway: timedelta,
    now: datetime,
) -> Difference | None:
    if mine is None:
        # An open reversal has still to make its movements, and looks each one up itself.
        in_hand = bet.reversing and transaction_type in (TransactionType.PAY_OUT_RETURN, TransactionType.BET_RETURN)
        return _finding(bet, transaction_type, mine, theirs, Kind.MISSING_HERE, _left_or_incident(in_hand))
    if not theirs:
        return _missing_there(bet, mine)
    if len(theirs) > 1 or not theirs[0].is_of(bet.bet_id, mine.amount, bet.partner_user_id, mine.tax):
        return _finding(bet, transaction_type, mine, theirs, Kind.AMOUNT, Outcome.INCIDENT)
    match mine.state:
        case "sending" if bet.resolves(mine):
            return _finding(bet, transaction_type, mine, theirs, Kind.LEFT_TO_THE_BET, Outcome.LEFT_TO_THE_BET)
        case "sending" | "parked" if transaction_type > 0:
            # The bet looks it up before or soon after it sends it again, and then it is done.
            return _finding(bet, transaction_type, mine, theirs, Kind.STATUS, Outcome.ASKED_THE_BET)
        case "done":
            late = _is_late(mine, theirs[0].at, leeway, now)
            return _finding(bet, transaction_type, mine, theirs, Kind.LATE, Outcome.NOTED) if late else None
        case "parked" | "paid_by_hand":
            return _finding(bet, transaction_type, mine, theirs, Kind.STATUS, Outcome.INCIDENT)
        case _ if transaction_type == TransactionType.ACCEPT_BET and bet.ended_without_its_stake:
            return _finding(bet, transaction_type, mine, theirs, Kind.MISSING_HERE, Outcome.RETURNED)
        case _:
            return _finding(bet, transaction_type, mine, theirs, Kind.MISSING_HERE, _left_or_incident(bet.reversing))


def _left_or_incident(in_hand: bool) -> Outcome:
    return Outcome.LEFT_TO_THE_BET if in_hand else Outcome.INCIDENT


def _missing_there(bet: Ours, mine: OurMovement) -> Difference | None:
    transaction_type = mine.transaction_type
    if bet.resolves(mine):
        return _finding(bet, transaction_type, mine, [], Kind.LEFT_TO_THE_BET, Outcome.LEFT_TO_THE_BET)
    if mine.state == "sending":
        return _finding(bet, transaction_type, mine, [], Kind.MISSING_THERE, Outcome.ASKED_THE_BET)
    if mine.state == "done" and not mine.never_asked_for:
        return _finding(bet, transaction_type, mine, [], Kind.MISSING_THERE, Outcome.INCIDENT)
    return None


def _is_late(mine: OurMovement, at: datetime | None, leeway: timedelta, now: datetime) -> bool:
    """Return whether the casino's time of a debit is one at which no request of ours could have made it."""
    if mine.not_after is None or at is None:
        return False
    return not mine.first_sent_at - leeway <= at <= min(mine.not_after, now) + leeway


def _finding(
    bet: Ours, transaction_type: int, mine: OurMovement | None, theirs: Sequence[Listed], kind: Kind, remedy: Outcome
) -> Difference:
    if remedy is Outcome.LEFT_TO_THE_BET:
        kind = Kind.LEFT_TO_THE_BET
    currency = bet.record.currency
    ours = {"transaction_id": f"{bet.bet_id}:{transaction_type}"}
    if mine is not None:
        ours |= {"amount": f"{currency} {mine.amount}", "state": mine.state}
        ours |= {} if mine.tax is None else {"tax": str(mine.tax)}
    there = theirs[0].facts(currency) if theirs else {}
    if mine and theirs and (doubt := theirs[0].differs(bet.bet_id, mine.amount, bet.partner_user_id, mine.tax)):
        there["reason"] = doubt
    if len(theirs) > 1:
        ours["times"], there["times"] = "1" if mine else "0", str(len(theirs))
    if any(item.is_of_another_player(bet.partner_user_id) for item in theirs):
        ours["player"], there["player"] = "the bet's", "another one"
    return Difference(transaction_type, kind, remedy, ours, there)
