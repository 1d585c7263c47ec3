"""Whether a process can do its work: what it depends on is asked, all at once, and each has the same short time."""

import asyncio
from collections.abc import Awaitable, Mapping
from typing import TYPE_CHECKING, TypeVar

from betcore.db.database import Database
from betcore.db.statement import NoRow, Statement

if TYPE_CHECKING:
    # The feed knows nothing of Temporal, and is smaller without it.
    from temporalio.client import Client

T = TypeVar("T")

_WITHIN = 1.0
_ALIVE = Statement(NoRow, "SELECT 1")


async def ready(database: Database, temporal: "Client | None" = None) -> Mapping[str, bool]:
    """Return whether the database and, if it is given, Temporal answer, by name."""
    asked: dict[str, Awaitable[bool]] = {"database": _answers(database)}
    if temporal is not None:
        asked["temporal"] = temporal.service_client.check_health()
    answers = await asyncio.gather(*map(soon, asked.values()))
    return {name: bool(answer) for name, answer in zip(asked, answers, strict=True)}


async def soon(question: Awaitable[T]) -> T | None:
    """Return the answer to a question; None if it fails, or takes longer than a second."""
    try:
        async with asyncio.timeout(_WITHIN):
            return await question
    except Exception:
        # Any failure means that the part does not answer; its own log says why.
        return None


async def _answers(database: Database) -> bool:
    await database.execute(_ALIVE)
    return True
