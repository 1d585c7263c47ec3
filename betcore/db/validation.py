"""Checks of what operators enter when they set up partners and their catalogue."""

import re
from decimal import Decimal, InvalidOperation
from urllib.parse import urlsplit

from betcore.domain.currencies import decimals
from betcore.domain.errors import InvalidInput, Malformed
from betcore.domain.money import Money
from betcore.domain.profiles import MAX_ODD

_ADDRESS = re.compile(r"https?://[^\s/?#@\\]+(/[^\s?#\\]*)?")


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


def currency(code: str) -> str:
    """Return a known currency. Raise InvalidInput(unknown_currency)."""
    try:
        decimals(code)
    except Malformed as error:
        raise InvalidInput(str(error), code="unknown_currency") from None
    return code


def limits(code: str, min_bet: str | None, max_bet: str | None) -> tuple[Decimal | None, Decimal | None]:
    """Return the least and the greatest stake in major units of a currency, None without a limit.

    Raise InvalidInput: ``unknown_currency``; ``invalid_limits`` for what is no amount of that currency, and for a least
    above the greatest.
    """
    currency(code)
    least, greatest = _limit("min-bet", min_bet, code), _limit("max-bet", max_bet, code)
    if least is not None and greatest is not None and least > greatest:
        raise InvalidInput(f"min-bet {min_bet} is above max-bet {max_bet}", code="invalid_limits")
    return least, greatest


def win_limits(code: str, max_win: str | None, max_odd: str | None) -> tuple[Decimal | None, Decimal | None]:
    """Return the greatest win in major units of a currency, and as a multiple of its stake; None without a limit.

    Raise InvalidInput: ``unknown_currency``; ``invalid_limits`` for what is no amount of that currency, and for 0.
    """
    currency(code)
    greatest = _limit("max-win", max_win, code)
    try:
        odd = None if max_odd is None else Decimal(max_odd)
    except InvalidOperation:
        odd = Decimal()
    if greatest == 0 or (odd is not None and not (odd.is_finite() and 0 < odd < MAX_ODD)):
        raise InvalidInput("max-win and max-odd: numbers above 0", code="invalid_limits")
    return greatest, odd


def _limit(what: str, given: str | None, code: str) -> Decimal | None:
    if given is None:
        return None
    try:
        Money.parse(given, code)
    except Malformed as error:
        raise InvalidInput(f"{what} {given!r}: {error}", code="invalid_limits") from None
    return Decimal(given)


def overlap(seconds: int) -> int:
    """Return the seconds for which the previous secret still holds, 31 days at most. Raise
    InvalidInput(invalid_overlap)."""
    if not 0 <= seconds <= 31 * 86_400:
        raise InvalidInput("overlap: 0 to 2678400 seconds", code="invalid_overlap")
    return seconds
