"""The games of a provider as its list has them, and how the last sync ended."""

from collections.abc import Sequence

from betcore.db.database import Database, Transaction
from betcore.db.row_mapping import as_json, time_text
from betcore.db.statements import admin_events, catalogue_sync
from betcore.db.statements.catalogue_sync import SyncRow
from betcore.domain.catalogue import FIELDS, GameList, ListedGame, Synced, shrinks

Json = dict[str, object]

# Games in one statement.
_BATCH = 1000
_INCIDENTS = {"failed": "catalogue_failed", "held": "catalogue_shrunk"}


class CatalogueSyncs:
    """Writes what providers list."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def counterparties(self) -> list[str]:
        """Return the counterparty ids of all providers."""
        return [row.counterparty_id for row in await self._database.all_rows(catalogue_sync.COUNTERPARTIES)]

    async def shown(self, provider_name: str) -> Json | None:
        """Return how a provider's last sync has ended, as people read it; None before the first one."""
        row = await self._database.one_row(catalogue_sync.SHOWN, name=provider_name)
        if row is None:
            return None
        return {
            "outcome": row.outcome,
            "reason": row.reason,
            "tried_at": time_text(row.tried_at),
            "synced_at": time_text(row.synced_at),
        }

    async def etag(self, provider_id: int) -> str | None:
        """Return the ETag of the list that is applied as a whole, None without one."""
        row = await self._database.one_row(catalogue_sync.LAST, provider_id=provider_id)
        return row.etag if row else None

    async def apply(self, provider_id: int, found: GameList, *, accept: bool, operator: str | None = None) -> Synced:
        """Add and change games as a list has them, and mark as gone those that it lacks, in one transaction.

        If too many would go, and that is not accepted, none is marked. ``operator`` is who has accepted it.
        """
        ids = [game.game_id for game in found.games]
        async with self._database.transaction() as transaction:
            before = await _begin(transaction, provider_id)
            await transaction.execute(catalogue_sync.PLAN_FOR_THIS_LIST)
            [count] = await transaction.all_rows(catalogue_sync.MISSING, provider_id=provider_id, game_ids=ids)
            added = changed = 0
            for start in range(0, len(found.games), _BATCH):
                columns = _columns(found.games[start : start + _BATCH])
                [written] = await transaction.all_rows(catalogue_sync.WRITE, provider_id=provider_id, **columns)
                added, changed = added + written.added, changed + written.changed
            held = not accept and shrinks(count.offered, count.missing, len(ids))
            if count.missing and not held:
                await transaction.execute(admin_events.NAME_OPERATOR, operator=operator or "")
                await transaction.execute(catalogue_sync.MARK_GONE, provider_id=provider_id, game_ids=ids)
            done = Synced(
                outcome="held" if held else "synced",
                listed=len(ids),
                added=added,
                changed=changed,
                gone=count.missing,
                bad=found.bad,
                problems=tuple(found.problems),
            )
            theirs = {"listed": str(done.listed), "missing": f"{count.missing} of {count.offered}"}
            await _end(transaction, provider_id, before, done, theirs, found.etag)
        return done

    async def nothing_changed(self, provider_id: int, done: Synced) -> Synced:
        """Record a sync that has changed nothing: the list is the same, or it could not be read."""
        async with self._database.transaction() as transaction:
            before = await _begin(transaction, provider_id)
            await _end(transaction, provider_id, before, done, {"message": "; ".join(done.problems)})
        return done


async def _begin(transaction: Transaction, provider_id: int) -> SyncRow:
    [row] = await transaction.all_rows(catalogue_sync.BEGIN, provider_id=provider_id)
    return row


async def _end(
    transaction: Transaction,
    provider_id: int,
    before: SyncRow,
    done: Synced,
    theirs: dict[str, str],
    etag: str | None = None,
) -> None:
    """Record how the sync has ended. An incident is filed once, not again while syncs go on to end in the same way."""
    ended = {"outcome": done.outcome, "reason": done.reason, "etag": etag}
    await transaction.execute(catalogue_sync.END, provider_id=provider_id, **ended)
    kind = _INCIDENTS.get(done.outcome)
    if kind is not None and (before.outcome, before.reason) != (done.outcome, done.reason):
        ours = as_json({"reason": done.reason})
        given = {"kind": kind, "ours": ours, "theirs": as_json(theirs)}
        await transaction.execute(catalogue_sync.INCIDENT, provider_id=provider_id, **given)


def _columns(games: Sequence[ListedGame]) -> dict[str, list[object]]:
    return {
        "game_ids": [game.game_id for game in games],
        "names": [game.name for game in games],
        "categories": [game.category for game in games],
        "max_odds": [game.max_odd for game in games],
        "image_urls": [game.image_url for game in games],
        "entries": [game.entry for game in games],
        "known": list(FIELDS),
    }
