"""A reader of JSON that shares nothing with the service: the grammar of RFC 8259, and what the protocol adds to it.

The service reads with Python's ``json``; were this the same reader, both would be wrong together.
"""

import re
from dataclasses import dataclass
from typing import Any

MAX_DEPTH = 32
_SPACE = re.compile(r"[ \t\n\r]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_PLAIN = re.compile(r'[^"\\\x00-\x1f]*')
_HEX = re.compile(r"[0-9a-fA-F]{4}")
_ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_WORDS = {"true": True, "false": False, "null": None}


class NotJson(Exception):
    """The text is not what the protocol calls JSON."""


@dataclass(frozen=True, slots=True)
class Number:
    """A number as it was written."""

    text: str


def read(raw: bytes) -> Any:
    """Parse the value in a body: UTF-8, no mark in front, no key twice. Raises NotJson."""
    try:
        text = raw.decode("utf-8", "strict")
    except UnicodeDecodeError:
        raise NotJson from None
    reader = _Reader(text)
    found = reader.value(0)
    if reader.at != len(text):
        raise NotJson
    return found


def read_object(raw: bytes) -> dict[str, Any]:
    """Parse a body that must be an object."""
    found = read(raw)
    if not isinstance(found, dict):
        raise NotJson
    return found


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self.at = 0
        self._skip()

    def value(self, depth: int) -> Any:
        """Parse the value that begins here, and the blanks after it."""
        first = self._text[self.at : self.at + 1]
        if first in ("{", "["):
            if depth == MAX_DEPTH:
                raise NotJson
            return self._object(depth + 1) if first == "{" else self._array(depth + 1)
        if first == '"':
            return self._string()
        for word, meant in _WORDS.items():
            if self._text.startswith(word, self.at):
                self._step(len(word))
                return meant
        return Number(self._match(_NUMBER))

    def _object(self, depth: int) -> dict[str, Any]:
        made: dict[str, Any] = {}
        self._step(1)
        if self._taken("}"):
            return made
        while True:
            if self._text[self.at : self.at + 1] != '"':
                raise NotJson
            key = self._string()
            if key in made or not self._taken(":"):
                raise NotJson
            made[key] = self.value(depth)
            if self._taken("}"):
                return made
            if not self._taken(","):
                raise NotJson

    def _array(self, depth: int) -> list[Any]:
        made: list[Any] = []
        self._step(1)
        if self._taken("]"):
            return made
        while True:
            made.append(self.value(depth))
            if self._taken("]"):
                return made
            if not self._taken(","):
                raise NotJson

    def _string(self) -> str:
        self.at += 1
        parts: list[str] = []
        while True:
            plain = _PLAIN.match(self._text, self.at)
            parts.append(plain[0] if plain else "")
            self.at += len(parts[-1])
            sign = self._text[self.at : self.at + 1]
            self.at += 1
            if sign == '"':
                self._skip()
                # Two escaped halves are one character, as the grammar says; a half alone stays one.
                return "".join(parts).encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
            if sign != "\\":
                raise NotJson
            parts.append(self._escape())

    def _escape(self) -> str:
        sign = self._text[self.at : self.at + 1]
        self.at += 1
        if sign != "u":
            if sign not in _ESCAPES:
                raise NotJson
            return _ESCAPES[sign]
        digits = _HEX.match(self._text, self.at)
        if digits is None:
            raise NotJson
        self.at += 4
        return chr(int(digits[0], 16))

    def _match(self, form: re.Pattern[str]) -> str:
        found = form.match(self._text, self.at)
        if found is None:
            raise NotJson
        self._step(len(found[0]))
        return found[0]

    def _taken(self, sign: str) -> bool:
        there = self._text.startswith(sign, self.at)
        if there:
            self._step(1)
        return there

    def _step(self, length: int) -> None:
        self.at += length
        self._skip()

    def _skip(self) -> None:
        found = _SPACE.match(self._text, self.at)
        self.at = found.end() if found else self.at
