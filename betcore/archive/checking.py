"""Comparing a file of events with what the database knows of it."""

from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from betcore.archive.event_file import read, sha256_of
from betcore.db.archives import Archives
from betcore.domain.archives import Archive
from betcore.domain.errors import InvalidInput, NotFound

_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Checked:
    """A file that is as it was archived."""

    archive: Archive
    bets: int
    events: int


async def check(archives: Archives, file: Path) -> Checked:
    """Read a file whole, and return what it has, if that is what its row and the rows of its bets have.

    Raise NotFound if no row names the file, InvalidInput (``invalid_file``) naming the first difference.
    """
    archive = await archives.named(file.name)
    if archive is None:
        raise NotFound(f"there is no archive {file.name!r}")
    if (found := sha256_of(file)) != archive.sha256:
        raise InvalidInput(f"{file}: its SHA-256 is {found}, and {archive.sha256} was archived", code="invalid_file")
    bets = events = 0
    reading = read(file)
    while some := list(islice(reading, _AT_ONCE)):
        archived = await archives.bets_of(archive.archive_id, [one.bet.bet_id for one in some])
        known = {bet.bet_id: bet for bet in archived}
        for one in some:
            if known.get(one.bet.bet_id) != one.bet:
                message = f"{file}: bet {one.bet.bet_id} has other events than were archived"
                raise InvalidInput(message, code="invalid_file")
        bets, events = bets + len(some), events + sum(one.bet.events for one in some)
    if (bets, events) != (archive.bets, archive.events):
        raise InvalidInput(f"{file} has {bets} bets, and {archive.bets} were archived", code="invalid_file")
    return Checked(archive, bets, events)
