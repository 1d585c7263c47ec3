"""The specification of a cashback as a program: what each order may hear, and what may then stand at the casino.

As in ``book`` what may be so is a set of states. No provider waits for a cashback: an order is a row, and its answer
says how the row was at that moment. The casino lists no cashbacks, so that a debit in doubt is for people.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import permutations
from typing import Any

from tests.model.book import PARKING, Journal, World
from tests.model.reachable import reachable

ISSUE, CANCEL = 1, -2


class Stage(StrEnum):
    """How far a cashback is."""

    NONE = "no order has come"
    ISSUING = "it is being issued"
    ISSUED = "the player has it"
    CANCELLING = "it is being taken back"
    CANCELLED = "the casino has taken it back"


_ROWS = {
    Stage.ISSUING: "issuing",
    Stage.ISSUED: "issued",
    Stage.CANCELLING: "cancelling",
    Stage.CANCELLED: "cancelled",
}


@dataclass(frozen=True, slots=True)
class Order:
    """What an operator asks for: to issue a cashback, which the name identifies, or to cancel it."""

    cashback: str
    player: str = ""
    amount: str = ""

    @property
    def issues(self) -> bool:
        """Return whether it is an issue."""
        return bool(self.amount)


@dataclass(frozen=True, slots=True)
class Cashback:
    """One thing that may be so. ``asked``: its cancel is asked for, while it is being issued.

    ``cancel`` is how its debit has ended without the money: "refused" for good, or "absent". ``in_doubt``: a send of
    what is on its way was not answered. ``marked`` is the operators' action, until it is carried out.
    """

    stage: Stage = Stage.NONE
    player: str = ""
    amount: str = ""
    asked: bool = False
    cancel: str = ""
    in_doubt: bool = False
    parked: bool = False
    marked: str = ""
    by_hand: bool = False

    @property
    def moving(self) -> int | None:
        """Return the type of the movement that is on its way, or parked."""
        return {Stage.ISSUING: ISSUE, Stage.CANCELLING: CANCEL}.get(self.stage)

    @property
    def unbooked(self) -> int | None:
        """Return the type of the movement that may be at the casino alone when the cashback rests."""
        return self.moving if self.in_doubt and self.parked else None

    def ended(self, stage: Stage, **changed: Any) -> "Cashback":
        """With the end of what is on its way."""
        return replace(self, stage=stage, **{"in_doubt": False, "parked": False, "marked": "", **changed})

    def journals(self) -> Iterator[Journal]:
        """Return what the casino's journal of it may be once it rests."""
        issued: Journal = () if self.by_hand else ((ISSUE, self.amount),)
        made = {Stage.NONE: (), Stage.ISSUING: (), Stage.CANCELLED: (*issued, (CANCEL, self.amount))}
        before = made.get(self.stage, issued)
        yield before
        # What was paid by hand is not the casino's to take back.
        if self.in_doubt and self.moving is not None and not self.by_hand:
            yield (*before, (self.moving, self.amount))

    def views(self) -> list[dict[str, Any]]:
        """Return what row and journal may show of it at rest."""
        cancels = {Stage.CANCELLING: "parked", Stage.CANCELLED: "done"}
        return [
            {
                "state": _ROWS.get(self.stage),
                "cancel": cancels.get(self.stage, self.cancel or None),
                "parked": [self.moving] if self.parked else [],
                "journal": [list(movement) for movement in journal],
            }
            for journal in self.journals()
        ]


Cashbacks = frozenset[Cashback]
UNSEEN: Cashbacks = frozenset({Cashback()})


# What happens by itself


def steps(cashback: Cashback, world: World) -> Iterator[Cashback]:
    """Return what a cashback may become without any order. ``world`` is that of cashbacks."""
    if cashback.marked:
        yield _marked(cashback)
    elif cashback.parked:
        # Only an Accept that comes late ends what people have to decide (edge case 92).
        if world.accepts and cashback.in_doubt:
            yield _made(cashback)
    elif cashback.stage is Stage.ISSUING:
        yield from _issuing(cashback, world)
    elif cashback.stage is Stage.CANCELLING:
        yield from _cancelling(cashback, world)


def _made(cashback: Cashback, **changed: Any) -> Cashback:
    if cashback.stage is Stage.CANCELLING:
        return cashback.ended(Stage.CANCELLED, cancel="", **changed)
    # A cancel that was asked for meanwhile comes next (edge case 204).
    return cashback.ended(Stage.CANCELLING if cashback.asked else Stage.ISSUED, **changed)


def _issuing(cashback: Cashback, world: World) -> Iterator[Cashback]:
    """Return what becomes of what is owed: it is made in the end, or parked (edge cases 206, 209)."""
    yield _made(cashback)
    if world.unclear(ISSUE):
        yield replace(cashback, in_doubt=True)
    if PARKING & set(world.refused(ISSUE)):
        yield replace(cashback, parked=True)


