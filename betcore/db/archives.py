"""Archives: what leaves the table of events, and which file has it."""

from collections.abc import Sequence
from datetime import datetime

from betcore.db.database import Database
from betcore.db.statements import archives
from betcore.domain.archives import Archive, ArchivedBet, EventPage, Horizon, NewArchive

# Bets of one statement that writes them. An archive is one transaction of such statements.
_AT_ONCE = 5000


class Archives:
    """The archives of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def horizon(self, days: int) -> Horizon:
        """Return whose events may leave, by the database's clock."""
        [found] = await self._database.all_rows(archives.HORIZON, days=days)
        return found

    async def page(self, after: int, horizon: Horizon, limit: int) -> EventPage:
        """Return the events of the next bets behind a number, those of a bet together and in their order."""
        given = {"after": after, "upto": horizon.upto, "at_rest_before": horizon.at_rest_before, "limit": limit}
        rows = await self._database.all_rows(archives.PAGE, **given)
        return EventPage(rows[0].upto, [row.event for row in rows if row.event is not None])

    async def record(self, new: NewArchive) -> Archive:
        """Write down what a file has, all or nothing. Its events may leave from then on."""
        bets = new.bets
        head = {
            "name": new.name,
            "sha256": new.sha256,
            "size": new.size,
            "bets": len(bets),
            "events": sum(bet.events for bet in bets),
            "first_bet_id": bets[0].bet_id,
            "last_bet_id": bets[-1].bet_id,
        }
        async with self._database.transaction() as transaction:
            [made] = await transaction.all_rows(archives.RECORD, **head)
            for place in range(0, len(bets), _AT_ONCE):
                part = bets[place : place + _AT_ONCE]
                await transaction.execute(archives.RECORD_BETS, archive_id=made.archive_id, **_columns(part))
        [recorded] = await self._database.all_rows(archives.BY_NAME, name=new.name)
        return recorded

    async def delete(self, bet_ids: Sequence[int], event_ids: Sequence[int], at_rest_before: datetime) -> int:
        """Delete events that an archive has, and return how many; of a bet that is not at rest any more, none.

        Raise DatabaseError if a bet has other events of these numbers than an archive, or none has them.
        """
        given = {"bet_ids": bet_ids, "event_ids": event_ids, "at_rest_before": at_rest_before}
        [done] = await self._database.all_rows(archives.DELETE, **given)
        return done.events

    async def finish(self, archive: Archive) -> Archive:
        """Record that the events of an archive have left, and return it as it is then."""
        await self._database.execute(archives.FINISH, archive_id=archive.archive_id)
        [finished] = await self._database.all_rows(archives.BY_NAME, name=archive.name)
        return finished

    async def unfinished(self) -> list[Archive]:
        """Return the archives whose events are yet to leave, oldest first."""
        return await self._database.all_rows(archives.UNFINISHED)

    async def listed(self, before: int | None, limit: int) -> list[Archive]:
        """Return archives, newest first; ``before`` is the number to go on from."""
        return await self._database.all_rows(archives.LISTED, before=before, limit=limit)

    async def named(self, name: str) -> Archive | None:
        """Return the archive of a file, None if no row names it."""
        return await self._database.one_row(archives.BY_NAME, name=name)

    async def bets_of(self, archive_id: int, bet_ids: Sequence[int]) -> list[ArchivedBet]:
        """Return what an archive has of these bets, by their numbers; those that it does not have are left out."""
        return await self._database.all_rows(archives.OF_BETS, archive_id=archive_id, bet_ids=bet_ids)


def _columns(bets: Sequence[ArchivedBet]) -> dict[str, object]:
    return {
        "bet_ids": [bet.bet_id for bet in bets],
        "counts": [bet.events for bet in bets],
        "told": [bet.told for bet in bets],
        "withdrawn": [bet.withdrawn for bet in bets],
        "hashes": [bet.sha256 for bet in bets],
    }
