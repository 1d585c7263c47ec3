"""Incidents as people read them: what both sides report of a bet, and how the bet stands now. Nothing here writes."""

from collections.abc import Mapping
from datetime import datetime

from betcore.db.bet_history import Json, bet_now
from betcore.db.database import Database
from betcore.db.statements import incidents
from betcore.db.statements.incidents import IncidentRow
from betcore.domain.errors import InvalidInput, NotFound

KINDS = {
    "different_data": "a call names other data, or wants other winnings, than the bet has",
    "already_refunded": "winnings were asked for a bet that is refunded",
    "settled_with_another_win": "a win was asked for while another one stood in the row, and that one is paid",
    "unreadable_win": "a call of a known bet names winnings that cannot be read; nothing was paid",
    "unreadable": "the rows of a bet cannot be read by this deployment: reconciliation has passed it over",
    "parked": "the casino has refused a movement for good, or holds another one in its place",
    "cancelled": "somebody has asked to cancel the workflow of a bet; it was not followed",
    "debited_after_the_end": "the casino has taken a stake whose bet had ended without it",
    "accept_contradicts": "an Accept of the casino says other than its first one, or than our record of the movement",
    "accept_unreadable": "an Accept of the casino for a bet of ours could not be read; `reason` says what of it",
    "reversal_refused": "the casino will not give a win back, so the stake was not returned either",
    "reconciliation_missing_there": "a movement that we have made is not in the casino's book",
    "reconciliation_missing_here": "the casino's book has a movement that we have not made",
    "reconciliation_amount": "the casino's book has a movement of ours with other data, or twice",
    "reconciliation_status": "the casino's book has a movement that is parked",
    "catalogue_failed": "a provider's list of games could not be had or believed; its games stay as they are",
    "catalogue_shrunk": "most of a provider's games are missing from its list; they stay until an operator accepts it",
    "cashback_not_cancelled": "the casino did not take a cashback back: the player keeps it",
    "win_in_review": "a win is beyond a limit of its provider: it waits until two operators release or refuse it",
    "paid_twice": "a payment was marked as paid by hand, and the casino has made it as well: the player has it twice",
}


class Incidents:
    """Reads the table ``incident``. Amounts are text in major units, times ISO 8601 in UTC; no personal data."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def listed(
        self,
        *,
        kind: str | None = None,
        bet_id: int | None = None,
        provider: str | None = None,
        provider_bet_id: str | None = None,
        since: datetime | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> list[Json]:
        """Return at most ``limit`` incidents that fit all filters given, newest first; ``before`` is the id to go on
        from.

        Raise InvalidInput(invalid_kind) for an unknown kind, NotFound for an unknown provider.
        """
        if kind is not None and kind not in KINDS:
            raise InvalidInput(f"a kind is one of {', '.join(KINDS)}; not {kind!r}", code="invalid_kind")
        if provider is not None and await self._database.one_row(incidents.PROVIDER, name=provider) is None:
            raise NotFound(f"there is no provider {provider!r}")
        given = {"kind": kind, "provider": provider, "since": since, "before": before, "limit": limit}
        if bet_id is None and provider_bet_id is None:
            found = await self._database.all_rows(incidents.LISTED, **given)
        else:
            bets = {"bet_id": bet_id, "provider_bet_id": provider_bet_id}
            found = await self._database.all_rows(incidents.OF_BETS, **given, **bets)
        return [_line(row) for row in found]

    async def shown(self, incident_id: int) -> Json:
        """Return one incident: both sides, and the bet, its movements, events and reversal, all at one moment.

        ``differs`` names what both sides name differently. ``bet`` and ``reversal`` are None if there is none. Raise
        NotFound.
        """
        async with self._database.transaction("repeatable_read", readonly=True) as transaction:
            found = await transaction.all_rows(incidents.SHOWN, incident_id=incident_id)
            if not found:
                raise NotFound(f"there is no incident {incident_id}")
            return _head(found[0]) | await bet_now(transaction, found[0].bet_id)

    async def counts(self) -> dict[str, int]:
        """Return how many incidents there are of each kind, 0 of a kind that never was."""
        found = {row.kind: row.incidents for row in await self._database.all_rows(incidents.COUNTS)}
        return dict.fromkeys(KINDS, 0) | found


def _line(row: IncidentRow) -> Json:
    return {
        "incident_id": row.incident_id,
        "at": row.at.isoformat(),
        "kind": row.kind,
        "differs": _differing(row.ours, row.theirs),
        "bet_id": row.bet_id,
        "provider": row.provider,
        "provider_bet_id": row.provider_bet_id,
        "casino": row.casino,
        "bet_state": row.bet_state,
    }


def _head(row: IncidentRow) -> Json:
    return {
        "incident_id": row.incident_id,
        "at": row.at.isoformat(),
        "kind": row.kind,
        "meaning": KINDS.get(row.kind),
        "ours": _side(row.ours),
        "theirs": _side(row.theirs),
        "differs": _differing(row.ours, row.theirs),
    }


def _side(facts: Mapping[str, object]) -> Json:
    # Personal data: no version writes it any more, but older rows have it.
    return {name: value for name, value in facts.items() if name != "partner_user_id"}


def _differing(ours: Mapping[str, object], theirs: Mapping[str, object]) -> list[str]:
    return [name for name, value in _side(ours).items() if name in theirs and theirs[name] != value]
