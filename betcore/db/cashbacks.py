"""The rows of cashbacks."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from betcore.db.database import Database
from betcore.db.statements import cashbacks
from betcore.db.statements.cashbacks import ListedRow, OrderedRow
from betcore.domain.cashback import NewCashback, OpenedCashback, Opening
from betcore.domain.errors import NotFound, PreconditionFailed

# A second operator who comes later sees another player: the first one has to look again too.
PROPOSED_FOR = timedelta(hours=1)


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

    async def agreed(self, casino_id: int, order: NewCashback) -> NewCashback | datetime:
        """Return an operator's order for which two are needed, with both names and reasons if this is the second one.

        Else it is proposed: return until when the second operator may order the same. An order that has opened a
        cashback comes back as it is. Raise PreconditionFailed(operation_refused) if the same operator asks again.
        """
        row = await self._database.one_row(
            cashbacks.PROPOSE,
            casino_id=casino_id,
            key=order.key,
            player_id=order.player_id,
            currency=order.amount.currency,
            amount=order.amount.minor,
            reason=order.reason,
            operator=order.operator,
            proposed_for=PROPOSED_FOR,
        )
        if row is None:
            raise LookupError(f"nothing has become of the order {order.key}")
        if row.verdict == "asked_before":
            message = f"{order.operator} has asked for this already: another operator has to ask for the same"
            raise PreconditionFailed(message, code="operation_refused")
        if row.verdict == "proposed" and row.until is not None:
            return row.until
        if row.verdict == "opened":
            return order
        return replace(order, operator=f"{row.first}, {order.operator}", reason=f"{row.first_reason}; {order.reason}")

    async def casino(self, name: str) -> int:
        """Return a casino's number. Raise NotFound."""
        row = await self._database.one_row(cashbacks.CASINO, casino=name)
        if row is None:
            raise NotFound(f"there is no casino {name!r}")
        return row.casino_id

    async def shown(self, cashback_id: int) -> ListedRow:
        """Return a cashback as people read it. Raise NotFound."""
        row = await self._database.one_row(cashbacks.SHOWN, bet_id=cashback_id)
        if row is None:
            raise NotFound(f"there is no cashback {cashback_id}")
        return row

    async def listed(
        self, casino_id: int, player_id: int | None, *, only_open: bool, before: int | None, limit: int
    ) -> list[ListedRow]:
        """Return at most ``limit`` of a casino's cashbacks before a CashbackId, the newest first.

        Of one player, if that is given; or ``only_open`` ones, whose money is to move.
        """
        given = {"casino_id": casino_id, "before": before, "limit": limit}
        if player_id is not None:
            return await self._database.all_rows(cashbacks.OF_PLAYER, **given, player_id=player_id)
        statement = cashbacks.OPEN_OF_CASINO if only_open else cashbacks.OF_CASINO
        return await self._database.all_rows(statement, **given)

    async def cancel(self, cashback_id: int, operator: str, reason: str) -> bool:
        """Ask for a cashback's cancel; return whether that was new.

        It is not if the cancel was asked for already, or has ended; unless it has ended because the casino certainly
        never took it.
        """
        given = {"bet_id": cashback_id, "operator": operator, "reason": reason}
        return await self._database.one_row(cashbacks.CANCEL, **given) is not None


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
