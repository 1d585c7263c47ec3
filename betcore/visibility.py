"""What people see of a bet in the Temporal UI: search attributes, summary and timeline. No personal data."""

from datetime import datetime

from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes

from betcore.messages import BetRecord, PayIn

CASINO = SearchAttributeKey.for_keyword("Casino")
PROVIDER = SearchAttributeKey.for_keyword("Provider")
PLAYER = SearchAttributeKey.for_keyword("Player")
GAME = SearchAttributeKey.for_keyword("Game")
BET_STATUS = SearchAttributeKey.for_keyword("BetStatus")
NEEDS_ATTENTION = SearchAttributeKey.for_bool("NeedsAttention")
SETTLE_BY = SearchAttributeKey.for_datetime("SettleBy")


def summary(pay_in: PayIn, game: str) -> str:
    """One line for the list of workflows."""
    return f"stake {pay_in.stake.currency} {pay_in.stake} · {game} · {pay_in.round_id}"


def at_start(*, casino: str, provider: str, player_ref: str, game: str, settle_by: datetime) -> TypedSearchAttributes:
    """The search attributes that a bet starts with, which cost no event."""
    return TypedSearchAttributes(
        [
            SearchAttributePair(CASINO, casino),
            SearchAttributePair(PROVIDER, provider),
            SearchAttributePair(PLAYER, player_ref),
            SearchAttributePair(GAME, game),
            SearchAttributePair(BET_STATUS, "open"),
            SearchAttributePair(NEEDS_ATTENTION, False),
            SearchAttributePair(SETTLE_BY, settle_by),
        ]
    )


class Timeline:
    """A bet's story as Markdown, for the details of its workflow. The full one stands in the table of events."""

    # A bet that is owed for months must not grow its history with its story.
    _LINES = 100

    def __init__(self, pay_in: PayIn) -> None:
        self._head = (
            f"**Bet {pay_in.provider_bet_id}** · {pay_in.stake.currency} {pay_in.stake} · round {pay_in.round_id}"
        )
        self._lines: list[str] = []

    def add(self, at: datetime, what: str, record: BetRecord | None) -> str:
        """One more line; the whole text with the bet's state on top."""
        self._lines = [*self._lines[-self._LINES :], f"- `{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03d}` {what}"]
        state = "not opened yet"
        if record:
            reason = f" ({record.refusal})" if record.refusal else ""
            state = f"BetId {record.bet_id} · **{record.state}**{reason}"
        return "\n".join([f"{self._head} · {state}", "", *self._lines])
