"""Open rows, and what a workflow needs to take one over: the argument of the first one, read from the rows."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.common import TypedSearchAttributes

from betcore.db.engine import one_row
from betcore.db.row_mapping import NOT_READ, UnreadableRow, money_of
from betcore.domain.ids import (
    BetKey,
    current_bet_workflow_id,
    current_reversal_workflow_id,
    resumed_reversal_workflow_id,
    resumed_workflow_id,
)
from betcore.domain.messages import PayIn, Resumed, Reverse
from betcore.domain.money import Money
from betcore.domain.policy import BetPolicy
from betcore.domain.profiles import CasinoProfile, ProviderProfile
from betcore.temporal import visibility

BET, REVERSAL = "bet", "reversal"

# A tombstone has no owner and is never open. What was opened a moment ago is still being started.
_OPEN = {
    BET: """
SELECT bet.bet_id, bet.owner, bet.lives, counterparty_id, provider_bet_id
FROM bet JOIN provider USING (provider_id)
WHERE bet.closed_at IS NULL AND bet.bet_id > :after AND bet.opened_at < now() - interval '5 seconds'
ORDER BY bet.bet_id LIMIT :limit
""",
    REVERSAL: """
SELECT bet_id, reversal.owner, reversal.lives, counterparty_id, provider_bet_id
FROM reversal JOIN bet USING (bet_id) JOIN provider USING (provider_id)
WHERE reversal.closed_at IS NULL AND bet_id > :after
ORDER BY bet_id LIMIT :limit
""",
}

# Owed, and nothing has happened for a while: its workflow may not know, where it has lost the message that began it.
_QUIET = """
SELECT bet.bet_id, bet.owner, bet.lives, counterparty_id, provider_bet_id
FROM bet JOIN provider USING (provider_id)
WHERE bet.closed_at IS NULL AND bet.state IN ('settling', 'refunding')
  AND NOT EXISTS (SELECT FROM bet_event WHERE bet_event.bet_id = bet.bet_id AND at > now() - CAST(:quiet AS interval))
ORDER BY random() LIMIT :limit
"""

# The first life of a bet is found by its provider's words, a later one by the BetId.
_ENDED = """
WITH asked AS (
    SELECT bet_id FROM bet WHERE bet_id = ANY(CAST(:bet_ids AS bigint[]))
    UNION
    SELECT bet_id
    FROM unnest(CAST(:counterparties AS uuid[]), CAST(:provider_bet_ids AS text[])) AS key (counterparty, bet)
    JOIN provider ON counterparty_id = key.counterparty
    JOIN bet ON bet.provider_id = provider.provider_id AND provider_bet_id = key.bet
)
SELECT bet.bet_id, bet.owner, bet.lives, counterparty_id, provider_bet_id
FROM asked JOIN bet USING (bet_id) JOIN provider USING (provider_id)
WHERE bet.closed_at < now() - CAST(:quiet AS interval)
"""

_ALL = """
SELECT bet.*, counterparty_id, provider.name AS provider_name, provider.profile AS provider_profile,
       casino.name AS casino_name, casino.profile AS casino_profile, partner_user_id, player_ref, provider_game_id,
       (SELECT not_after FROM movement WHERE movement.bet_id = bet.bet_id AND transaction_type = :debit) AS not_after,
       now() AS now
