"""The fields of a request's body, each read as one kind of value: for a launch, and for the frame's calls.

A field that is null is not there. What cannot be taken as it is raises Malformed, which names the field and what it has
to be: nothing is cut or cleaned.
"""

import re
from collections.abc import Mapping, Sequence
from typing import TypeVar, get_args

from api.strict_json import Json, JsonNumber, read_object
from betcore.domain.casino_values import LARGEST_ID
from betcore.domain.errors import Malformed
from betcore.domain.launch import LANGUAGE_TAG, Mode, ViewType
from betcore.domain.players import LONGEST_TOKEN, is_token

Fields = Mapping[str, Json]
MODES: tuple[Mode, ...] = get_args(Mode)
VIEW_TYPES: tuple[ViewType, ...] = get_args(ViewType)
# A number without sign, fraction and exponent.
WHOLE = re.compile(r"0|[1-9][0-9]{0,15}")
_LONGEST = 128
_Word = TypeVar("_Word", bound=str)


def read_fields(body: bytes) -> Fields:
    """Return the fields of an object; one that is null is not there. Raises Malformed."""
    return {name: value for name, value in read_object(body).items() if value is not None}


def integer(fields: Fields, name: str, least: int, default: int | None = None) -> int:
    """Return a number without a fraction. Raises Malformed, also if it is missing without a default."""
    found = fields.get(name, None if default is None else JsonNumber(default))
    if not isinstance(found, JsonNumber) or not WHOLE.fullmatch(found) or not least <= int(found) <= LARGEST_ID:
        raise Malformed(f"{name} is an integer from {least} to {LARGEST_ID}")
    return int(found)


def text(fields: Fields, name: str, most: int = _LONGEST) -> str | None:
    """Return a text that every database and header takes, None without one. Raises Malformed."""
    found = fields.get(name)
    if found is None:
        return None
    if not isinstance(found, str) or isinstance(found, JsonNumber) or not found.isprintable() or len(found) > most:
        raise Malformed(f"{name} is a text of at most {most} printable characters")
    return found


def identity(fields: Fields, name: str) -> str | None:
    """Return a text by which a casino knows something, None without one. Raises Malformed."""
    found = text(fields, name)
    if found is not None and (not found or found != found.strip()):
        raise Malformed(f"{name} has 1 to {_LONGEST} characters without blanks around them")
    return found


def matching(fields: Fields, name: str, pattern: re.Pattern[str], what: str, most: int = _LONGEST) -> str | None:
    """Return a text of a form, None without one; ``what`` says in words what it has to be. Raises Malformed."""
    found = text(fields, name, most)
    if found is not None and not pattern.fullmatch(found):
        raise Malformed(f"{name} is {what}")
    return found


def language(fields: Fields, name: str) -> str | None:
    """Return a language tag, None without one. Raises Malformed."""
    return matching(fields, name, LANGUAGE_TAG, "a language such as pt-BR")


def refresh_token(fields: Fields, name: str) -> str | None:
    """Return a player's token, None without one. Raises Malformed, which does not show it."""
    found = text(fields, name, LONGEST_TOKEN)
    if found is not None and not is_token(found):
        raise Malformed(f"{name} has 1 to {LONGEST_TOKEN} characters without blanks around them")
    return found


def one_of(fields: Fields, name: str, words: Sequence[_Word], default: _Word | None = None) -> _Word:
    """Return one of these words. Raises Malformed, also if it is missing without a default."""
    found = fields.get(name, default)
    for word in words:
        if word == found:
            return word
    raise Malformed(f"{name} is one of {', '.join(words)}")
