"""From rows to messages and back."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from betcore.domain.bet import BetRecord, BetState, ReversalRecord, ReversalState
from betcore.domain.errors import BetcoreError, Code
from betcore.domain.money import Money, minor_units


def money_of(value: Decimal | None, currency: str) -> Money | None:
    """A numeric(38,0) column as Money."""
    return None if value is None else Money(minor=minor_units(value), currency=currency)


# What reading a row can raise: a currency, a state or a profile that this deployment does not know.
NOT_READ = (BetcoreError, ValueError, LookupError, TypeError)


class UnreadableRow(Exception):
    """The rows of one bet cannot be read by this deployment; all others can."""


def amount_text(value: Decimal | None, currency: str) -> str | None:
    """A numeric(38,0) column as people read it: minor units, and said so, where the currency is not known here."""
    try:
        return None if value is None else str(money_of(value, currency))
    except NOT_READ:
        return f"{value} minor units"


# The columns of a reversal beside those of its bet, for ``record_of``; the table goes by the name of reversal.
REVERSAL_COLUMNS = """
       reversal.reversal_id AS r_reversal_id, reversal.owner AS r_owner, reversal.state AS r_state,
       reversal.lives AS r_lives, reversal.closed_at AS r_closed_at, reversal.closed_balance AS r_closed_balance
"""


def record_of(row: Any) -> BetRecord:
    """A row that has all columns of ``bet``, and may have those of its reversal."""
    return BetRecord(
        bet_id=row.bet_id,
        owner=row.owner,
        casino_id=row.casino_id,
        player_id=row.player_id,
        game_id=row.game_id,
        round_id=row.round_id,
        currency=row.currency,
        stake=money_of(row.stake, row.currency),
        win=money_of(row.win, row.currency),
        state=BetState(row.state),
        refusal=Code(row.refusal) if row.refusal else None,
        told_at=row.told_at,
        withdrawn_at=row.withdrawn_at,
        accepted_at=row.accepted_at,
        closed_at=row.closed_at,
        accepted_balance=money_of(row.accepted_balance, row.currency),
        closed_balance=money_of(row.closed_balance, row.currency),
        one_step=row.one_step,
        lives=row.lives,
        reversed_by=row.reversed_by,
        reversal=_reversal_of(row),
    )


def _reversal_of(row: Any) -> ReversalRecord | None:
    if getattr(row, "r_reversal_id", None) is None:
        return None
    return ReversalRecord(
        reversal_id=row.r_reversal_id,
        owner=row.r_owner,
        state=ReversalState(row.r_state),
        lives=row.r_lives,
        closed_at=row.r_closed_at,
        closed_balance=money_of(row.r_closed_balance, row.currency),
    )


def as_json(data: Mapping[str, object]) -> str:
    """An event's data, as a jsonb column takes it; what is None is left out."""
    return json.dumps({name: _storable(value) for name, value in data.items() if value is not None}, default=str)


def _storable(value: object) -> object:
    """Text that PostgreSQL refuses (NUL, half a character) would undo the statement that it is a note in."""
    match value:
        case str():
            return value.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")
        case Mapping():
            return {name: _storable(inner) for name, inner in value.items()}
        case _:
            return value
