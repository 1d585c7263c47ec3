"""The rules of the machine about cashbacks: operators who issue and cancel them, and end what is parked.

Each of a few cashbacks is one order of an operator's, with a name, which is sent again and contradicted.
"""

from decimal import Decimal
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from tests.model import cashbacks
from tests.model.book import OF_CASHBACKS
from tests.model.cashbacks import CANCEL, ISSUE, Cashbacks, Order
from tests.model.play import PLAYERS, Step
from tests.model.script import Script, once

_ISSUES = {"c1": Order("c1", "anna", "5.00"), "c2": Order("c2", "boris", "7.50")}
CASHBACK_MAKE, CASHBACK_ACCEPTS = OF_CASHBACKS
# How often operators look after what is parked at the end: some of it is parked again.
_ROUNDS = 4

_names = st.sampled_from(sorted(_ISSUES))
_twists = st.sampled_from(["", "", "", "amount", "player"])
_times = st.sampled_from([1, 2, None])
# What the casino does with an issue, and a cancel that it refuses.
_MAKES: list[dict[str, Any]] = [
    *({"kind": kind} for kind in ("lost", "cut", "garbage", "wrong_bet", "wrong_type", "missing", "drop", "error")),
    {"kind": "error", "commit": True},
    {"kind": "delay", "delay": 0.5},
    *({"kind": "error_code", "error_code": code} for code in (103805, 103806, 102823)),
    {"kind": "error_code", "error_code": 103802, "transaction_type": CANCEL},
]
_ACCEPTS: list[dict[str, Any]] = [
    *({"kind": kind} for kind in ("drop", "repeat", "early", "contradict")),
    {"kind": "delay", "delay": 1.5},
    *({"kind": "error_code", "error_code": code} for code in (103805, 102823)),
]


