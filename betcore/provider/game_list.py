"""A provider's list of games, read as a stream: an entry is decoded when its text is there, and never all of them.

A bad entry costs only itself. What is no list, or one with too many bad entries, is refused as a whole.
"""

import codecs
import json
import re
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import TypeAlias, TypeVar
from urllib.parse import urlsplit

from betcore.domain.catalogue import GameList, ListedGame, mostly_bad
from betcore.domain.origins import is_loopback

MAX_BYTES = 32 * 1024 * 1024
MAX_ENTRIES = 50_000
# Characters of one entry. A list with a longer one is refused.
_MAX_ENTRY = 64 * 1024
# Least characters that are awaited before an entry that is not complete is decoded again.
_STEP = 8 * 1024
_MAX_PROBLEMS = 10
_MAX_ID, _MAX_NAME, _MAX_CATEGORY, _MAX_URL = 128, 200, 64, 2048
_BLANKS = re.compile(r"[ \t\r\n]*")
_ODD = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")


class ListRefused(Exception):
    """The provider's answer is no list that can be believed; ``reason`` is stable, the message is for people."""

    def __init__(self, reason: str, message: str = "") -> None:
        self.reason = reason
        super().__init__(message or reason.replace("_", " "))


class _Number(str):
    """A JSON number as it was written."""

    __slots__ = ()


T = TypeVar("T")
Json: TypeAlias = "bool | str | list[Json] | dict[str, Json] | None"


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_float=_Number, parse_int=_Number, parse_constant=_refuse_constant)


async def read_games(chunks: AsyncIterator[bytes]) -> GameList:
    """Return the games of a bare array, or of the envelope ``{"_responseCode": 1, "games": [...]}``.

    Raises ListRefused: ``not_json``, ``no_list``, ``response_code``, ``too_large``, ``too_many``, ``too_many_bad``.
    """
    text, games = _Text(chunks), _Games()
    match await text.peek():
        case "[":
            await _entries(text, games)
        case "{":
            await _envelope(text, games)
        case _:
            raise ListRefused("no_list")
    if await text.peek():
        raise ListRefused("not_json", "text after the list")
    return games.result()


async def _envelope(text: "_Text", games: "_Games") -> None:
    code: Json = None
    listed = False
    async for _ in text.items("{", "}"):
        key, _ = await text.value()
        if not isinstance(key, str) or isinstance(key, _Number):
            raise ListRefused("not_json")
        await text.take(":")
        if key == "games" and not listed and await text.peek() == "[":
            listed = True
            await _entries(text, games)
        else:
            value, _ = await text.value()
            code = value if key == "_responseCode" else code
    if not isinstance(code, _Number) or code != "1":
        raise ListRefused("response_code", f"_responseCode is {code if isinstance(code, _Number) else 'no number'}")
    if not listed:
        raise ListRefused("no_list")


async def _entries(text: "_Text", games: "_Games") -> None:
    async for _ in text.items("[", "]"):
        games.add(*await text.value())


