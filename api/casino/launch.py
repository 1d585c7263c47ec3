"""Server-to-server launch: a casino's server asks for a game, for a frame of its own, a tab, a redirect or an app."""

import re
from dataclasses import dataclass
from datetime import UTC
from decimal import Decimal
from functools import partial

from fastapi import Request
from starlette.responses import Response

from api import body_fields
from api.body_fields import MODES, VIEW_TYPES, WHOLE, Fields
from api.casino.responses import SUCCESS, render
from api.launcher import Launcher
from api.strict_json import JsonNumber
from api.token_launcher import PlayerToken, TokenLauncher
from betcore.domain.casino_values import LARGEST_ID
from betcore.domain.currencies import decimals
from betcore.domain.errors import Malformed, PlayRefused
from betcore.domain.launch import LaunchRequest, Mode, ViewType
from betcore.domain.money import Money
from betcore.domain.partners import Casino

_GAME_ID = re.compile(r"[1-9][0-9]{0,15}")
_CURRENCY = re.compile(r"[A-Z][A-Z0-9]{2,11}")
_URL = re.compile(r"https://[^\s/?#@\\]+([/?#][^\s\\]*)?|http://(localhost|127\.0\.0\.1)(:[0-9]+)?([/?#][^\s\\]*)?")
_MAX_URL = 2048
# Who has the answer plays as the player.
_NOT_KEPT = {"Cache-Control": "no-store"}


@dataclass(frozen=True, slots=True)
class LaunchBody:
    """The body of a launch: either ``refresh_token``, or ``partner_user_id`` with ``currency``. Limits are as sent."""

    refresh_token: str | None
    partner_user_id: str | None
    currency: str | None
    language: str
    view_type: ViewType
    mode: Mode
    tag_id: int
    brand: str | None
    min_bet: str | None
    max_bet: str | None
    return_url: str | None
    deposit_url: str | None


class CasinoLaunch:
    """Answers ``POST games/{GameId}/launch``."""

    def __init__(self, launcher: Launcher, by_token: TokenLauncher) -> None:
        self._launcher = launcher
        self._by_token = by_token

    async def answer(self, casino: Casino, request: Request, body: bytes) -> Response:
        """Launch a game, and return its page and session. Raises Malformed, and PlayRefused.

        The casino is asked for whose token it is, and is believed when it names the player.
        """
        game_id = _game_id(request.path_params["GameId"])
        asked = read(body)
        request_for = partial(_request, casino, game_id, asked, request.headers.get("host", ""))
        next_token = None
        if asked.refresh_token is None:
            launched = await self._launcher.launch(request_for(str(asked.partner_user_id), str(asked.currency)))
        else:
            token = PlayerToken(casino, asked.refresh_token, asked.tag_id)
            launched, next_token = await self._by_token.launch(token, game_id, request_for)
        expires_at = launched.expires_at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        value = {"SessionId": launched.session_id, "FrameUri": launched.frame_uri, "ExpiresAt": expires_at}
        if next_token is not None:
            value["RefreshToken"] = next_token
        return render(SUCCESS, "Success", value, headers=_NOT_KEPT)


def _request(
    casino: Casino, game_id: int, asked: LaunchBody, own_host: str, partner_user_id: str, currency: str
) -> LaunchRequest:
    return LaunchRequest(
        casino=casino,
        partner_user_id=partner_user_id,
        game_id=game_id,
        currency=currency,
        language=asked.language,
        own_host=own_host,
        mode=asked.mode,
        view_type=asked.view_type,
        tag_id=asked.tag_id,
        brand=asked.brand,
        min_bet=_limit("MinBet", asked.min_bet, currency),
        max_bet=_limit("MaxBet", asked.max_bet, currency),
        return_url=asked.return_url,
        deposit_url=asked.deposit_url,
    )


def read(body: bytes) -> LaunchBody:
    """Return the body of a launch. A field that is null is not there. Raises Malformed."""
    fields = body_fields.read_fields(body)
    token, player = body_fields.refresh_token(fields, "RefreshToken"), _player(fields)
    currency = body_fields.matching(fields, "CurrencyCode", _CURRENCY, "a currency such as EUR")
    if (token is None) == (player is None) or (player is None) != (currency is None):
        raise Malformed("who plays is RefreshToken alone, or PartnerUserId and CurrencyCode")
    language = body_fields.language(fields, "Language")
    if language is None:
        raise Malformed("Language is missing")
    return LaunchBody(
        refresh_token=token,
        partner_user_id=player,
        currency=currency,
        language=language,
        view_type=body_fields.one_of(fields, "ViewType", VIEW_TYPES),
        mode=body_fields.one_of(fields, "Mode", MODES),
        tag_id=body_fields.integer(fields, "TagId", 0, default=0),
        brand=body_fields.identity(fields, "Brand"),
        min_bet=_amount(fields, "MinBet"),
        max_bet=_amount(fields, "MaxBet"),
        return_url=_url(fields, "ReturnUrl"),
        deposit_url=_url(fields, "DepositUrl"),
    )


def _game_id(given: str) -> int:
    if not _GAME_ID.fullmatch(given) or int(given) > LARGEST_ID:
        raise Malformed("GameId is the number of a game in the list of games")
    return int(given)


def _player(fields: Fields) -> str | None:
    found = fields.get("PartnerUserId")
    # A casino whose ids are numbers sends them as numbers.
    if isinstance(found, JsonNumber) and WHOLE.fullmatch(found):
        return str(found)
    return body_fields.identity(fields, "PartnerUserId")


def _url(fields: Fields, name: str) -> str | None:
    return body_fields.matching(fields, name, _URL, "an https address", _MAX_URL)


def _amount(fields: Fields, name: str) -> str | None:
    found = fields.get(name)
    if found is not None and not isinstance(found, str):
        raise Malformed(f"{name} is an amount")
    return found


def _limit(name: str, given: str | None, currency: str) -> Decimal | None:
    """Return a limit of the session. Raises Malformed for what is no amount of the currency, and PlayRefused."""
    if given is None:
        return None
    try:
        decimals(currency)
    except Malformed as error:
        raise PlayRefused(str(error), code="currency_unsupported") from None
    try:
        return Decimal(str(Money.parse(given, currency)))
    except Malformed as error:
        raise Malformed(f"{name}: {error}") from None
