"""Wins that cannot be right: the limits beyond which a win waits for two people, and a win that waits."""

from decimal import Decimal
from enum import StrEnum

from betcore.domain.currencies import decimals
from betcore.domain.jackpots import Jackpot
from betcore.domain.message_base import Message
from betcore.domain.money import Money
from betcore.domain.profiles import ProviderProfile


class WinLimits(Message):
    """What a win of one provider in one currency may be without people; None is no limit.

    ``max_win`` is for a win with its jackpot, ``max_odd`` for a win as a multiple of its stake. ``per_hour`` is what
    the provider's wins may come to in an hour. ``game_max_odd`` says that the ``max_odd`` of the bet's game holds too.
    """

    max_win: Money | None = None
    max_odd: Decimal | None = None
    per_hour: Money | None = None
    game_max_odd: bool = False

    @classmethod
    def of(cls, profile: ProviderProfile, currency: str) -> "WinLimits | None":
        """Return the limits of a provider's wins in a currency, None if there is none."""
        given, launched = profile.win_review, profile.launch.max_win if profile.win_review.as_launched else {}
        wins = [limit for limit in (given.max_win.get(currency), launched.get(currency)) if limit is not None]
        hourly = given.per_hour.get(currency)
        limits = cls(
            max_win=_money(min(wins), currency) if wins else None,
            max_odd=given.max_odd,
            per_hour=None if hourly is None else _money(hourly, currency),
            game_max_odd=given.as_launched,
        )
        return None if limits == cls() else limits

    @classmethod
    def of_session(cls, max_win: Decimal | None, max_odd: Decimal | None, currency: str) -> "WinLimits | None":
        """Return the limits of one session's wins, the amount in major units; None if there is none."""
        if max_win is None and max_odd is None:
            return None
        return cls(max_win=None if max_win is None else _money(max_win, currency), max_odd=max_odd)

    def with_those(self, other: "WinLimits | None") -> "WinLimits":
        """Return these limits and others of the same currency: of each kind the strictest."""
        if other is None:
            return self
        wins = [one.max_win for one in (self, other) if one.max_win is not None]
        odds = [one.max_odd for one in (self, other) if one.max_odd is not None]
        strictest = {
            "max_win": min(wins, key=lambda win: win.minor, default=None),
            "max_odd": min(odds, default=None),
            "per_hour": self.per_hour or other.per_hour,
            "game_max_odd": self.game_max_odd or other.game_max_odd,
        }
        return self.model_copy(update=strictest)


def _money(amount: Decimal, currency: str) -> Money:
    """Return an amount of a profile, without what is below the minor unit."""
    return Money(minor=int(amount.scaleb(decimals(currency))), currency=currency)


class ReviewState(StrEnum):
    """Whether a win waits for two operators, or what they have decided."""

    IN_REVIEW = "in_review"
    RELEASED = "released"
    REFUSED = "refused"


class Review(Message):
    """A win that waits, or has waited, for two operators: what a PayOut or PayInOut asks to pay."""

    state: ReviewState
    win: Money
    jackpot: Jackpot | None = None
    tax: Money | None = None

    @property
    def binds(self) -> bool:
        """Return whether the bet can have no other outcome than this win, or what operators decide of it."""
        return self.state is not ReviewState.REFUSED

    def refuses(self, win: Money | None, jackpot: Jackpot | None) -> bool:
        """Return whether operators have refused to pay just this."""
        return self.state is ReviewState.REFUSED and (self.win, self.jackpot) == (win, jackpot)

    def holds(self, win: Money | None, jackpot: Jackpot | None) -> bool:
        """Return whether just this waits for operators."""
        return self.state is ReviewState.IN_REVIEW and (self.win, self.jackpot) == (win, jackpot)

    def __str__(self) -> str:
        beside = f" with the jackpot {self.jackpot}" if self.jackpot else ""
        return f"{self.win.currency} {self.win}{beside}: {self.state}"


def asked_as_json(win: Money, jackpot: Jackpot | None) -> dict[str, int | None]:
    """Return what a call asks to pay as the row keeps and compares it, in minor units."""
    jackpot = jackpot or Jackpot()
    return {
        "win": win.minor,
        "jackpot": None if jackpot.amount is None else jackpot.amount.minor,
        "jackpot_id": jackpot.jackpot_id,
    }
