"""A database with everything that reads and writes partners in it, for the tests of onboarding."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from cryptography.fernet import Fernet
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from betcore.db.database import Database, open_database
from betcore.db.engine import create_engine
from betcore.db.onboarding import Onboarding
from betcore.db.onboarding_catalogue import Catalogue
from betcore.db.onboarding_limits import Limits
from betcore.db.onboarding_sessions import Sessions
from betcore.db.partners import Partners
from betcore.db.signing_keys import SigningKeys
from betcore.db.statement import R, Statement
from betcore.domain.errors import BetcoreError
from betcore.runtime.settings import Settings
from betcore.runtime.vault import Vault


class PartnerDatabase:
    """Onboarding, catalogue, reader and keys over one database; nothing is cached unless a test asks for it."""

    def __init__(self, db: Database, engine: AsyncEngine) -> None:
        self.db, self.engine = db, engine
        self.secret_key = Fernet.generate_key().decode()
        self.vault = Vault(self.secret_key)
        self.onboarding = Onboarding(engine, self.vault)
        self.catalogue = Catalogue(engine)
        self.limits = Limits(engine)
        self.sessions = Sessions(engine)
        self.partners = self.reader()
        self.keys = SigningKeys(db, self.vault, 0)

    @classmethod
    @asynccontextmanager
    async def at(cls, database_url: str) -> "AsyncIterator[PartnerDatabase]":
        settings = Settings(database_url=SecretStr(database_url), database_pool_size=5)
        engine = create_engine(settings)
        async with open_database(settings) as db:
            yield cls(db, engine)
        await engine.dispose()

    def reader(self, cache_seconds: float = 0) -> Partners:
        return Partners(self.db, self.vault, cache_seconds)

    async def sql(self, statement: str) -> Any:
        async with self.engine.connect() as connection:
            result = await connection.execute(text(statement))
            return result.scalars().all() if result.returns_rows else None

    async def ready(self, min_bet: str | None = "0.10", max_bet: str | None = "500") -> Any:
        """Add a provider, a casino and a game; return what opens a session there."""
        await self.onboarding.add_provider("acme", "http://acme.example")
        await self.onboarding.add_casino("royal", "http://royal.example", confirmation="reply")
        await self.catalogue.add_game("acme", "dice-1", "Dice", "EUR", min_bet, max_bet)
        return "acme", "royal", "dice-1", "player-1"


class CountedDatabase(Database):
    """The connections of another database, and the text of each statement that went through this one."""

    def __init__(self, database: Database) -> None:
        super().__init__(database._pool)
        self.statements: list[str] = []

    async def _records(self, statement: Statement[R], given: dict[str, object]) -> list[Any]:
        self.statements.append(statement.sql)
        return await super()._records(statement, given)


class refused:  # noqa: N801 (reads as a phrase)
    """``with refused("code"):`` the block must raise a BetcoreError with that code."""

    def __init__(self, code: str, match: str = "") -> None:
        self._code, self._match = code, match

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        assert isinstance(error, BetcoreError), f"want a refusal with {self._code}, got {error!r}"
        assert error.code == self._code
        assert re.search(self._match, str(error)), str(error)
        return True
