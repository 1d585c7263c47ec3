"""The rows whose money a workflow moves: a bet, or a cashback."""

from typing import TypeVar

from betcore.domain.bet import BetRecord
from betcore.domain.cashback import CashbackRecord

Record = BetRecord | CashbackRecord
R = TypeVar("R", bound=Record)
R_co = TypeVar("R_co", bound=Record, covariant=True)


def noun(record: Record | None) -> str:
    """Return what people call the record; a bet if there is none yet."""
    return "cashback" if isinstance(record, CashbackRecord) else "bet"
