"""Cashbacks whose money is to move, and what a workflow needs to take one on: its argument, read from the rows."""

from collections.abc import Sequence

from betcore.db.database import Database
from betcore.db.row_mapping import NOT_READ, UnreadableRow, cashback_of
from betcore.db.statements import open_cashbacks
from betcore.db.statements.open_cashbacks import OpenCashbackRow, OrderRow
from betcore.domain.currencies import decimals
from betcore.domain.ids import cashback_workflow_id
from betcore.domain.messages import CashbackOrder, Resumed
from betcore.domain.open_bets import CASHBACK, OpenBet, Resumption
from betcore.domain.policy import MovementPolicy
from betcore.domain.profiles import CasinoProfile


class OpenCashbacks:
    """The open cashbacks of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def carried(self, after: int, limit: int) -> Sequence[OpenBet]:
        """Return at most ``limit`` open cashbacks behind a CashbackId that a workflow has taken on, by CashbackId."""
        rows = await self._database.all_rows(open_cashbacks.CARRIED, after=after, limit=limit)
        return [_open_row(row) for row in rows]

    async def rooms(self, most_carried: int) -> dict[int, int]:
        """Return how many workflows to start within a second, by casino with cashbacks that wait for one.

        A casino takes its credits at its own pace, and has at most ``most_carried`` of them under way.
        """
        rows = await self._database.all_rows(open_cashbacks.WAITING_CASINOS)
        return {
            row.casino_id: min(most_carried - row.carried, CasinoProfile.model_validate(row.profile).owed_per_second)
            for row in rows
        }

    async def waiting(self, casino_id: int, after: int, limit: int) -> Sequence[OpenBet]:
        """Return at most ``limit`` of a casino's cashbacks behind a CashbackId that wait for a workflow, by
        CashbackId."""
        given = {"casino_id": casino_id, "after": after, "limit": limit}
        return [_open_row(row) for row in await self._database.all_rows(open_cashbacks.WAITING, **given)]

    async def open_row(self, cashback_id: int) -> OpenBet | None:
        """Return a cashback whose money is to move, or None if it is at rest."""
        row = await self._database.one_row(open_cashbacks.OPEN_ROW, bet_id=cashback_id)
        return None if row is None else _open_row(row)

    async def resumption(self, row: OpenBet) -> Resumption | None:
        """Return the workflow to start for a row, or None if the cashback is at rest meanwhile.

        It follows its casino's profile as it is now. Raise UnreadableRow if this deployment cannot read the rows.
        """
        found = await self._database.one_row(open_cashbacks.ORDER, bet_id=row.bet_id)
        if found is None:
            return None
        try:
            return _ordered(row, found)
        except NOT_READ as error:
            raise UnreadableRow(f"cashback {row.bet_id}: {error}") from error


def _open_row(row: OpenCashbackRow) -> OpenBet:
    workflow_id = cashback_workflow_id(row.cashback_id, row.lives)
    return OpenBet(CASHBACK, row.cashback_id, row.owner, row.lives, workflow_id)


def _ordered(row: OpenBet, found: OrderRow) -> Resumption:
    # An unknown currency raises here, while it concerns one cashback, not when an amount is printed.
    decimals(found.cashback.currency)
    cashback, profile = cashback_of(found.cashback), CasinoProfile.model_validate(found.casino_profile)
    is_first = row.owner is None and row.lives == 0 and cashback.issued_at is None
    life = 0 if is_first else row.lives + 1
    return Resumption(
        row=row,
        life=life,
        argument=CashbackOrder(
            cashback_id=cashback.cashback_id,
            casino_id=cashback.casino_id,
            partner_user_id=found.partner_user_id,
            amount=cashback.amount,
            policy=MovementPolicy.of_casino(profile),
            listed=profile.cashback_info,
            resumed=None if is_first else Resumed(bet_id=cashback.cashback_id, owner=row.owner, life=life),
        ),
        casino=found.casino_name,
        player_ref=str(found.player_ref),
        status=cashback.state,
        played=None,
    )
