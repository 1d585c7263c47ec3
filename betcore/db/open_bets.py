"""Open rows, and what a workflow needs to take one over: the argument of the first workflow, read from the rows."""

from collections.abc import Sequence
from datetime import timedelta

from betcore.db.database import Database
from betcore.db.open_cashbacks import OpenCashbacks
from betcore.db.row_mapping import NOT_READ, BetRow, UnreadableRow, money_of
from betcore.db.statements import open_bets
from betcore.db.statements.open_bets import OpenBetRow, ResumptionRow
from betcore.domain.currencies import decimals
from betcore.domain.ids import BetKey, current_bet_workflow_id, current_reversal_workflow_id
from betcore.domain.jackpots import Jackpot
from betcore.domain.messages import PayIn, Resumed, Reverse
from betcore.domain.money import Money
from betcore.domain.open_bets import BET, CASHBACK, REVERSAL, OpenBet, Page, Played, Resumption
from betcore.domain.policy import BetPolicy
from betcore.domain.profiles import CasinoProfile, ProviderProfile

_OPEN = {BET: open_bets.OPEN_BETS, REVERSAL: open_bets.OPEN_REVERSALS}


class OpenBets:
    """The open bets, reversals and cashbacks of one database, and the workflows that should be carrying them."""

    kinds = (BET, REVERSAL, CASHBACK)

    def __init__(self, database: Database) -> None:
        self._database = database
        self._cashbacks = OpenCashbacks(database)

    async def open_rows(self, kind: str, after: int, limit: int) -> Sequence[OpenBet]:
        """Return at most ``limit`` open rows of a kind behind a BetId, by BetId.

        A cashback that no workflow has taken on yet is left out: it waits for its turn.
        """
        if kind == CASHBACK:
            return await self._cashbacks.carried(after, limit)
        return [_open_row(kind, row) for row in await self._database.all_rows(_OPEN[kind], after=after, limit=limit)]

    async def quiet(self, quiet: timedelta, after: int, limit: int) -> Page[OpenBet]:
        """Return those of the next ``limit`` open bets behind a BetId that owe money and have had no event for
        ``quiet``."""
        given = {"quiet": quiet, "after": after, "limit": limit}
        rows = await self._database.all_rows(open_bets.QUIET, **given)
        return Page([_open_row(BET, row.bet) for row in rows if row.bet is not None], rows[0].upto)

    async def cursor(self, part: str) -> int:
        """Return where a part of the sweep goes on; 0 if it begins a round."""
        row = await self._database.one_row(open_bets.CURSOR, part=part)
        return 0 if row is None else row.after

    async def set_cursor(self, part: str, after: int) -> None:
        """Record how far a part of the sweep has come."""
        await self._database.execute(open_bets.SET_CURSOR, part=part, after=after)

    async def ended(self, bets: Sequence[BetKey | int], quiet: timedelta) -> Sequence[OpenBet]:
        """Return those of these bets, given by key or BetId, that have ended longer ago than ``quiet``."""
        keys = [one for one in bets if isinstance(one, BetKey)]
        given = {
            "bet_ids": [one for one in bets if isinstance(one, int)],
            "counterparties": [key.counterparty_id for key in keys],
            "provider_bet_ids": [key.provider_bet_id for key in keys],
            "quiet": quiet,
        }
        return [_open_row(BET, row) for row in await self._database.all_rows(open_bets.ENDED, **given)]

    async def resumption(self, row: OpenBet) -> Resumption | None:
        """Return the workflow to start for a row, or None if the bet or cashback has ended meanwhile.

        The bet follows its partners' profiles as they are now. The last moment of a debit is the one in its row. Raise
        UnreadableRow if this deployment cannot read the rows, for instance because it lacks the currency.
        """
        if row.kind == CASHBACK:
            return await self._cashbacks.resumption(row)
        debit = -1 if row.kind == BET else -2
        [found] = await self._database.all_rows(open_bets.RESUMPTION, bet_id=row.bet_id, debit=debit)
        if row.kind == BET and found.bet.closed_at is not None:
            return None
        try:
            return self._ordered(row, found)
        except NOT_READ as error:
            raise UnreadableRow(f"bet {row.bet_id}: {error}") from error

    @staticmethod
    def _ordered(row: OpenBet, found: ResumptionRow) -> Resumption:
        # An unknown currency raises here, while it concerns one bet, not when an amount is printed.
        decimals(found.bet.currency)
        resumed = Resumed(bet_id=row.bet_id, owner=row.owner, life=row.lives + 1)
        argument = _pay_in(found, resumed) if row.kind == BET else _reverse(found, resumed)
        return Resumption(
            row=row,
            life=row.lives + 1,
            argument=argument,
            casino=found.casino_name,
            player_ref=str(found.player_ref),
            status="open" if row.kind == BET else "reversing",
            played=Played(
                provider=found.provider_name,
                game=found.provider_game_id,
                settle_by=found.bet.opened_at + timedelta(seconds=found.provider_profile["settle_within"]),
            ),
        )


