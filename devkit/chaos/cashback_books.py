"""Three books about the cashbacks of a run: operators' orders, our rows, and casinos' journals. They must agree.

The orders are the measure: each is one cashback of its player and amount, and stands as its commands were answered. Of
a cancel only the casino knows the end: taken back, or refused for good, and then an operator was informed.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from betcore.domain.money import Money, minor_units
from devkit.chaos.cashbacks import Order
from devkit.sandbox.provider.compare import CLAW_BACK, WIN, CasinoMovement, Difference, in_words

_NOT_CANCELLED = "cashback_not_cancelled"
_OURS = text("""
    SELECT cashback_id, casino.name AS casino, partner_user_id, key, amount, currency, state,
           closed_at IS NOT NULL AS at_rest,
           (SELECT array_agg(kind) FROM incident WHERE incident.bet_id = cashback_id) AS incidents
    FROM cashback JOIN casino USING (casino_id) JOIN player USING (player_id)
    WHERE CAST(:since AS timestamptz) IS NULL OR opened_at >= :since
    ORDER BY cashback_id""")


@dataclass(frozen=True, slots=True)
class OurCashback:
    """Our row of a cashback, in major units; ``incidents`` are the kinds of what operators were informed of."""

    cashback_id: int
    casino: str
    player: str
    key: str
    amount: Decimal
    state: str
    at_rest: bool = True
    incidents: Collection[str] = ()

    @property
    def end(self) -> str:
        """Return its end for the report."""
        if not self.at_rest:
            return "open"
        return "not cancelled" if self.state == "issued" and _NOT_CANCELLED in self.incidents else self.state

    @property
    def has_moved(self) -> Decimal:
        """Return what it has left the player."""
        return self.amount if self.state in ("issued", "cancelling") else Decimal(0)


# The movements of cashbacks by casino, as each casino's journal lists them.
Journals = Mapping[str, Sequence[CasinoMovement]]


async def read_cashbacks(engine: AsyncEngine, since: datetime | None) -> list[OurCashback]:
    """Return our rows of all cashbacks that were opened at ``since`` or later."""
    async with engine.connect() as connection:
        return [_ours(row) for row in await connection.execute(_OURS, {"since": since})]


def _ours(row: Any) -> OurCashback:
    amount = Decimal(str(Money(minor=minor_units(row.amount), currency=row.currency)))
    return OurCashback(
        row.cashback_id, row.casino, row.partner_user_id, row.key, amount, row.state, row.at_rest, row.incidents or ()
    )


def compare(orders: Iterable[Order], ours: Iterable[OurCashback], journals: Journals) -> list[Difference]:
    """Return everything on which the three books differ; an empty list if they agree.

    A row or an entry of a journal that no order explains is a difference too.
    """
    rows: dict[str, list[OurCashback]] = defaultdict(list)
    for row in ours:
        rows[row.key].append(row)
    entries: dict[tuple[str, int], list[CasinoMovement]] = defaultdict(list)
    for casino, journal in journals.items():
        for entry in journal:
            entries[casino, entry.casino_bet_id].append(entry)
    found = []
    for order in orders:
        mine = rows.pop(order.key, [])
        at_casino = [entries.pop((row.casino, row.cashback_id), []) for row in mine]
        found += [Difference(f"cashback:{order.request}", what) for what in _check(order, mine, at_casino)]
    found += [Difference(f"cashback:{row.cashback_id}", f"{row.key}: no order explains it") for row in _all(rows)]
    for (casino, number), left in entries.items():
        found.append(Difference(f"cashback:{number}", f"{casino} has {in_words(left)}, no order explains it"))
    return found


def _all(rows: Mapping[str, Sequence[OurCashback]]) -> Iterable[OurCashback]:
    return (row for those in rows.values() for row in those)


def _check(order: Order, rows: Sequence[OurCashback], at_casino: Sequence[Sequence[CasinoMovement]]) -> list[str]:
    if not order.ended:
        return ["unresolved: its operator has no answer"]
    if len(rows) != 1:
        return [*order.wrong, f"it is {len(rows)} cashbacks"]
    [row], [entries] = rows, at_casino
    found = (
        *order.wrong,
        _check_row(order, row),
        _check_end(order, row),
        _check_casino(row, entries),
    )
    return [what for what in found if what is not None]


def _check_row(order: Order, row: OurCashback) -> str | None:
    ordered = (order.cashback_id, order.casino, order.player, order.amount)
    stands = (row.cashback_id, row.casino, row.player, row.amount)
    return None if ordered == stands else f"ordered was {ordered}, our row says {stands}"


def _check_end(order: Order, row: OurCashback) -> str | None:
    """Return how the row contradicts what was ordered. A cancel that an operator was not informed of is not refused."""
    if not order.cancelled:
        return None if row.end == "issued" else f"its cancel was never asked for, and it is {row.end}"
    if row.end == "not cancelled" or (row.end == "cancelled" and not order.kept):
        return None
    answered = "the casino refuses" if order.kept else "it is asked for"
    return f"its cancel was answered with: {answered}, and it is {row.end}"


def _check_casino(row: OurCashback, entries: Sequence[CasinoMovement]) -> str | None:
    legs = [(WIN, row.amount), *([(CLAW_BACK, row.amount)] if row.state == "cancelled" else [])]
    if [(one.transaction_type, one.amount) for one in entries] == legs:
        return None
    return f"it is {row.end} with {row.amount}, the casino has {in_words(entries)}"


def ends(ours: Iterable[OurCashback]) -> dict[str, int]:
    """Return how many cashbacks have come to which end."""
    return dict(Counter(row.end for row in ours))
