"""What a test sees of a bet beside its answers: sends at the casino, search attributes, events and rows."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from betcore.temporal.visibility import BET_STATUS, NEEDS_ATTENTION
from tests.partner import TestPartner, eventually


async def sends(partner: TestPartner, bet: str) -> list[dict[str, Any]]:
    """Return every send of a movement of a bet that reached the casino, done or not, also in lists, oldest first."""
    row = await partner.row(bet)
    calls = [call for call in await partner.calls() if call["path"].startswith("/payments/make")]
    made = [one for call in calls for one in call["items"] or [call]]
    return [] if row is None else [one for one in made if one["bet_id"] == row.bet_id]


async def sent(partner: TestPartner, bet: str, times: int) -> None:
    """Wait until this many sends of a bet have reached the casino."""
    await holds(lambda: sends(partner, bet), lambda found: len(found) >= times)


async def made_in_lists(partner: TestPartner) -> int:
    """Return how many movements the casino has answered in lists, without those that a fault has met."""
    lists = [call for call in await partner.calls() if call["path"] == "/payments/make-list"]
    return sum(len(call["items"]) for call in lists if call["fault"] is None)


async def in_state(partner: TestPartner, bet: str, *states: str) -> None:
    """Wait until the bet's row is in one of these states."""
    await holds(lambda: partner.row(bet), lambda row: row is not None and row.state in states)


async def holds(read: Callable[[], Awaitable[Any]], condition: Callable[[Any], bool], seconds: float = 90) -> None:
    """Wait until what ``read`` returns fulfils a condition."""

    async def holds_now() -> bool:
        return condition(await read())

    await eventually(holds_now, seconds)


async def status(partner: TestPartner, bet: str) -> tuple[str | None, bool | None]:
    """Return the search attributes BetStatus and NeedsAttention of a bet."""
    told = (await partner.workflow(bet).describe()).typed_search_attributes
    return told.get(BET_STATUS), told.get(NEEDS_ATTENTION)


async def has_status(partner: TestPartner, bet: str, *wanted: object) -> None:
    """Wait until a bet has this BetStatus and NeedsAttention."""
    await holds(lambda: status(partner, bet), lambda found: found == wanted)


async def answers(partner: TestPartner, bet: str) -> list[dict[str, Any]]:
    """Return the casino's answers from the bet's events, oldest first."""
    query = """SELECT data FROM bet_event JOIN bet USING (bet_id) JOIN provider USING (provider_id)
               WHERE counterparty_id = :c AND provider_bet_id = :b AND kind = 'answer' ORDER BY event_id"""
    return [event.data for event in await partner.sql(query, c=partner.counterparty_id, b=bet)]


async def movement(partner: TestPartner, bet: str, kind: int) -> Any:
    """Return our row of one movement of a bet."""
    row = await partner.row(bet)
    query = "SELECT * FROM movement WHERE bet_id = :b AND transaction_type = :k"
    return (await partner.sql(query, b=row.bet_id, k=kind))[0]


async def passed(partner: TestPartner, bet: str) -> None:
    """Wait until the last moment of a bet's debit is over, by the database's clock."""
    row = await partner.row(bet)
    query = "SELECT now() > not_after AS passed FROM movement WHERE bet_id = :b AND transaction_type = -1"
    await holds(lambda: partner.sql(query, b=row.bet_id), lambda found: bool(found[0].passed))


def at(call: dict[str, Any]) -> datetime:
    """Return when a call reached the casino."""
    return datetime.fromisoformat(call["at"])