FROM bet
JOIN provider USING (provider_id)
JOIN casino ON casino.casino_id = bet.casino_id
JOIN player ON player.player_id = bet.player_id
JOIN game ON game.game_id = bet.game_id
WHERE bet_id = :bet_id
"""


@dataclass(frozen=True, slots=True)
class OpenRow:
    """A bet or a reversal, and the workflow that should be carrying it while it is open."""

    kind: str
    bet_id: int
    owner: str | None
    lives: int
    workflow_id: str


@dataclass(frozen=True, slots=True)
class Resumption:
    """The workflow to start for a row that is left alone."""

    row: OpenRow
    life: int
    argument: PayIn | Reverse
    attributes: TypedSearchAttributes
    summary: str

    @property
    def workflow(self) -> str:
        """Its type."""
        return "Bet" if self.row.kind == BET else "Reversal"

    @property
    def workflow_id(self) -> str:
        """Its id."""
        return _resumed_id(self.row.kind, self.row.bet_id, self.life)

    def in_the_next_life(self) -> "Resumption":
        """The same under the next number."""
        resumed = Resumed(bet_id=self.row.bet_id, owner=self.row.owner, life=self.life + 1)
        return replace(self, life=self.life + 1, argument=self.argument.model_copy(update={"resumed": resumed}))


class OpenBets:
    """Who should be carrying what is open."""

    kinds = (BET, REVERSAL)

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def open_rows(self, kind: str, after: int, limit: int) -> Sequence[OpenRow]:
        """Open rows of a kind behind a BetId, by BetId."""
        async with self._engine.connect() as connection:
            rows = await connection.execute(text(_OPEN[kind]), {"after": after, "limit": limit})
            return [_open_row(kind, row) for row in rows]

    async def quiet(self, quiet: timedelta, limit: int) -> Sequence[OpenRow]:
        """Bets that owe money and of which nothing was heard for so long; a few of them, by chance."""
        async with self._engine.connect() as connection:
            rows = await connection.execute(text(_QUIET), {"quiet": quiet, "limit": limit})
            return [_open_row(BET, row) for row in rows]

    async def ended(self, bets: Sequence[BetKey | int], quiet: timedelta) -> Sequence[OpenRow]:
        """Which of these bets, known by their key or their BetId, have ended longer ago than ``quiet``."""
        keys = [one for one in bets if isinstance(one, BetKey)]
        given = {
            "bet_ids": [one for one in bets if isinstance(one, int)],
            "counterparties": [key.counterparty_id for key in keys],
            "provider_bet_ids": [key.provider_bet_id for key in keys],
            "quiet": quiet,
        }
        async with self._engine.connect() as connection:
            return [_open_row(BET, row) for row in await connection.execute(text(_ENDED), given)]

    async def resumption(self, row: OpenRow) -> Resumption | None:
        """What to start for a row; None where it has ended meanwhile.

        The bet follows its partners' profiles of now. The last moment of a debit is the one in its row. Raises
        UnreadableRow where this deployment cannot read the rows, because of a currency that it lacks for instance.
        """
        debit = -1 if row.kind == BET else -2
        found = await one_row(self._engine, _ALL, bet_id=row.bet_id, debit=debit)
        if row.kind == BET and found.closed_at is not None:
            return None
        try:
            return self._ordered(row, found)
        except NOT_READ as error:
            raise UnreadableRow(f"bet {row.bet_id}: {error}") from error

    @staticmethod
    def _ordered(row: OpenRow, found: Any) -> Resumption:
        resumed = Resumed(bet_id=row.bet_id, owner=row.owner, life=row.lives + 1)
        argument = _pay_in(found, resumed) if row.kind == BET else _reverse(found, resumed)
        attributes = visibility.at_start(
            casino=found.casino_name,
            provider=found.provider_name,
            player_ref=str(found.player_ref),
            game=found.provider_game_id,
            settle_by=found.opened_at + timedelta(seconds=found.provider_profile["settle_within"]),
            status="open" if row.kind == BET else "reversing",
        )
        if isinstance(argument, PayIn):
            return Resumption(
                row, row.lives + 1, argument, attributes, visibility.summary(argument, found.provider_game_id)
            )
        return Resumption(row, row.lives + 1, argument, attributes, visibility.reversal_summary(argument))


def _open_row(kind: str, row: Any) -> OpenRow:
    current_id = current_bet_workflow_id if kind == BET else current_reversal_workflow_id
    workflow_id = current_id(BetKey(str(row.counterparty_id), row.provider_bet_id), row.bet_id, row.lives)
    return OpenRow(kind, row.bet_id, row.owner, row.lives, workflow_id)


def _resumed_id(kind: str, bet_id: int, life: int) -> str:
    return resumed_workflow_id(bet_id, life) if kind == BET else resumed_reversal_workflow_id(bet_id, life)


def _policy(row: Any) -> BetPolicy:
    provider = ProviderProfile.model_validate(row.provider_profile)
    return BetPolicy.of(provider, CasinoProfile.model_validate(row.casino_profile))


def _stake(row: Any) -> Money:
    stake = money_of(row.stake, row.currency)
    if stake is None:
        raise ValueError(f"bet {row.bet_id} is a tombstone: there is nothing to resume")
    return stake


def _pay_in(row: Any, resumed: Resumed) -> PayIn:
    policy = _policy(row)
    return PayIn(
        provider_id=row.provider_id,
        counterparty_id=str(row.counterparty_id),
        provider_bet_id=row.provider_bet_id,
        session_id=row.session_id,
        casino_id=row.casino_id,
        player_id=row.player_id,
        partner_user_id=row.partner_user_id,
        game_id=row.game_id,
        round_id=row.round_id,
        stake=_stake(row),
        win=money_of(row.win, row.currency) if row.one_step else None,
        answer_by=row.not_after - policy.message_lifetime,
        settle_by=row.opened_at + timedelta(seconds=row.provider_profile["settle_within"]),
        policy=policy,
        resumed=resumed,
    )


def _reverse(row: Any, resumed: Resumed) -> Reverse:
    policy = _policy(row)
    return Reverse(
        bet_id=row.bet_id,
        counterparty_id=str(row.counterparty_id),
        provider_bet_id=row.provider_bet_id,
        casino_id=row.casino_id,
        partner_user_id=row.partner_user_id,
        stake=_stake(row),
        # A bet that ended refused has paid nothing out, whatever its PayInOut had asked for.
        win=money_of(row.win, row.currency) if row.state == "settled" else None,
        answer_by=(row.not_after - policy.message_lifetime) if row.not_after else row.now,
        policy=policy,
        resumed=resumed,
    )