def _open_row(kind: str, row: OpenBetRow) -> OpenBet:
    current_id = current_bet_workflow_id if kind == BET else current_reversal_workflow_id
    workflow_id = current_id(BetKey(str(row.counterparty_id), row.provider_bet_id), row.bet_id, row.lives)
    return OpenBet(kind, row.bet_id, row.owner, row.lives, workflow_id)


def _policy(row: ResumptionRow) -> BetPolicy:
    provider = ProviderProfile.model_validate(row.provider_profile)
    return BetPolicy.of(provider, CasinoProfile.model_validate(row.casino_profile))


def _stake(bet: BetRow) -> Money:
    stake = money_of(bet.stake, bet.currency)
    if stake is None:
        raise ValueError(f"bet {bet.bet_id} is a tombstone: there is nothing to resume")
    return stake


def _pay_in(row: ResumptionRow, resumed: Resumed) -> PayIn:
    policy = _policy(row)
    if row.not_after is None:
        raise ValueError(f"bet {row.bet.bet_id} has no debit: there is nothing to resume")
    return PayIn(
        provider_id=row.bet.provider_id,
        counterparty_id=str(row.counterparty_id),
        provider_bet_id=row.bet.provider_bet_id,
        session_id=row.bet.session_id,
        casino_id=row.bet.casino_id,
        player_id=row.bet.player_id,
        partner_user_id=row.partner_user_id,
        game_id=row.bet.game_id,
        round_id=row.bet.round_id,
        stake=_stake(row.bet),
        win=money_of(row.bet.win, row.bet.currency) if row.bet.one_step else None,
        answer_by=row.not_after - policy.message_lifetime,
        settle_by=row.bet.opened_at + timedelta(seconds=row.provider_profile["settle_within"]),
        policy=policy,
        resumed=resumed,
        tax=money_of(row.bet.win_tax if row.bet.one_step else row.bet.stake_tax, row.bet.currency),
        promo_code=row.bet.promo_code,
        jackpot=_jackpot(row.bet) if row.bet.one_step else None,
    )


def _jackpot(bet: BetRow) -> Jackpot | None:
    """Return what a bet asks to win beside its win."""
    if bet.jackpot_id is not None:
        return Jackpot(jackpot_id=bet.jackpot_id)
    return Jackpot(amount=money_of(bet.jackpot, bet.currency)) if bet.jackpot is not None else None


def _reverse(row: ResumptionRow, resumed: Resumed) -> Reverse:
    policy = _policy(row)
    return Reverse(
        bet_id=row.bet.bet_id,
        counterparty_id=str(row.counterparty_id),
        provider_bet_id=row.bet.provider_bet_id,
        casino_id=row.bet.casino_id,
        partner_user_id=row.partner_user_id,
        stake=_stake(row.bet),
        # A bet that ended refused has paid nothing out, whatever its PayInOut had asked for.
        win=money_of(row.bet.win, row.bet.currency) if row.bet.state == "settled" else None,
        answer_by=(row.not_after - policy.message_lifetime) if row.not_after else row.now,
        policy=policy,
        resumed=resumed,
    )
