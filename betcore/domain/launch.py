"""The launch of a game: what is asked of its provider, and within which limits. Pure."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from typing import Literal, NamedTuple, TypeAlias

from betcore.domain.currencies import decimals
from betcore.domain.errors import Malformed, PlayRefused
from betcore.domain.partners import Casino
from betcore.domain.profiles import CasinoProfile, ProviderProfile

Mode = Literal["real", "demo"]
ViewType = Literal["desktop", "mobile"]
LANGUAGE_TAG = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,3}")
# A number of a launch is a decimal: it is written digit by digit, and never is a float.
Value: TypeAlias = str | Decimal | Sequence[Decimal]
# Fifteen digits before the point and eighteen after it are more than the default context keeps.
_EXACT = Context(prec=40)


@dataclass(frozen=True, slots=True)
class LaunchRequest:
    """A player who wants a game.

    ``partner_user_id`` is the casino's id of the player, None for a visitor, who can play a demo alone. ``game_id`` is
    our number of the game. ``min_bet`` and ``max_bet`` are limits of this session alone. ``own_host`` is the host by
    which the caller has reached this service.
    """

    casino: Casino
    partner_user_id: str | None
    game_id: int
    currency: str
    language: str
    own_host: str
    mode: Mode = "real"
    view_type: ViewType | None = None
    tag_id: int = 0
    brand: str | None = None
    min_bet: Decimal | None = None
    max_bet: Decimal | None = None
    return_url: str | None = None
    deposit_url: str | None = None


@dataclass(frozen=True, slots=True)
class Launched:
    """A game that runs: the page to show, in the session that its bets come in."""

    session_id: str
    frame_uri: str
    expires_at: datetime
    game_id: int
    game_name: str
    mode: Mode
    currency: str


class Limits(NamedTuple):
    """The least and the greatest stake that a game, or a casino, takes in one currency."""

    least: Decimal | None = None
    greatest: Decimal | None = None


@dataclass(frozen=True, slots=True)
class LaunchedGame:
    """A game that is to be launched, with its own limits and those of the casino by currency.

    ``offered`` is whether neither its provider nor an operator has withdrawn it, ``provider_enabled`` whether its
    provider is neither disabled nor suspended. ``limited`` is whether it has limits, in any currency.
    """

    game_id: int
    provider_game_id: str
    name: str
    max_odd: Decimal | None
    offered: bool
    provider_enabled: bool
    limited: bool
    own_limits: Mapping[str, Limits]
    casino_limits: Mapping[str, Limits]

    def played_in(self, currency: str) -> bool:
        """Return whether the game is played in the currency."""
        return currency in self.own_limits or not self.limited

    def limits_in(self, currency: str) -> tuple[Limits, Limits]:
        """Return the limits of the game and of the casino in a currency."""
        return self.own_limits.get(currency, Limits()), self.casino_limits.get(currency, Limits())


class StakeRange(NamedTuple):
    """The least and the greatest stake of a session, in major units, with no more decimals than its currency has."""

    least: Decimal
    greatest: Decimal

    def __contains__(self, amount: object) -> bool:
        """Return whether a stake is in the range."""
        return isinstance(amount, Decimal) and self.least <= amount <= self.greatest


class WinRange(NamedTuple):
    """What a win may be without people, in major units and as a multiple of its stake; None is no limit."""

    greatest: Decimal | None = None
    odd: Decimal | None = None

    @classmethod
    def of(cls, casino: CasinoProfile, currency: str, own: "WinRange | None" = None) -> "WinRange":
        """Return the limits of a new session: of those of its casino's profile and its ``own`` the strictest."""
        greatest, odd = own or cls()
        given = casino.win_review
        return cls(_least(given.max_win.get(currency), greatest), _least(given.max_odd, odd))


@dataclass(frozen=True, slots=True)
class LaunchingSession:
    """A session that is to be opened; ``greatest`` is the greatest stake that it sets itself, ``wins`` its limits."""

    session_id: str
    request: LaunchRequest
    provider_id: int
    greatest: Decimal | None
    wins: WinRange
    lifetime: timedelta


