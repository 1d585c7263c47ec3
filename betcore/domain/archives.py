"""Archives of events: files that have the events of bets which ended long ago."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

# A bet must have been at rest for this long before its events may leave the database. The guard of the table has the
# same number.
DAYS_AT_LEAST = 30


@dataclass(frozen=True, slots=True)
class ArchivedBet:
    """What an archive has of a bet or of a cashback.

    ``sha256`` is of its lines, each with its newline; ``told`` and ``withdrawn`` are whether an event of that kind is
    among them.
    """

    bet_id: int
    events: int
    told: bool
    withdrawn: bool
    sha256: str


@dataclass(frozen=True, slots=True)
class EventLine:
    """An event as a line of a file."""

    bet_id: int
    event_id: int
    kind: str
    line: str


@dataclass(frozen=True, slots=True)
class Horizon:
    """Whose events may leave: of what was at rest before this moment, which has numbers up to this one."""

    at_rest_before: datetime
    upto: int


@dataclass(frozen=True, slots=True)
class EventPage:
    """The events of some bets that are at rest; ``upto`` is the last number that was looked at, None behind the last.

    Bets that are not at rest are left out, so that a page may have none.
    """

    upto: int | None
    lines: Sequence[EventLine]


@dataclass(frozen=True, slots=True)
class NewArchive:
    """A file that is on disk whole: its name, its bytes as SHA-256 and their number, and what it has."""

    name: str
    sha256: str
    size: int
    bets: Sequence[ArchivedBet]


@dataclass(frozen=True, slots=True)
class Archive:
    """A file that the database knows; ``emptied_at`` is None while its events are in the table too."""

    archive_id: int
    name: str
    sha256: str
    size: int
    bets: int
    events: int
    first_bet_id: int
    last_bet_id: int
    operator: str
    written_at: datetime
    emptied_at: datetime | None
