"""The rows of cashbacks."""

from collections.abc import Sequence
from datetime import UTC, datetime

from betcore.db.database import Database
from betcore.db.statements import cashbacks
from betcore.db.statements.cashbacks import OrderedRow
from betcore.domain.cashback import NewCashback, OpenedCashback, Opening


class Cashbacks:
    """The cashbacks of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def players(self, casino_id: int, partner_user_ids: Sequence[str]) -> dict[str, int]:
        """Return the players of a casino by its own ids; one that is unknown is left out."""
        given = {"casino_id": casino_id, "partner_user_ids": list(partner_user_ids)}
        rows = await self._database.all_rows(cashbacks.PLAYERS, **given)
        return {row.partner_user_id: row.player_id for row in rows}

    async def open(self, casino_id: int, orders: Sequence[NewCashback]) -> list[OpenedCashback]:
        """Open a casino's cashbacks in one statement, and return what became of each order.

        A key that stands already opens nothing, in this call or any other. A cashback that is opened is issued by the
        minute's start of cashbacks, unless its workflow is started before.
        """
        given = {"casino_id": casino_id, "callers_clock": datetime.now(UTC), **_columns(orders)}
        while True:
            rows = await self._database.all_rows(cashbacks.OPEN, **given)
            if all(row.standing is not None or not row.known for row in rows):
                break
            # What another transaction has done was not visible to this statement yet; it is to the next.
        opened: set[str] = set()
        found = []
        for order, row in zip(orders, rows, strict=True):
            found.append(_opened(order, row, again=order.key in opened))
            if row.known:
                opened.add(order.key)
        return found


def _columns(orders: Sequence[NewCashback]) -> dict[str, object]:
    return {
        "sources": [order.source for order in orders],
        "keys": [order.key for order in orders],
        "player_ids": [order.player_id for order in orders],
        "currencies": [order.amount.currency for order in orders],
        "amounts": [order.amount.minor for order in orders],
        "reasons": [order.reason for order in orders],
        "promo_codes": [order.promo_code for order in orders],
        "operators": [order.operator for order in orders],
        "rule_version_ids": [order.rule_version_id for order in orders],
        "periods_from": [order.period_from for order in orders],
        "periods_to": [order.period_to for order in orders],
    }


def _opened(order: NewCashback, row: OrderedRow, *, again: bool) -> OpenedCashback:
    """Return what became of an order; ``again`` if the same call has ordered its key before."""
    if not row.known:
        return OpenedCashback(Opening.UNKNOWN_PLAYER, None)
    if row.standing is None:
        raise LookupError(f"no cashback {order.key}")
    standing = row.standing
    if row.fresh and not again:
        return OpenedCashback(Opening.OPENED, standing.cashback_id)
    same = (standing.player_id, standing.currency, int(standing.amount)) == (
        order.player_id,
        order.amount.currency,
        order.amount.minor,
    )
    return OpenedCashback(Opening.REPEATED if same else Opening.DIFFERS, standing.cashback_id)