def check_game(game: LaunchedGame) -> None:
    """Raise PlayRefused if no player can have the game now."""
    if not game.offered:
        raise PlayRefused("the game is not offered", code="game_unavailable")
    if not game.provider_enabled:
        raise PlayRefused("the provider is switched off", code="provider_unavailable")


def check(request: LaunchRequest, game: LaunchedGame) -> None:
    """Raise PlayRefused if the game cannot be launched as it is asked for."""
    if request.partner_user_id is None and request.mode == "real":
        raise PlayRefused("a visitor plays demos alone", code="token_invalid")
    if request.casino.disabled:
        raise PlayRefused("the casino is disabled", code="casino_disabled")
    check_game(game)
    if not game.played_in(request.currency):
        raise PlayRefused(f"the game is not played in {request.currency}", code="currency_unsupported")


def greatest_of_session(request: LaunchRequest, game: LaunchedGame, profile: ProviderProfile) -> Decimal | None:
    """Return the session's own limit: that of the request, or the profile's if nothing else sets one.

    The provider must be given one, and what it was given also holds for its stakes.
    """
    if request.max_bet is not None or any(one.greatest is not None for one in game.limits_in(request.currency)):
        return request.max_bet
    named = profile.launch.max_bet.get(request.currency)
    return _smallest(request.currency) * profile.launch.max_bet_units if named is None else named


def stake_range(request: LaunchRequest, game: LaunchedGame, own_greatest: Decimal | None) -> StakeRange:
    """Return the strictest limits of game, casino and session. Raise PlayRefused(limits_empty) if no stake fits."""
    unit, limits = _smallest(request.currency), game.limits_in(request.currency)
    least = max(one for one in (unit, request.min_bet, *(one.least for one in limits)) if one is not None)
    greatest = min(one for one in (own_greatest, *(one.greatest for one in limits)) if one is not None)
    # A limit may have more decimals than the currency: the stakes that it lets through have not.
    found = StakeRange(least.quantize(unit, ROUND_CEILING, _EXACT), greatest.quantize(unit, ROUND_FLOOR, _EXACT))
    if found.least > found.greatest:
        raise PlayRefused(f"no stake is from {found.least:f} to {found.greatest:f}", code="limits_empty")
    return found


def message(
    request: LaunchRequest,
    session_id: str,
    user_id: str,
    game: LaunchedGame,
    profile: ProviderProfile,
    stakes: StakeRange,
    wins: WinRange,
) -> dict[str, Value]:
    """Return what the provider is sent; ``user_id`` is our reference of the player, in a demo it is the session."""
    optional = dict(_optional(request, game, profile, stakes, wins))
    return {
        "userId": session_id if request.mode == "demo" else user_id,
        "sessionId": session_id,
        "currency": request.currency,
        "language": request.language,
        "minBet": stakes.least,
        "maxBet": stakes.greatest,
        "gameMode": request.mode,
        **{name: value for name, value in optional.items() if value is not None and value != []},
    }


def _optional(
    request: LaunchRequest, game: LaunchedGame, profile: ProviderProfile, stakes: StakeRange, wins: WinRange
) -> Iterator[tuple[str, Value | None]]:
    yield "viewType", request.view_type
    yield "maxOdd", _least(game.max_odd, wins.odd)
    yield "maxWin", _least(profile.launch.max_win.get(request.currency), wins.greatest)
    yield "gameMargin", profile.launch.game_margin
    yield "buttonAmounts", [one for one in profile.launch.button_amounts.get(request.currency, ()) if one in stakes]
    if profile.launch.urls:
        yield "returnUrl", request.return_url
        yield "depositUrl", request.deposit_url


def _least(*limits: Decimal | None) -> Decimal | None:
    return min((one for one in limits if one is not None), default=None)


def _smallest(currency: str) -> Decimal:
    """Return the smallest unit of a currency. Raise PlayRefused(currency_unsupported) if it is not known here."""
    try:
        return Decimal(1).scaleb(-decimals(currency))
    except Malformed as error:
        raise PlayRefused(str(error), code="currency_unsupported") from None
