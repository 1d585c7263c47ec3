"""Incidents as people read them: what two sides said of a bet, and how the bet stands now. Nothing here writes."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Executable, Row, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from betcore.db.bet_history import bet_now
from betcore.domain.errors import InvalidInput, NotFound

Json = dict[str, Any]

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
    "paid_twice": "a payment was marked as paid by hand, and the casino has made it as well: the player has it twice",
}

# What is filed before the bet has a row names the bet in its data, and so do both of its keys there.
_INCIDENTS = """
SELECT i.incident_id, i.at, i.kind, i.ours, i.theirs, bet.bet_id, bet.provider_bet_id, bet.state AS bet_state,
       provider.name AS provider, casino.name AS casino
FROM incident i
LEFT JOIN LATERAL (
    SELECT bet.* FROM bet WHERE bet.bet_id = i.bet_id
    UNION ALL
    SELECT bet.* FROM provider named JOIN bet USING (provider_id)
    WHERE i.bet_id IS NULL
      AND named.counterparty_id::text = coalesce(i.ours ->> 'counterparty_id', i.theirs ->> 'counterparty_id')
      AND provider_bet_id = coalesce(i.ours ->> 'provider_bet_id', i.theirs ->> 'provider_bet_id')
) AS bet ON true
LEFT JOIN provider ON provider.provider_id = bet.provider_id
LEFT JOIN casino ON casino.casino_id = bet.casino_id
"""

_FILTERS = {
    "kind": "i.kind = :kind",
    "bet_id": "bet.bet_id = :bet_id AND (i.bet_id = :bet_id OR i.bet_id IS NULL)",
    "provider": "provider.name = :provider",
    "provider_bet_id": "bet.provider_bet_id = :provider_bet_id",
    "since": "i.at >= :since",
    "before": "i.incident_id < :before",
}


class Incidents:
    """Reads the table ``incident``. Amounts are text in major units, times ISO 8601 in UTC; no personal data."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

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
        """At most ``limit`` incidents that fit everything given, newest first; ``before`` is the id to go on from.

        Raises InvalidInput(invalid_kind) for an unknown kind, NotFound for an unknown provider.
        """
        asked = {
            "kind": kind,
            "bet_id": bet_id,
            "provider": provider,
            "provider_bet_id": provider_bet_id,
            "since": since,
            "before": before,
        }
        given = {name: value for name, value in asked.items() if value is not None}
        if kind is not None and kind not in KINDS:
            raise InvalidInput(f"a kind is one of {', '.join(KINDS)}; not {kind!r}", code="invalid_kind")
        where = " AND ".join(_FILTERS[name] for name in given) or "true"
        query = f"{_INCIDENTS} WHERE {where} ORDER BY i.incident_id DESC LIMIT :limit"
        async with self._engine.connect() as connection:
            if provider is not None:
                await _known_provider(connection, provider)
            rows = await connection.execute(_sides(query), {**given, "limit": limit})
            return [_line(row) for row in rows]

    async def shown(self, incident_id: int) -> Json:
        """One incident: both sides, and the bet, its movements, events and reversal, all of one moment.

        ``differs`` names what both sides name differently. ``bet`` and ``reversal`` are None where there is none.
        Raises NotFound.
        """
        async with self._engine.execution_options(isolation_level="REPEATABLE READ").begin() as connection:
            query = _sides(f"{_INCIDENTS} WHERE i.incident_id = :incident_id")
            row = (await connection.execute(query, {"incident_id": incident_id})).one_or_none()
            if row is None:
                raise NotFound(f"there is no incident {incident_id}")
            return _head(row) | await bet_now(connection, row.bet_id)

    async def counts(self) -> dict[str, int]:
        """How many there are of each kind, 0 of a kind that never was."""
        query = text("SELECT kind, count(*) AS incidents FROM incident GROUP BY kind")
        async with self._engine.connect() as connection:
            found = {row.kind: row.incidents for row in await connection.execute(query)}
        return dict.fromkeys(KINDS, 0) | found


def _sides(query: str) -> Executable:
    return text(query).columns(ours=JSONB, theirs=JSONB)


async def _known_provider(connection: AsyncConnection, name: str) -> None:
    query = text("SELECT 1 FROM provider WHERE name = :name")
    if (await connection.execute(query, {"name": name})).one_or_none() is None:
        raise NotFound(f"there is no provider {name!r}")


def _line(row: Row[Any]) -> Json:
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


def _head(row: Row[Any]) -> Json:
    return {
        "incident_id": row.incident_id,
        "at": row.at.isoformat(),
        "kind": row.kind,
        "meaning": KINDS.get(row.kind),
        "ours": _side(row.ours),
        "theirs": _side(row.theirs),
        "differs": _differing(row.ours, row.theirs),
    }


def _side(facts: Mapping[str, Any]) -> Json:
    # Nobody writes it any more, but rows of before stay.
    return {name: value for name, value in facts.items() if name != "partner_user_id"}


def _differing(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[str]:
    return [name for name, value in _side(ours).items() if name in theirs and theirs[name] != value]
