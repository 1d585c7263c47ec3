"""From rows to messages and back."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from betcore.errors import Code
from betcore.messages import BetRecord, BetState
from betcore.money import Money, minor_units


def money_of(value: Decimal | None, currency: str) -> Money | None:
    """A numeric(38,0) column as Money."""
    return None if value is None else Money(minor=minor_units(value), currency=currency)


def record_of(row: Any) -> BetRecord:
    """A row that has all columns of ``bet``."""
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
    )


def as_json(data: Mapping[str, object]) -> str:
    """An event's data; what is None is left out."""
    return json.dumps({name: value for name, value in data.items() if value is not None}, default=str)
