"""Which fault meets which call: the plan that ``POST /_faults`` gives a casino.

What a fault of each kind does is in ``fault_kinds``, and for faults of an Accept in ``outbox``.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from devkit.sandbox.casino.call_log import Call
from devkit.sandbox.casino.rewrites import dirty_texts, other_types
from devkit.sandbox.casino.wire import ACCEPT_PATHS, LIST_PATH


class FaultKind(StrEnum):
    """The kinds of fault, as ``POST /_faults`` spells them."""

    DELAY = "delay"
    ERROR = "error"
    ERROR_CODE = "error_code"
    STATUS = "status"
    LOST = "lost"
    CUT = "cut"
    GARBAGE = "garbage"
    WRONG_BET = "wrong_bet"
    WRONG_TYPE = "wrong_type"
    MISSING = "missing"
    DUPLICATE = "duplicate"
    REFUSE_AFTER_COMMIT = "refuse_after_commit"
    HOLD = "hold"
    HOLD_AFTER = "hold_after"
    DROP = "drop"
    ANSWER = "answer"
    REWRITE = "rewrite"
    OTHER_TYPES = "other_types"
    DIRTY_TEXTS = "dirty_texts"
    ITEM_MISSING = "item_missing"
    ITEM_DOUBLED = "item_doubled"
    ITEM_FOREIGN = "item_foreign"
    ITEMS_REVERSED = "items_reversed"
    LAST_ITEM_MISSING = "last_item_missing"
    ORDER_BROKEN = "order_broken"
    REPEAT = "repeat"
    CONTRADICT = "contradict"
    EARLY = "early"


# The kinds that an Accept can meet, those that only a list can meet, and those that only an Accept can meet.
OF_ACCEPT = {
    *(FaultKind.DELAY, FaultKind.DROP, FaultKind.HOLD, FaultKind.ERROR_CODE, FaultKind.REWRITE),
    *(FaultKind.REPEAT, FaultKind.CONTRADICT, FaultKind.EARLY, FaultKind.OTHER_TYPES, FaultKind.DIRTY_TEXTS),
}
OF_LIST_ALONE = {
    *(FaultKind.ITEM_MISSING, FaultKind.ITEM_DOUBLED, FaultKind.ITEM_FOREIGN, FaultKind.ITEMS_REVERSED),
    *(FaultKind.LAST_ITEM_MISSING, FaultKind.ORDER_BROKEN),
}
OF_ACCEPT_ALONE = {FaultKind.REPEAT, FaultKind.CONTRADICT, FaultKind.EARLY}


class Fault(BaseModel):
    """One fault and the calls that it is for: those that agree with every one of the fields that are given; a list
    agrees if one of its movements does.

    ``times`` is for how many calls, ``probability`` from 0 to 1 for which part of them, ``delay`` in seconds.
    ``commit`` lets ``error``, ``error_code``, ``status`` and ``answer`` take the movement before they answer. ``body``
    is what ``answer`` sends. ``rewrite`` puts ``fields`` into the Value of the answer, each item of a list, or
    the Accept, and takes out those named in ``without``. A fault meets an Accept only if it names that path.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: FaultKind
    path: str | None = None
    transaction_type: int | None = None
    bet_id: int | None = None
    partner_user_id: str | None = None
    times: int | None = Field(None, ge=1)
    probability: float = Field(1, ge=0, le=1)
    delay: float = Field(1, ge=0, le=600)
    commit: bool = False
    status: int = Field(500, ge=200, le=599)
    error_code: int = 103802
    body: str = ""
    fields: dict[str, Any] = {}
    without: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _fits_its_path(self) -> Self:
        if self.path in ACCEPT_PATHS and self.kind not in OF_ACCEPT:
            raise ValueError(f"{self.kind}: nothing that can befall {self.path}")
        if self.path not in ACCEPT_PATHS and self.kind in OF_ACCEPT_ALONE:
            raise ValueError(f"{self.kind}: for the path {' or '.join(ACCEPT_PATHS)} alone")
        if self.path != LIST_PATH and self.kind in OF_LIST_ALONE:
            raise ValueError(f"{self.kind}: for the path {LIST_PATH} alone")
        return self

    def rewritten(self, fields: dict[str, object]) -> dict[str, object]:
        """Return the fields of an answer or an Accept as the fault leaves them."""
        match self.kind:
            case FaultKind.OTHER_TYPES:
                return other_types(fields)
            case FaultKind.DIRTY_TEXTS:
                return dirty_texts(fields)
        return {name: value for name, value in (fields | self.fields).items() if name not in self.without}

    def is_for(self, call: Call) -> bool:
        """Return whether the fault applies to this call."""
        if call.path in ACCEPT_PATHS and call.path != self.path:
            return False
        return self.path in (None, call.path) and any(self._is_about(one) for one in call.movements)

    def _is_about(self, movement: Call) -> bool:
        wanted = (
            (self.transaction_type, movement.transaction_type),
            (self.bet_id, movement.bet_id),
            (self.partner_user_id, movement.partner_user_id),
        )
        return all(given is None or given == found for given, found in wanted)


@dataclass
class _Armed:
    fault: Fault
    dice: random.Random
    fired: int = 0

    def fires(self, call: Call) -> bool:
        if not self.fault.is_for(call) or self.fired == self.fault.times:
            return False
        if self.dice.random() >= self.fault.probability:
            return False
        self.fired += 1
        return True


@dataclass
class Plan:
    """The faults of one casino. The same seed and the same sequence of calls give the same faults again."""

    seed: int = 0
    faults: Sequence[Fault] = ()
    _armed: list[_Armed] = field(init=False)

    def __post_init__(self) -> None:
        # Each fault has a random source of its own, so that adding one does not change when the others fire.
        self._armed = [_Armed(fault, random.Random(f"{self.seed}:{place}")) for place, fault in enumerate(self.faults)]

    def pick(self, call: Call) -> Fault | None:
        """Return the first fault that fires for this call, and count it."""
        return next((armed.fault for armed in self._armed if armed.fires(call)), None)

    def lasting(self) -> list[Fault]:
        """Return the faults that survive a restart. A counted one is forgotten, since it could fire again."""
        return [fault for fault in self.faults if fault.times is None]

    def show(self) -> list[dict[str, Any]]:
        """Return each fault as it was given, with how often it has ``fired``."""
        return [
            armed.fault.model_dump(mode="json", exclude_unset=True) | {"fired": armed.fired} for armed in self._armed
        ]
