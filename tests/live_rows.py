"""Live games and rounds that a test writes as rows: what the feed shows does not depend on who has written them."""

import json
import random
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

_COLUMNS = ("started_at", "betting_closes_at", "finished_at", "commitment", "seed", "algorithm")


@dataclass(frozen=True)
class LiveGame:
    """A live game of a provider."""

    engine: AsyncEngine
    game_type: int
    provider_id: int

    async def put(self, edition: int, state: str, play_status: str | None = None, **more: Any) -> str:
        """Write a round, in place of the one of this edition, and return its id."""
        round_id = more.pop("round_id", f"round-{self.game_type}-{edition}")
        results = more.pop("results", None)
        given = {
            "game_type": self.game_type,
            "edition": edition,
            "provider_id": self.provider_id,
            "round_id": round_id,
            "state": state,
            "play_status": play_status,
            "results": results and json.dumps(results),
        } | {name: more.get(name) for name in _COLUMNS}
        names = ", ".join(given)
        values = ", ".join(f"CAST(:{name} AS jsonb)" if name == "results" else f":{name}" for name in given)
        changes = ", ".join(f"{name} = excluded.{name}" for name in ("state", "play_status", "results", *_COLUMNS))
        async with self.engine.begin() as connection:
            query = f"""
                INSERT INTO live_round (announced_at, {names}) VALUES (now(), {values})
                ON CONFLICT (game_type, edition) DO UPDATE SET {changes}
            """  # noqa: S608 (names of columns, written here)
            await connection.execute(text(query), given)
        return str(round_id)

    async def finish(self, edition: int, results: list[int], at: datetime, **more: Any) -> str:
        """Write a finished round."""
        return await self.put(edition, "finished", results=results, started_at=at, finished_at=at, **more)

    async def change(self, **columns: Any) -> None:
        """Change the game's row."""
        changes = ", ".join(f"{name} = :{name}" for name in columns)
        async with self.engine.begin() as connection:
            query = f"UPDATE live_game SET {changes} WHERE game_type = :game_type"  # noqa: S608 (as above)
            await connection.execute(text(query), columns | {"game_type": self.game_type})


async def add_live_game(engine: AsyncEngine, provider_id: int, name_key: str = "draw") -> LiveGame:
    """Add a live game of its own to a test. All processes of a run may add games to one database."""
    query = """
        INSERT INTO live_game (game_type, provider_id, name_key, betting_seconds)
        VALUES (:type, :provider, :key, 12) ON CONFLICT DO NOTHING RETURNING game_type
    """
    found = None
    while found is None:
        given = {"type": random.randrange(2, 30_000), "provider": provider_id, "key": name_key}
        async with engine.begin() as connection:
            found = await connection.scalar(text(query), given)
    return LiveGame(engine, int(found), provider_id)
