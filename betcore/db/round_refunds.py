"""The open bets of cancelled rounds."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from betcore.db.database import Database
from betcore.db.statements import round_refunds
from betcore.domain.bet import BetState
from betcore.domain.profiles import ProviderProfile


class RefundableRound(NamedTuple):
    """A cancelled round whose open bets are to be refunded, and what its provider's profile lets a Refund do."""

    provider_id: int
    round_id: str
    counterparty_id: str
    after_pay_out: Literal["refuse", "reverse"]


class RoundBet(NamedTuple):
    """An open bet of a round, and what names its workflow."""

    bet_id: int
    lives: int
    provider_bet_id: str
    player_id: int
    state: BetState
    one_step: bool

    def takes_refund(self, found: RefundableRound) -> bool:
        """Return whether a Refund changes what becomes of it: not if its stake goes back already, or if its win is
        being paid and would stay."""
        if self.state is BetState.SETTLING:
            return self.one_step or found.after_pay_out == "reverse"
        return self.state is not BetState.REFUNDING


class RoundBets:
    """The bets of rounds in one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def round(self, game_type: int, round_id: str) -> RefundableRound | None:
        """Return a round whose refunds are owed, None if they are not, or no longer."""
        row = await self._database.one_row(round_refunds.ROUND, game_type=game_type, round_id=round_id)
        if row is None:
            return None
        profile = ProviderProfile.model_validate(row.provider_profile)
        return RefundableRound(row.provider_id, round_id, row.counterparty_id, profile.refund_after_pay_out)

    async def open_bets(self, found: RefundableRound, after: int, limit: int) -> Sequence[RoundBet]:
        """Return at most ``limit`` open bets of a round behind a BetId, by BetId."""
        rows = await self._database.all_rows(
            round_refunds.OPEN_BETS,
            provider_id=found.provider_id,
            round_id=found.round_id,
            after=after,
            limit=limit,
        )
        return [
            RoundBet(row.bet_id, row.lives, row.provider_bet_id, row.player_id, BetState(row.state), row.one_step)
            for row in rows
        ]

    async def refunded(self, game_type: int, round_id: str) -> None:
        """Record that the refunds of a round are done."""
        await self._database.execute(round_refunds.REFUNDED, game_type=game_type, round_id=round_id)
