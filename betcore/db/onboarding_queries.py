"""What the repositories of onboarding share: how a row is found, and what is refused if it is not there or disabled."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar

from sqlalchemy import Executable, Table, select
from sqlalchemy.ext.asyncio import AsyncConnection

from betcore.db.engine import R, typed
from betcore.domain.errors import NotFound, PreconditionCode, PreconditionFailed


@dataclass(frozen=True, slots=True)
class ProviderRow:
    """A provider that games and sessions are of."""

    provider_id: int
    name: str
    profile: dict[str, object]
    disabled_at: datetime | None
    suspended_at: datetime | None


@dataclass(frozen=True, slots=True)
class CasinoRow:
    """A casino that sessions are of."""

    casino_id: int
    name: str
    disabled_at: datetime | None
    profile: dict[str, object]


class Switchable(Protocol):
    """What can be disabled."""

    @property
    def disabled_at(self) -> datetime | None:
        """Return since when it is disabled."""


S = TypeVar("S", bound=Switchable)
_DISABLED: dict[str, PreconditionCode] = {
    "provider": "provider_disabled",
    "casino": "casino_disabled",
    "game": "game_disabled",
}


def named(partners: Table, name: str) -> Executable:
    """Return the query for a provider or a casino by its name."""
    return select(partners).where(partners.c.name == name)


async def every(connection: AsyncConnection, statement: Executable, row: type[R]) -> list[R]:
    """Return the rows of a statement."""
    return typed(await connection.execute(statement), row)


async def only(connection: AsyncConnection, statement: Executable, row: type[R], what: str) -> R:
    """Return the one row of a statement. Raise NotFound."""
    rows = await every(connection, statement, row)
    if not rows:
        raise NotFound(f"there is no such {what}")
    return rows[0]


async def enabled(connection: AsyncConnection, statement: Executable, row: type[S], what: str) -> S:
    """Return the one row of a statement. Raise NotFound, and PreconditionFailed if it is disabled."""
    found = await only(connection, statement, row, what)
    if found.disabled_at is not None:
        raise PreconditionFailed(f"the {what} is disabled", code=_DISABLED[what])
    return found
