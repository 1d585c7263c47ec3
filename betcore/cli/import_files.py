"""The two files of an import: the casino's, which is read a line at a time, and the report, by which it is resumed."""

import csv
import fcntl
import hashlib
import io
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import BinaryIO

from betcore.domain.cashback_lines import LONGEST
from betcore.domain.errors import InvalidInput, PreconditionFailed

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Reported:
    """What became of one line of a file."""

    line: int
    outcome: str
    reason: str = ""
    cashback_id: int | str = ""
    key: str = ""
    player: str = ""
    currency: str = ""
    amount: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A casino's file: how many lines it has, and a digest of what stands in it."""

    path: Path
    lines: int
    digest: str

    @classmethod
    def at(cls, path: Path) -> "SourceFile":
        """Read through a file. Raise InvalidInput (``invalid_file``) if that cannot be done."""
        digest, count, last = hashlib.sha256(), 0, b"\n"
        try:
            with path.open("rb") as file:
                while chunk := file.read(_CHUNK):
                    digest.update(chunk)
                    count, last = count + chunk.count(b"\n"), chunk
        except OSError as error:
            raise InvalidInput(f"{path}: {error.strerror}", code="invalid_file") from None
        return cls(path, count + (not last.endswith(b"\n")), digest.hexdigest())

    def identity(self, casino: str) -> str:
        """Return what names an import of this file for a casino: the same after a kill, another one for other lines."""
        return hashlib.sha256(f"{self.digest} {casino}".encode()).hexdigest()

    def numbered(self) -> Iterator[tuple[int, bytes | None]]:
        """Yield each line with its number; None for one that is too long, which is read away in pieces."""
        with self.path.open("rb") as file:
            number = 0
            while raw := file.readline(LONGEST + 2):
                number += 1
                if raw.endswith(b"\n") or len(raw) <= LONGEST:
                    yield number, raw
                    continue
                while raw and not raw.endswith(b"\n"):
                    raw = file.readline(_CHUNK)
                yield number, None


class SeenKeys:
    """The keys of a file and the lines at which they stand first.

    They are in a temporary file of SQLite: a million of them in memory would be a hundred MiB, and more with each line.
    """

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("CREATE TABLE seen (key TEXT PRIMARY KEY, line INTEGER NOT NULL) WITHOUT ROWID")
        self._database.execute("BEGIN")

    def first_line(self, key: str, line: int) -> int:
        """Return the line at which a key stands first: this one, if it was not seen before."""
        added = self._database.execute("INSERT INTO seen VALUES (?, ?) ON CONFLICT DO NOTHING", (key, line))
        if added.rowcount:
            return line
        [(first,)] = self._database.execute("SELECT line FROM seen WHERE key = ?", (key,))
        return int(first)

    def close(self) -> None:
        """Remove the temporary file."""
        self._database.close()


class Report:
    """A report that grows with the import, as a part; it takes its name when it is complete.

    The part's name says of which file and casino it is: an import that was killed goes on behind its last line.
    """

    def __init__(self, path: Path, part: Path, file: io.TextIOWrapper, done: int) -> None:
        self._path, self._part, self._file = path, part, file
        self._table = csv.writer(file, lineterminator="\n")
        self.done = done

    @classmethod
    @contextmanager
    def opened(cls, path: Path, identity: str) -> "Iterator[Report]":
        """Open the report of an import, or go on with its part.

        Raise InvalidInput (``invalid_file``) if it cannot be written, PreconditionFailed (``operation_refused``) if
        another process is writing it.
        """
        part = path.with_name(f"{path.name}.{identity[:16]}.part")
        try:
            with part.open("a+b") as file:
                _lock(file, path)
                done, size = _cut_to_whole_lines(file)
                with io.TextIOWrapper(file, encoding="utf-8", newline="") as text:
                    report = cls(path, part, text, done)
                    if not size:
                        report._table.writerow([field.name for field in fields(Reported)])
                    yield report
        except OSError as error:
            raise InvalidInput(f"{path}: {error.strerror}", code="invalid_file") from None

    def write(self, rows: Sequence[Reported]) -> None:
        """Add rows, and hand them to the system, so that they outlast this process."""
        self._table.writerows(asdict(row).values() for row in rows)
        self._file.flush()

    def finish(self) -> None:
        """Give the complete report its name."""
        self._part.replace(self._path)

    def rows(self) -> Iterator[Mapping[str, str]]:
        """Yield the rows of the report, from its first one."""
        self._file.seek(0)
        yield from csv.DictReader(self._file)


def _lock(file: BinaryIO, path: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise PreconditionFailed(f"{path} is being written by another import", code="operation_refused") from None


def _cut_to_whole_lines(file: BinaryIO) -> tuple[int, int]:
    """Remove what a killed process has left of a line; return the last line that is reported, and the bytes so far."""
    file.seek(0)
    done = size = 0
    # No value of a report has a line break in it.
    while (row := file.readline()).endswith(b"\n"):
        size += len(row)
        with suppress(ValueError):
            done = int(row.partition(b",")[0])
    file.seek(size)
    file.truncate()
    return done, size
