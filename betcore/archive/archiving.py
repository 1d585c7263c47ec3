"""Moving the events of bets that ended long ago out of the database, into files.

The order is the safety: a file is on disk whole and was read again, then a row says what it has, then events leave, and
the database compares them with the row. A run that was killed between two of these steps is taken up by the next one.
"""

import fcntl
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from betcore.archive.event_file import EventFile, read, sha256_of, sync_folder
from betcore.db.archives import Archives
from betcore.domain.archives import DAYS_AT_LEAST, Archive, ArchivedBet, Horizon, NewArchive
from betcore.domain.errors import InvalidInput, PreconditionFailed
from betcore.runtime import failpoints

# Bets of one statement. A delete locks their events for some milliseconds, and nothing that a bet waits for.
_PAGE, _DELETED_AT_ONCE = 500, 200
BETS_IN_A_FILE = 50_000


@dataclass(frozen=True, slots=True)
class Done:
    """An archive of a run, and how many events have left the database since it was taken up."""

    archive: Archive
    left: int


class Archiving:
    """Writes files of events into one folder, which no other run uses meanwhile."""

    def __init__(self, archives: Archives, folder: Path, bets_in_a_file: int = BETS_IN_A_FILE) -> None:
        self._archives = archives
        self._folder = folder
        # A file has its own name when the database knows it.
        self._part = folder / "unfinished.part"
        self._bets = bets_in_a_file

    async def run(self, days: int, *, write_only: bool = False) -> AsyncIterator[Done]:
        """Archive what has been at rest for so many days, and yield each archive when it is done.

        With ``write_only`` the events stay in the database until a later run. Raise PreconditionFailed
        (``operation_refused``) if another run is at work, or an archive of an earlier one has to be finished first;
        InvalidInput (``invalid_folder``, ``invalid_file``); DatabaseError.
        """
        with _held(self._folder):
            for archive in await self._archives.unfinished():
                if write_only:
                    raise PreconditionFailed(
                        f"the events of {archive.name} are still in the database: a run without --write-only is next",
                        code="operation_refused",
                    )
                yield await self._finish(archive)
            horizon = await self._archives.horizon(days)
            after: int | None = 0
            while after is not None:
                bets, after = await self._write(after, horizon)
                if bets:
                    archive = await self._record(bets)
                    yield Done(archive, 0) if write_only else await self._finish(archive)
            self._part.unlink(missing_ok=True)

    async def _write(self, after: int, horizon: Horizon) -> tuple[Sequence[ArchivedBet], int | None]:
        """Write the next bets into a file and read it again; return them, and the number to go on from."""
        upto: int | None = after
        file = EventFile(self._part)
        try:
            while upto is not None and len(file.bets) < self._bets:
                page = await self._archives.page(upto, horizon, _PAGE)
                file.add(page.lines)
                upto = page.upto
        finally:
            file.close()
        sync_folder(self._folder)
        if [one.bet for one in read(self._part)] != file.bets:
            raise InvalidInput(f"{self._part} does not have what was written: nothing is deleted", code="invalid_file")
        await failpoints.reach("archive_written")
        return file.bets, upto

    async def _record(self, bets: Sequence[ArchivedBet]) -> Archive:
        """Let the database know what the file has, and give the file its name."""
        sha256 = sha256_of(self._part)
        name = f"events-{bets[0].bet_id}-{bets[-1].bet_id}-{sha256[:12]}.jsonl.gz"
        archive = await self._archives.record(NewArchive(name, sha256, self._part.stat().st_size, bets))
        await failpoints.reach("archive_recorded")
        self._file_of(archive)
        return archive

    async def _finish(self, archive: Archive) -> Done:
        """Delete the events of an archive, by what its file has."""
        file, left = self._file_of(archive), 0
        # What an earlier run has found at rest for long enough may leave, whatever this one is asked for.
        horizon = await self._archives.horizon(DAYS_AT_LEAST)
        bets = read(file)
        while some := list(islice(bets, _DELETED_AT_ONCE)):
            numbers = [one.bet.bet_id for one in some]
            event_ids = [event_id for one in some for event_id in one.event_ids]
            left += await self._archives.delete(numbers, event_ids, horizon.at_rest_before)
            await failpoints.reach("archive_deleted")
        return Done(await self._archives.finish(archive), left)

    def _file_of(self, archive: Archive) -> Path:
        """Return an archive's file, as its row has it. A run that was killed may have left it without its name.

        Raise InvalidInput (``invalid_file``) if the folder does not have it, or has another one.
        """
        file = self._folder / archive.name
        if not file.exists() and self._part.exists() and sha256_of(self._part) == archive.sha256:
            self._part.rename(file)
            sync_folder(self._folder)
        if sha256_of(file) != archive.sha256:
            raise InvalidInput(f"{file} is not the file that was archived: nothing is deleted", code="invalid_file")
        return file


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Keep other runs out of a folder, however this process ends. Raise PreconditionFailed if one is in it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "lock").open("w")
    except OSError as error:
        raise InvalidInput(f"folder: {folder}: {error.strerror}", code="invalid_folder") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            message = f"{folder}: another run is at work in it"
            raise PreconditionFailed(message, code="operation_refused") from None
        try:
            yield
        except OSError as error:
            raise InvalidInput(f"folder: {folder}: {error.strerror}", code="invalid_folder") from None
