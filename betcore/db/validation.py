"""Checks of what operators enter when they set up partners and their catalogue."""

import re
from decimal import Decimal
from urllib.parse import urlsplit

from betcore.domain.currencies import decimals
from betcore.domain.errors import InvalidInput, Malformed
from betcore.domain.money import AMOUNT, Money

_ADDRESS = re.compile(r"https?://[^\s/?#@\\]+(/[^\s?#\\]*)?")
# No currency has more; see the crypto currencies of the settings.
_MOST_DECIMALS = 18


def name(what: str, given: str, most: int = 128) -> str:
    """Return the name: 1 to ``most`` printable characters, no blank around. Raise InvalidInput(invalid_name)."""
    if not (1 <= len(given) <= most and given.isprintable() and given == given.strip()):
        message = f"{what}: 1 to {most} printable characters without blanks around them"
        raise InvalidInput(message, code="invalid_name")
    return given


def address(what: str, given: str) -> str:
    """Return an http or https address without a slash at its end. Raise InvalidInput(invalid_address)."""
    try:
        # Reading the port is what checks it.
        usable = _ADDRESS.fullmatch(given) and urlsplit(given).hostname and urlsplit(given).port != 0
    except ValueError:
        usable = False
    if not usable:
        message = f"{what}: want http[s]://host[:port][/path], without user, query and fragment"
        raise InvalidInput(message, code="invalid_address")
    return given.rstrip("/")


def limits(min_bet: str | None, max_bet: str | None) -> tuple[Decimal | None, Decimal | None]:
    """Return a game's least and greatest stake in major units, None without a limit.

    Raise InvalidInput(invalid_limits) for what is no plain decimal, and for a least above the greatest.
    """
    least, greatest = _limit("min-bet", min_bet), _limit("max-bet", max_bet)
    if least is not None and greatest is not None and least > greatest:
        raise InvalidInput(f"min-bet {min_bet} is above max-bet {max_bet}", code="invalid_limits")
    return least, greatest


def _limit(what: str, given: str | None) -> Decimal | None:
    if given is None:
        return None
    found = AMOUNT.fullmatch(given)
    if found is None or len(found[2] or "") > _MOST_DECIMALS:
        message = f"{what}: digits with an optional fraction, such as 0.10; not {given!r}"
        raise InvalidInput(message, code="invalid_limits")
    return Decimal(given)


def currency(code: str, *game_limits: Decimal | None) -> str:
    """Return a known currency in which all of a game's limits can be paid.

    Raise InvalidInput: ``unknown_currency``, or ``invalid_limits`` if a limit has too many decimals for it.
    """
    try:
        decimals(code)
    except Malformed as error:
        raise InvalidInput(str(error), code="unknown_currency") from None
    for limit in filter(None, game_limits):
        try:
            Money.parse(f"{limit:f}", code)
        except Malformed as error:
            message = f"the game's limit {limit:f} does not fit: {error}"
            raise InvalidInput(message, code="invalid_limits") from None
    return code


def overlap(seconds: int) -> int:
    """Return the seconds for which the previous secret still holds, 31 days at most. Raise
    InvalidInput(invalid_overlap)."""
    if not 0 <= seconds <= 31 * 86_400:
        raise InvalidInput("overlap: 0 to 2678400 seconds", code="invalid_overlap")
    return seconds