def _cancelling(cashback: Cashback, world: World) -> Iterator[Cashback]:
    if not cashback.by_hand:
        yield _made(cashback)
    if cashback.in_doubt:
        # Its last moment has passed, and absence cannot be shown (edge cases 214, 215).
        yield replace(cashback, parked=True)
        return
    # A busy machine may leave any send unanswered, or let the last moment pass before the first one.
    yield replace(cashback, in_doubt=True)
    yield cashback.ended(Stage.ISSUED, cancel="absent")
    if world.refused(CANCEL) or cashback.by_hand:
        yield cashback.ended(Stage.ISSUED, cancel="refused")


def _marked(cashback: Cashback) -> Cashback:
    match cashback.marked:
        case "mark-paid":
            return _made(cashback, by_hand=True)
        case "mark-taken":
            return _made(cashback)
        case _:
            return cashback.ended(Stage.ISSUED, cancel="absent")


def closure(cashbacks: Iterable[Cashback], world: World) -> Cashbacks:
    """Return all that may have become of these by now."""
    return reachable(cashbacks, lambda one: steps(one, world))


def at_rest(cashbacks: Iterable[Cashback], world: World) -> Cashbacks:
    """Return what these become after a long time without any order."""
    everything = closure(cashbacks, world)
    return frozenset(one for one in everything if not one.marked and (one.parked or one.moving is None))


# Orders


def hear(cashbacks: Cashbacks, orders: tuple[Order, ...], world: World) -> dict[tuple[str, ...], Cashbacks]:
    """Return every answer that these orders, given at the same moment, may get, with the states that are possible then.

    Each is one statement on the row; in between money may move.
    """
    heard: dict[tuple[str, ...], set[Cashback]] = {}
    for places in permutations(range(len(orders))):
        said = {("",) * len(orders): closure(cashbacks, world)}
        for place in places:
            said = _said_next(said, place, orders[place], world)
        for answers, found in said.items():
            heard.setdefault(answers, set()).update(found)
    return {said: frozenset(found) for said, found in heard.items()}


def _said_next(
    before: dict[tuple[str, ...], Cashbacks], place: int, order: Order, world: World
) -> dict[tuple[str, ...], Cashbacks]:
    """Return the answers so far with that of one order more."""
    after: dict[tuple[str, ...], Cashbacks] = {}
    for answers, cashbacks in before.items():
        for word, there in (answer for one in cashbacks for answer in _answers(one, order, world)):
            said = (*answers[:place], word, *answers[place + 1 :])
            after[said] = after.get(said, frozenset()) | closure({there}, world)
    return after


def _answers(cashback: Cashback, order: Order, world: World) -> Iterator[tuple[str, Cashback]]:
    if order.issues:
        yield _issued(cashback, order)
        return
    match cashback.stage:
        case Stage.ISSUING if not cashback.asked:
            yield "now", replace(cashback, asked=True)
        case Stage.ISSUED if cashback.cancel != "refused":
            # The same movement, with another last moment (edge case 215).
            yield "now", replace(cashback, stage=Stage.CANCELLING, asked=True, cancel="")
        case _:
            # The row is read again: the casino may have refused what was asked for before (edge case 213).
            for later in closure({cashback}, world):
                yield "refused" if later.cancel == "refused" else "before", later


def _issued(cashback: Cashback, order: Order) -> tuple[str, Cashback]:
    """Edge case 200: an order is paid once."""
    if cashback.stage is Stage.NONE:
        return "opened", Cashback(Stage.ISSUING, order.player, order.amount)
    same = (cashback.player, cashback.amount) == (order.player, order.amount)
    return "repeated" if same else "refused", cashback


def decide(cashbacks: Cashbacks, world: World) -> dict[str, Cashbacks]:
    """Return what operators may do who have looked at the casino's books, and what is possible then.

    They mark a debit as what it is, and pay by hand only what the casino has not paid.
    """
    heard: dict[str, set[Cashback]] = {}
    for cashback in closure(cashbacks, world):
        for said, there in _decisions(cashback):
            heard.setdefault(said, set()).add(there)
    return {said: frozenset(found) for said, found in heard.items()}


def _decisions(cashback: Cashback) -> Iterator[tuple[str, Cashback]]:
    if not cashback.parked:
        yield "nothing is parked", cashback
        return
    for action in ("retry", "mark-paid", "mark-taken", "mark-not-taken"):
        # Its workflow may not have read yet that it is parked.
        yield f"{action} refused", cashback
    if cashback.marked:
        return
    yield "retry done", replace(cashback, parked=False)
    if cashback.stage is Stage.ISSUING:
        yield "mark-paid done", replace(cashback, marked="mark-paid", in_doubt=False)
    else:
        yield "mark-taken done", replace(cashback, marked="mark-taken")
        yield "mark-not-taken done", replace(cashback, marked="mark-not-taken", in_doubt=False)
