"""Bodies of the frame's calls: JSON is read strictly, and each field is one that the frame's page can send."""

import base64
import binascii
import json
import re
from dataclasses import dataclass, field
from typing import cast, get_args

from api.strict_json import WHOLE, Fields, JsonNumber, integer
from betcore.db.lobby import LobbyQuery, Place
from betcore.domain.casino_values import LARGEST_ID
from betcore.domain.errors import Malformed
from betcore.domain.launch import LANGUAGE_TAG, Mode, ViewType
from betcore.domain.players import is_token

_SESSION_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MAX_TEXT, _MAX_ORIGIN, _MAX_CURSOR = 128, 300, 2048
_MOST_GAMES, _GAMES = 100, 48


@dataclass(frozen=True, slots=True)
class Open:
    """Who opens a frame, and how; ``token`` is None for a visitor."""

    client_id: int
    token: str | None = field(repr=False)
    language: str
    view_type: ViewType
    tag_id: int
    origin: str


@dataclass(frozen=True, slots=True)
class LaunchGame:
    """Which game, for money or for fun."""

    game_id: int
    mode: Mode


def read_open(fields: Fields) -> Open:
    """Return what opens a frame. Raises Malformed."""
    token = fields.get("token")
    if token is not None and (isinstance(token, JsonNumber) or not is_token(token)):
        raise Malformed("token is a refresh token of the casino, or null")
    _one_of(fields, "mode", get_args(Mode), "real")
    return Open(
        client_id=integer(fields, "clientId", 1),
        token=cast(str | None, token),
        language=read_language(fields) or "en",
        view_type=cast(ViewType, _one_of(fields, "viewType", get_args(ViewType), "desktop")),
        tag_id=integer(fields, "tagId", 0, default=0),
        origin=_text(fields, "origin", _MAX_ORIGIN) or "",
    )


def read_language(fields: Fields) -> str | None:
    """Return the language that a body names, if it does. Raises Malformed."""
    found = _text(fields, "language")
    if found is not None and not LANGUAGE_TAG.fullmatch(found):
        raise Malformed("language is a tag such as pt-BR")
    return found


def read_query(fields: Fields, currency: str | None) -> LobbyQuery:
    """Return which games are asked for, by a player with this currency. Raises Malformed."""
    limit = integer(fields, "limit", 1, default=_GAMES)
    if limit > _MOST_GAMES:
        raise Malformed(f"limit is a number from 1 to {_MOST_GAMES}")
    cursor = _text(fields, "cursor", _MAX_CURSOR)
    return LobbyQuery(
        limit=limit,
        after=Place() if cursor is None else _place(cursor),
        category=_text(fields, "category"),
        search=_text(fields, "search"),
        currency=currency,
    )


def read_launch(fields: Fields) -> LaunchGame:
    """Return which game is launched. A page may name it by a text, as in an attribute. Raises Malformed."""
    game = fields.get("game")
    if not isinstance(game, str) or not WHOLE.fullmatch(game) or not 1 <= int(game) <= LARGEST_ID:
        raise Malformed("game is the number of a game")
    return LaunchGame(int(game), cast(Mode, _one_of(fields, "mode", get_args(Mode), "real")))


def read_close(fields: Fields) -> str:
    """Return the session of the game that is closed. Raises Malformed."""
    found = _text(fields, "sessionId")
    if found is None or not _SESSION_ID.fullmatch(found):
        raise Malformed("sessionId is that of a launch")
    return found


def cursor(place: Place | None) -> str | None:
    """Return a place as a page is given it."""
    text = None if place is None else json.dumps([place.name, place.game_id])
    return None if text is None else base64.urlsafe_b64encode(text.encode()).decode()


def _place(given: str) -> Place:
    """Return the place of a cursor: the inverse of ``cursor``."""
    try:
        name, game_id = json.loads(base64.b64decode(given, altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, TypeError, RecursionError):
        raise Malformed("cursor is the nextCursor of an answer") from None
    if not isinstance(name, str) or "\x00" in name or type(game_id) is not int or not 0 <= game_id <= LARGEST_ID:
        raise Malformed("cursor is the nextCursor of an answer")
    try:
        name.encode()
    except UnicodeEncodeError:
        raise Malformed("cursor is the nextCursor of an answer") from None
    return Place(name, game_id)


def _text(fields: Fields, name: str, most: int = _MAX_TEXT) -> str | None:
    found = fields.get(name)
    if found is None:
        return None
    if not isinstance(found, str) or isinstance(found, JsonNumber) or not found.isprintable() or len(found) > most:
        raise Malformed(f"{name} is a text of at most {most} characters")
    return found or None


def _one_of(fields: Fields, name: str, values: tuple[str, ...], default: str) -> str:
    found = fields.get(name, default)
    if isinstance(found, JsonNumber) or found not in values:
        raise Malformed(f"{name} is one of {', '.join(values)}")
    return str(found)
