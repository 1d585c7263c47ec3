"""A file of archived events: a line of JSON for each, those of a bet one after the other, compressed by gzip."""

import gzip
import hashlib
import json
import os
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from betcore.domain.archives import ArchivedBet, EventLine
from betcore.domain.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class BetEvents:
    """A bet in a file, and the numbers of its events."""

    bet: ArchivedBet
    event_ids: tuple[int, ...]


class EventFile:
    """A file that is being written. It remembers of each bet what it should be found to have."""

    def __init__(self, path: Path) -> None:
        self.bets: list[ArchivedBet] = []
        self._raw = path.open("wb")
        self._lines = gzip.GzipFile(filename="", mode="wb", fileobj=self._raw, mtime=0)

    def add(self, lines: Iterable[EventLine]) -> None:
        """Write events; a bet must not have some in another call."""
        for one in _by_bet(lines):
            self.bets.append(one.bet)
        for event in lines:
            self._lines.write(f"{event.line}\n".encode())

    def close(self) -> None:
        """End the file, and return when it is on disk."""
        self._lines.close()
        self._raw.flush()
        os.fsync(self._raw.fileno())
        self._raw.close()


def read(path: Path) -> Iterator[BetEvents]:
    """Yield the bets of a file, one after the other. Raise InvalidInput (``invalid_file``) if it cannot be read."""
    with _readable(path), gzip.open(path, "rt", encoding="utf-8", newline="\n") as lines:
        yield from _by_bet(_event(line) for line in lines)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file as it is. Raise InvalidInput (``invalid_file``)."""
    with _readable(path), path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sync_folder(folder: Path) -> None:
    """Return when the names of a folder's files are on disk."""
    held = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(held)
    finally:
        os.close(held)


def _event(line: str) -> EventLine:
    found: dict[str, Any] = json.loads(line)
    return EventLine(found["bet_id"], found["event_id"], found["kind"], line.removesuffix("\n"))


def _by_bet(lines: Iterable[EventLine]) -> Iterator[BetEvents]:
    for bet_id, group in groupby(lines, key=lambda event: event.bet_id):
        events, digest = list(group), hashlib.sha256()
        for event in events:
            digest.update(f"{event.line}\n".encode())
        kinds = {event.kind for event in events}
        bet = ArchivedBet(bet_id, len(events), "told" in kinds, "withdrawn" in kinds, digest.hexdigest())
        yield BetEvents(bet, tuple(event.event_id for event in events))


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InvalidInput(f"{path}: {error.strerror or error}", code="invalid_file") from None
    except (EOFError, zlib.error, ValueError, KeyError, TypeError) as error:
        raise InvalidInput(f"{path}: not a whole file of events: {error}", code="invalid_file") from None
