"""Reading the parameters of a request's query."""

import re
from datetime import UTC, datetime

from starlette.datastructures import QueryParams

from betcore.domain.errors import Malformed

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST = 128
_NUMBER = re.compile(r"[1-9][0-9]{0,8}")


def one_text(query: QueryParams, name: str) -> str | None:
    """Return a parameter, None if it is not there or empty. Raises Malformed if it is there twice, or cannot be."""
    given = query.getlist(name)
    if len(given) > 1:
        raise Malformed(f"{name} is given twice")
    if not given or not given[0]:
        return None
    if len(given[0]) > _LONGEST or not given[0].isprintable():
        raise Malformed(f"{name} is a text of at most {_LONGEST} characters")
    return given[0]


def one_number(query: QueryParams, name: str, least: int, most: int) -> int | None:
    """Return a parameter that is a number from ``least`` to ``most``, None if it is not there. Raises Malformed."""
    given = one_text(query, name)
    if given is None:
        return None
    if not _NUMBER.fullmatch(given) or not least <= int(given) <= most:
        raise Malformed(f"{name} is a number from {least} to {most}")
    return int(given)


def one_moment(query: QueryParams, name: str) -> datetime | None:
    """Return a parameter that is a time with its zone, no earlier than 1970; None if it is not there.

    Raises Malformed.
    """
    given = one_text(query, name)
    if given is None:
        return None
    try:
        # An unescaped plus sign of a time zone arrives as a blank.
        found = datetime.fromisoformat(given.replace(" ", "+"))
        if found.tzinfo is None:
            raise ValueError
        return max(found.astimezone(UTC), EPOCH)
    except (ValueError, OverflowError):
        raise Malformed(f"{name} is a time with its zone, such as 2026-11-26T10:30:00.123456Z") from None
