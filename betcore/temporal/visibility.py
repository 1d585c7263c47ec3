"""Bets and cashbacks in the Temporal UI: search attributes, summary and timeline. They hold no personal data."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes

from betcore.domain.cashback import CashbackRecord
from betcore.domain.casino_values import short
from betcore.domain.messages import CashbackOrder, PayIn, Reverse
from betcore.domain.money import Money
from betcore.domain.open_bets import Resumption
from betcore.domain.records import Record

CASINO = SearchAttributeKey.for_keyword("Casino")
PROVIDER = SearchAttributeKey.for_keyword("Provider")
PLAYER = SearchAttributeKey.for_keyword("Player")
GAME = SearchAttributeKey.for_keyword("Game")
BET_STATUS = SearchAttributeKey.for_keyword("BetStatus")
NEEDS_ATTENTION = SearchAttributeKey.for_bool("NeedsAttention")
SETTLE_BY = SearchAttributeKey.for_datetime("SettleBy")

# What comes next, by what holds a workflow up.
_NEXT = {
    "unknown": "it is sent again until its last moment, and then looked for at the casino. Nothing is to be done.",
    "owed": "it is sent again, with growing gaps, until the casino has made it. `ops retry` sends it now.",
    "parked": "operators decide. `ops show` has the reason, `ops retry` tries it again, `ops mark-...` ends it.",
    "overdue": "it waits for its PayOut. `ops settle` or `ops void` ends it.",
}

# Characters that format text inside a line of Markdown. A colon before slashes, a dot after www and an at sign turn
# plain text into links.
_ACTIVE = re.compile(r"[\\`*_\[\]<>~|&@#]|:(?=//)|(?<=www)\.", re.IGNORECASE)


def summary(pay_in: PayIn, game: str) -> str:
    """Return a bet's line in the list of workflows."""
    win = f", win {pay_in.win}" if pay_in.win else ""
    return f"stake {_amount(pay_in.stake)}{win} · {plain(game)} · {plain(pay_in.round_id)}"


def reversal_summary(reverse: Reverse) -> str:
    """Return a reversal's line in the list of workflows."""
    return f"back: stake {_amount(reverse.stake)}" + (f", win {reverse.win}" if reverse.win else "")


def head_of_bet(pay_in: PayIn) -> str:
    """Return the first line of a bet's timeline."""
    win = f" · win {pay_in.win}" if pay_in.win else ""
    return f"**Bet {plain(pay_in.provider_bet_id)}** · {_amount(pay_in.stake)}{win} · round {plain(pay_in.round_id)}"


def head_of_reversal(reverse: Reverse) -> str:
    """Return the first line of a reversal's timeline."""
    return f"**Reversal of bet {plain(reverse.provider_bet_id)}** · {reversal_summary(reverse)}"


def cashback_summary(order: CashbackOrder) -> str:
    """Return a cashback's line in the list of workflows."""
    return f"cashback {_amount(order.amount)}"


def head_of_cashback(order: CashbackOrder) -> str:
    """Return the first line of a cashback's timeline."""
    return f"**Cashback** · {_amount(order.amount)}"


def plain(text: str) -> str:
    """Return text of a casino, a provider or an operator for Markdown: shown unchanged, never a link or a picture."""
    return _ACTIVE.sub(r"\\\g<0>", short(text))


def _amount(amount: Money) -> str:
    return f"{amount.currency} {amount}"


def at_start(
    *, casino: str, provider: str, player_ref: str, game: str, settle_by: datetime, status: str = "open"
) -> TypedSearchAttributes:
    """Return the search attributes that a bet or a reversal starts with: at the start they cost no event."""
    return TypedSearchAttributes(
        [
            *_of_movements(casino, player_ref, status),
            SearchAttributePair(PROVIDER, provider),
            SearchAttributePair(GAME, game),
            SearchAttributePair(SETTLE_BY, settle_by),
        ]
    )


def _of_movements(casino: str, player_ref: str, status: str) -> list[SearchAttributePair[Any]]:
    """Return the search attributes that every workflow has which moves money."""
    return [
        SearchAttributePair(CASINO, casino),
        SearchAttributePair(PLAYER, player_ref),
        SearchAttributePair(BET_STATUS, status),
        SearchAttributePair(NEEDS_ATTENTION, False),
    ]


def of_resumption(resumption: Resumption) -> TypedSearchAttributes:
    """Return the search attributes of a workflow that takes an open row on or over."""
    played = resumption.played
    if played is None:
        return TypedSearchAttributes(_of_movements(resumption.casino, resumption.player_ref, resumption.status))
    return at_start(
        casino=resumption.casino,
        provider=played.provider,
        player_ref=resumption.player_ref,
        game=played.game,
        settle_by=played.settle_by,
        status=resumption.status,
    )


def summary_of_resumption(resumption: Resumption) -> str:
    """Return the line of a workflow that takes an open row on or over, for the list of workflows."""
    match resumption.argument:
        case PayIn() as pay_in:
            return summary(pay_in, resumption.played.game if resumption.played else "")
        case Reverse() as reverse:
            return reversal_summary(reverse)
        case order:
            return cashback_summary(order)


def of_reversal(bet: TypedSearchAttributes) -> TypedSearchAttributes:
    """Return the search attributes that a reversal starts with, from those of its bet."""
    return bet.updated(SearchAttributePair(BET_STATUS, "reversing"), SearchAttributePair(NEEDS_ATTENTION, False))


class Timeline:
    """The timeline of a bet, a reversal or a cashback as Markdown, for the details of its workflow.

    It keeps the newest lines; the table of events has all.
    """

    # A bet that owes money for months would grow its history with its timeline.
    _LINES = 100

    def __init__(self, head: str) -> None:
        self._head = head
        self._lines: list[str] = []
        self._trouble = self._next = ""

    def needs(self, status: str, since: datetime) -> None:
        """Show on top what holds the workflow up, since when, and what comes next, until ``goes_on``."""
        self._trouble = f" · **{status}** since {since:%Y-%m-%d %H:%M:%S} UTC"
        self._next = _NEXT.get(status, "")

    @property
    def lines(self) -> tuple[str, ...]:
        """Return the lines."""
        return tuple(self._lines)

    def resume(self, lines: Sequence[str]) -> None:
        """Take over the lines of an earlier run."""
        self._lines = list(lines)

    def goes_on(self) -> None:
        """Show that nothing holds the workflow up any more."""
        self._trouble = self._next = ""

    def add(self, at: datetime, what: str) -> None:
        """Add a line."""
        moment = f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03d}"
        self._lines = [*self._lines[-self._LINES :], f"- `{moment}` {plain(what)}"]

    def text(self, record: Record | None) -> str:
        """Return the whole text, with the state of the bet or the cashback on top."""
        state = "not opened yet"
        if isinstance(record, CashbackRecord):
            state = f"CashbackId {record.cashback_id} · **{record.state}**"
        elif record:
            reason = f" ({record.refusal})" if record.refusal else ""
            reversal = f" · reversal **{record.reversal.state}**" if record.reversal else ""
            state = f"BetId {record.bet_id} · **{record.state}**{reason}{reversal}"
        what_next = [f"Next: {self._next}", ""] if self._next else []
        return "\n".join([f"{self._head} · {state}{self._trouble}", "", *what_next, *self._lines])
