"""A bet or a reversal that is open, and the workflow to start when none carries it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Generic, TypeVar

from betcore.domain.ids import resumed_reversal_workflow_id, resumed_workflow_id
from betcore.domain.messages import PayIn, Resumed, Reverse

BET, REVERSAL = "bet", "reversal"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class OpenBet:
    """A bet or a reversal, and the workflow that should be carrying it while it is open."""

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
class Resumption:
    """The workflow to start for an open row that no workflow carries, and what people see of it in Temporal."""

    row: OpenBet
    life: int
    argument: PayIn | Reverse
    casino: str
    provider: str
    player_ref: str
    game: str
    settle_by: datetime

    @property
    def workflow(self) -> str:
        """Return the type of the workflow."""
        return "Bet" if self.row.kind == BET else "Reversal"

    @property
    def workflow_id(self) -> str:
        """Return the id of the workflow."""
        resumed_id = resumed_workflow_id if self.row.kind == BET else resumed_reversal_workflow_id
        return resumed_id(self.row.bet_id, self.life)

    def in_the_next_life(self) -> "Resumption":
        """Return the same resumption under the next number."""
        resumed = Resumed(bet_id=self.row.bet_id, owner=self.row.owner, life=self.life + 1)
        return replace(self, life=self.life + 1, argument=self.argument.model_copy(update={"resumed": resumed}))