class _Text:
    """The text of a response: decoded as it comes, dropped when it has been read."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self._text, self._bytes, self._ended = "", 0, False
        self._at = 0

    async def items(self, opening: str, closing: str) -> AsyncIterator[None]:
        """Yield before each item of an array or object, which the caller reads. Raises ListRefused."""
        await self.take(opening)
        if await self.peek() == closing:
            await self.take(closing)
            return
        while True:
            yield
            if await self.peek() == closing:
                await self.take(closing)
                return
            await self.take(",")

    async def peek(self) -> str:
        """Return the next character that is no blank, without reading it, "" at the end. Raises ListRefused."""
        while True:
            self._at = _blanks_end(self._text, self._at)
            if self._at < len(self._text) or self._ended:
                return self._text[self._at : self._at + 1]
            await self._more()

    async def take(self, character: str) -> None:
        """Read this character. Raises ListRefused if another one comes."""
        if await self.peek() != character:
            raise ListRefused("not_json")
        self._at += 1

    async def value(self) -> tuple[Json, str]:
        """Read the next value; return it, and its text. Raises ListRefused if it is no JSON, or too long."""
        await self.peek()
        while True:
            try:
                found: Json
                found, end = _DECODER.raw_decode(self._text, self._at)
            except (ValueError, RecursionError):
                if self._ended:
                    raise ListRefused("not_json") from None
            else:
                # A number at the end of what has come may go on.
                if end - self._at <= _MAX_ENTRY and (end < len(self._text) or self._ended):
                    text, self._at = self._text[self._at : end], end
                    return found, text
            if len(self._text) - self._at > _MAX_ENTRY:
                raise ListRefused("not_json", f"no JSON, or an entry of more than {_MAX_ENTRY} characters")
            await self._more()

    async def _more(self) -> None:
        """Await about as much again as there is: what comes in small pieces is not decoded anew for each of them."""
        wanted, parts = max(_STEP, len(self._text) - self._at), []
        while wanted > 0 and not self._ended:
            chunk = await anext(self._chunks, None)
            self._ended = chunk is None
            self._bytes += len(chunk or b"")
            if self._bytes > MAX_BYTES:
                raise ListRefused("too_large", f"more than {MAX_BYTES} bytes")
            try:
                parts.append(self._decoder.decode(chunk or b"", final=chunk is None))
            except UnicodeDecodeError:
                raise ListRefused("not_json", "not UTF-8") from None
            wanted -= len(parts[-1])
        self._text, self._at = self._text[self._at :] + "".join(parts), 0


def _blanks_end(text: str, at: int) -> int:
    found = _BLANKS.match(text, at)
    return found.end() if found else at


class _Games:
    """The games of a list so far."""

    def __init__(self) -> None:
        self._games: dict[str, ListedGame] = {}
        self._entries = self._bad = 0
        self._problems: list[str] = []

    def add(self, entry: Json, text: str) -> None:
        """Take an entry, or note why it is left out. Raises ListRefused for one too many."""
        self._entries += 1
        if self._entries > MAX_ENTRIES:
            raise ListRefused("too_many", f"more than {MAX_ENTRIES} entries")
        try:
            game = self._game(entry, text)
            if game.game_id in self._games:
                raise ValueError(f"gameId {game.game_id} is listed twice")
            self._games[game.game_id] = game
        except ValueError as error:
            self._bad += 1
            self._note(str(error))

    def result(self) -> GameList:
        """Return the list. Raises ListRefused if too much of it is bad."""
        if mostly_bad(len(self._games), self._bad):
            problems = "; ".join(self._problems)
            raise ListRefused("too_many_bad", f"{self._bad} of {self._entries} entries are bad: {problems}")
        return GameList(list(self._games.values()), self._bad, self._problems)

    def _game(self, entry: Json, text: str) -> ListedGame:
        """Return the game of an entry. Raise ValueError without an id and a name; any other field may be missing."""
        if not isinstance(entry, dict):
            raise ValueError("no object")
        game_id, name = entry.get("gameId"), entry.get("name")
        if not (isinstance(game_id, _Number) and len(game_id) <= _MAX_ID) and not _is_text(game_id, _MAX_ID):
            raise ValueError(f"gameId is no number and no text of 1 to {_MAX_ID} characters")
        if not _is_text(name, _MAX_NAME):
            raise ValueError(f"the name of {game_id} is no text of 1 to {_MAX_NAME} characters")
        return ListedGame(
            game_id=str(game_id),
            name=str(name),
            category=self._optional(_category(entry.get("gameCategory")), entry, "gameCategory"),
            max_odd=self._optional(_max_odd(entry.get("maxOdd")), entry, "maxOdd"),
            image_url=self._optional(_image(entry.get("lobbyImgUrl")), entry, "lobbyImgUrl"),
            entry=text,
        )

    def _optional(self, found: T | None, entry: dict[str, Json], field: str) -> T | None:
        if found is None and entry.get(field) not in (None, ""):
            self._note(f"{field} of {entry.get('gameId')} is left out")
        return found

    def _note(self, problem: str) -> None:
        if len(self._problems) < _MAX_PROBLEMS:
            self._problems.append(f"entry {self._entries}: {problem}")


def _is_text(given: Json, most: int) -> bool:
    if not isinstance(given, str) or isinstance(given, _Number):
        return False
    return 1 <= len(given) <= most and given.isprintable() and given == given.strip()


def _category(given: Json) -> str | None:
    return given if isinstance(given, str) and _is_text(given, _MAX_CATEGORY) else None


def _max_odd(given: Json) -> Decimal | None:
    return Decimal(given) if isinstance(given, _Number) and _ODD.fullmatch(given) else None


def _image(given: Json) -> str | None:
    """Return an https address, or an http one of this machine.

    It is never fetched here: it goes to casinos, whose pages show the picture.
    """
    if not isinstance(given, str) or not _is_text(given, _MAX_URL) or " " in given:
        return None
    try:
        parts = urlsplit(given)
    except ValueError:
        return None
    host = parts.hostname or ""
    return given if host and (given.startswith("https://") or _is_local(given, host)) else None


def _is_local(given: str, host: str) -> bool:
    return given.startswith("http://") and is_loopback(f"[{host}]" if ":" in host else host)
