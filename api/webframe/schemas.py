"""Bodies of the frame's calls: JSON is read strictly, and each field is one that the frame's page can send."""

import base64
import binascii
import json
import re
from dataclasses import dataclass, field

from api import body_fields
from api.body_fields import MODES, VIEW_TYPES, WHOLE, Fields
from betcore.db.lobby import LobbyQuery, Place
from betcore.domain.casino_values import LARGEST_ID
from betcore.domain.errors import Malformed
from betcore.domain.launch import Mode, ViewType

_SESSION_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MAX_ORIGIN, _MAX_CURSOR = 300, 2048
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
    body_fields.one_of(fields, "mode", MODES, "real")
    return Open(
        client_id=body_fields.integer(fields, "clientId", 1),
        token=body_fields.refresh_token(fields, "token"),
        language=body_fields.language(fields, "language") or "en",
        view_type=body_fields.one_of(fields, "viewType", VIEW_TYPES, "desktop"),
        tag_id=body_fields.integer(fields, "tagId", 0, default=0),
        origin=body_fields.text(fields, "origin", _MAX_ORIGIN) or "",
    )


def read_query(fields: Fields, currency: str | None) -> LobbyQuery:
    """Return which games are asked for, by a player with this currency. Raises Malformed."""
    limit = body_fields.integer(fields, "limit", 1, default=_GAMES)
    if limit > _MOST_GAMES:
        raise Malformed(f"limit is a number from 1 to {_MOST_GAMES}")
    cursor = body_fields.text(fields, "cursor", _MAX_CURSOR)
    return LobbyQuery(
        limit=limit,
        after=Place() if cursor is None else _place(cursor),
        category=body_fields.text(fields, "category") or None,
        search=body_fields.text(fields, "search") or None,
        currency=currency,
    )


def read_launch(fields: Fields) -> LaunchGame:
    """Return which game is launched. A page may name it by a text, as in an attribute. Raises Malformed."""
    game = fields.get("game")
    if not isinstance(game, str) or not WHOLE.fullmatch(game) or not 1 <= int(game) <= LARGEST_ID:
        raise Malformed("game is the number of a game")
    return LaunchGame(int(game), body_fields.one_of(fields, "mode", MODES, "real"))


def read_close(fields: Fields) -> str:
    """Return the session of the game that is closed. Raises Malformed."""
    found = body_fields.matching(fields, "sessionId", _SESSION_ID, "that of a launch")
    if found is None:
        raise Malformed("sessionId is missing")
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
