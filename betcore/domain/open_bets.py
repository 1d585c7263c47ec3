"""A bet, a reversal or a cashback that is open, and the workflow to start when none carries it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Generic, TypeVar

from betcore.domain.ids import cashback_workflow_id, resumed_reversal_workflow_id, resumed_workflow_id
from betcore.domain.messages import CashbackOrder, PayIn, Resumed, Reverse

BET, REVERSAL, CASHBACK = "bet", "reversal", "cashback"
# By kind of row: the type of its workflow, and the id of the one that takes it on in a later life.
_WORKFLOWS = {BET: "Bet", REVERSAL: "Reversal", CASHBACK: "Cashback"}
_WORKFLOW_IDS = {BET: resumed_workflow_id, REVERSAL: resumed_reversal_workflow_id, CASHBACK: cashback_workflow_id}

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class OpenBet:
    """A bet, a reversal or a cashback, and the workflow that should be carrying it while it is open."""

    kind: str
    bet_id: int
    owner: str | None
    lives: int
    workflow_id: str


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some of many rows, and the cursor behind them; ``upto`` is None if there are none left."""

    rows: Sequence[T]
    upto: int | None


@dataclass(frozen=True, slots=True)
class Played:
    """Where a bet was played, and when it is overdue."""

    provider: str
    game: str
    settle_by: datetime


@dataclass(frozen=True, slots=True)
class Resumption:
    """The workflow to start for an open row that no workflow carries, and what people see of it in Temporal.

    ``life`` 0 is the first workflow of a cashback. ``played`` is None for a cashback.
    """

    row: OpenBet
    life: int
    argument: PayIn | Reverse | CashbackOrder
    casino: str
    player_ref: str
    status: str
    played: Played | None

    @property
    def workflow(self) -> str:
        """Return the type of the workflow."""
        return _WORKFLOWS[self.row.kind]

    @property
    def workflow_id(self) -> str:
        """Return the id of the workflow."""
        return _WORKFLOW_IDS[self.row.kind](self.row.bet_id, self.life)

    def in_the_next_life(self) -> "Resumption":
        """Return the same resumption under the next number."""
        resumed = Resumed(bet_id=self.row.bet_id, owner=self.row.owner, life=self.life + 1)
        return replace(self, life=self.life + 1, argument=self.argument.model_copy(update={"resumed": resumed}))