class OrderRules(Script):
    """Two cashbacks of two players."""

    def __init__(self) -> None:
        super().__init__()
        self._cashbacks: dict[str, Cashbacks] = {}

    def _cashback(self, name: str) -> Cashbacks:
        return self._cashbacks.get(name, cashbacks.UNSEEN)

    def _break(self, faults: list[dict[str, Any]]) -> None:
        raise NotImplementedError

    def _settle(self) -> None:
        super()._settle()
        world = self._world.of_cashbacks()
        self._cashbacks = {name: cashbacks.closure(these, world) for name, these in self._cashbacks.items()}

    def _order(self, *orders: Order) -> None:
        """Give these orders at once; all are of one cashback."""
        name = orders[0].cashback
        allowed = cashbacks.hear(self._cashback(name), orders, self._world.of_cashbacks())
        step: Step = {"do": "orders", "orders": [_words(order) for order in orders]}
        step["allowed"] = sorted(map(list, allowed))
        heard = tuple(self._do(step))
        for order, said in zip(orders, heard, strict=True):
            self.trials.answers[f"{'issue' if order.issues else 'cancel'} {said}"] += 1
        if heard not in allowed:
            self._disagree(f"{name}: heard {heard}, allowed {sorted(allowed)}")
        self._cashbacks[name] = allowed[heard]

    def _issue(self, name: str, twist: str = "") -> None:
        self._order(_issue(name, twist))

    def _is_ordered(self, name: str) -> bool:
        return name in self._cashbacks

    # Rules

    @rule(name=_names, twist=_twists)
    def issue(self, name: str, twist: str) -> None:
        """Issue a cashback, for the first time or again."""
        self._issue(name, twist)

    @rule(name=_names)
    def cancel(self, name: str) -> None:
        """Cancel a cashback that was ordered."""
        if self._is_ordered(name):
            self._order(Order(name))

    @rule(name=_names, cancels=st.booleans(), twist=_twists)
    def orders_at_once(self, name: str, cancels: bool, twist: str) -> None:
        """Send an order twice at the same moment, or another one of its name, or its cancel."""
        second = Order(name) if cancels else _issue(name, twist)
        if not cancels or self._is_ordered(name):
            self._order(second if cancels and twist else _issue(name), second)

    @rule(name=_names, pick=st.integers(0, 99), times=_times)
    def order_in_trouble(self, name: str, pick: int, times: int | None) -> None:
        """Issue a cashback, or cancel it, at a casino that fails just then."""
        accepts = self._world.accepts and pick % 2
        faults, path = (_ACCEPTS, CASHBACK_ACCEPTS) if accepts else (_MAKES, CASHBACK_MAKE)
        about = {"path": path, "transaction_type": ISSUE} | ({} if times is None else {"times": times})
        fault = about | faults[pick // 2 % len(faults)]
        self._break([fault])
        self._order(Order(name) if fault["transaction_type"] == CANCEL and self._is_ordered(name) else _issue(name))

    @precondition(lambda self: any(one.parked for these in self._cashbacks.values() for one in these))
    @rule(again=st.booleans())
    def decide(self, again: bool) -> None:
        """Let operators end what is parked, or have it sent again."""
        for name in sorted(self._cashbacks):
            if any(one.parked for one in self._cashbacks[name]):
                self._decide(name, again)

    def _decide(self, name: str, again: bool) -> str:
        allowed = cashbacks.decide(self._cashback(name), self._world.of_cashbacks())
        heard: str = self._do({"do": "decide", "cashback": name, "again": again, "allowed": sorted(allowed)})
        if heard not in allowed:
            self._disagree(f"{name}: operators hear {heard!r}, allowed {sorted(allowed)}")
        self._cashbacks[name] = allowed[heard]
        return heard

    # A scene

    def _cancel_in_doubt(self, name: str, kind: str) -> None:
        """Let a cancel stay without an answer until its last moment has passed; then operators look at the books."""
        self._issue(name)
        self._break([{"path": CASHBACK_MAKE, "transaction_type": CANCEL, "kind": kind}])
        self._order(Order(name))
        self._do({"do": "wait", "seconds": 6, "parked": name})
        self._decide(name, again=False)

    # Rest

    def _cashback_views(self) -> dict[str, list[dict[str, Any]]]:
        ends = {name: cashbacks.at_rest(these, self._world.of_cashbacks()) for name, these in self._cashbacks.items()}
        return {name: once(view for one in these for view in one.views()) for name, these in ends.items()}

    def _cashbacks_rest(self, seen: dict[str, Any]) -> None:
        """Check what rows and journal show of cashbacks, and keep what may be so."""
        for name, view in seen.items():
            ends = cashbacks.at_rest(self._cashbacks[name], self._world.of_cashbacks())
            self._cashbacks[name] = frozenset(one for one in ends if view in one.views())
            if not self._cashbacks[name]:
                self._disagree(f"{name}: at rest it is {view}, allowed {once(v for one in ends for v in one.views())}")

    def _moved_by_cashbacks(self, player: str, views: dict[str, Any]) -> Decimal:
        mine = [name for name in views if any(one.player == player for one in self._cashbacks[name])]
        moved = [movement for name in mine for movement in views[name]["journal"]]
        return sum((Decimal(amount) * (-1 if kind < 0 else 1) for kind, amount in moved), Decimal(0))

    def rest(self) -> None:
        """Let all come to rest."""
        raise NotImplementedError

    def _end_cashbacks(self) -> None:
        """End what is parked, and cancel again what was not taken: in the end each cashback is issued or cancelled."""
        now: dict[str, Any] = {}
        for _ in range(_ROUNDS):
            self.rest()
            now = {name: next(iter(these)) for name, these in self._cashbacks.items()}
            parked = [name for name, one in now.items() if one.parked]
            absent = [name for name, one in now.items() if one.cancel == "absent"]
            if not parked and not absent:
                break
            for name in parked:
                self._decide(name, again=False)
            for name in absent:
                self._order(Order(name))
        else:
            self._disagree(f"cashbacks do not come to an end: {now}")
        for name in sorted(self._cashbacks):
            self._issue(name)


def _issue(name: str, twist: str = "") -> Order:
    order = _ISSUES[name]
    player = next(one for one in PLAYERS if one != order.player) if twist == "player" else order.player
    return Order(name, player, "6.00" if twist == "amount" else order.amount)


def _words(order: Order) -> Step:
    """Return an order as the script has it."""
    if not order.issues:
        return {"order": "cancel", "cashback": order.cashback}
    return {"order": "issue", "cashback": order.cashback, "player": order.player, "amount": order.amount}
