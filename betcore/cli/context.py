"""What commands share: settings, a database engine, one piece of work, and its result as JSON or text.

Heavy modules are imported by the functions that need them, so that ``--help`` is quick.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from betcore.cli.output import emit, read_settings, reporting_errors
from betcore.domain.errors import FailureCode, InvalidInput, Unavailable

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from betcore.db.database import Database
    from betcore.db.onboarding import Onboarding
    from betcore.db.onboarding_catalogue import Catalogue
    from betcore.db.onboarding_limits import Limits
    from betcore.db.onboarding_sessions import Sessions
    from betcore.runtime.settings import Settings

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class CommandContext:
    """The settings and the database of one command; ``engine`` is for setting up partners and for migrations."""

    settings: "Settings"
    database: "Database"
    engine: "AsyncEngine"

    @property
    def partners(self) -> "Onboarding":
        """Return the repository of providers and casinos, with the vault of the settings.

        Raises Misconfigured (``no_secret_key``).
        """
        from betcore.db.onboarding import Onboarding
        from betcore.runtime.vault import Vault

        return Onboarding(self.engine, Vault.of(self.settings))

    @property
    def catalogue(self) -> "Catalogue":
        """Return the repository of games."""
        from betcore.db.onboarding_catalogue import Catalogue

        return Catalogue(self.engine)

    @property
    def limits(self) -> "Limits":
        """Return the repository of the limits of games and casinos."""
        from betcore.db.onboarding_limits import Limits

        return Limits(self.engine)

    @property
    def sessions(self) -> "Sessions":
        """Return the repository of players and sessions."""
        from betcore.db.onboarding_sessions import Sessions

        return Sessions(self.engine)


Work = Callable[[CommandContext], Awaitable[Json]]


def run_command(
    as_json: bool,
    data_dir: Path | None,
    work: Work,
    words: Callable[[Json], str] | None = None,
    *,
    operator: str | None = None,
    kind: "type[Settings] | None" = None,
) -> None:
    """Run one piece of work against the database and print its result; ``words`` formats it for a person.

    ``operator`` is the person whose changes of the configuration are recorded. ``kind`` is the class of the settings of
    a command with a database role of its own.
    """
    with reporting_errors(as_json):
        done = asyncio.run(_in_context(read_settings(data_dir, kind), work, operator))
        emit(done, as_json, words(done) if words and not as_json else None)


def given_operator(operator: str | None) -> str:
    """Return the operator of a change. Raises InvalidInput (``invalid_operation``) if the command names none."""
    if operator is None:
        raise InvalidInput("operator: who changes it? Name the person by --operator", code="invalid_operation")
    return operator


def read_file(path: Path | None) -> str:
    """Return the text of a profile's file, empty without a file.

    Raises InvalidInput (``invalid_profile``) if it cannot be read.
    """
    if path is None:
        return ""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise InvalidInput(f"{path}: {error.strerror}", code="invalid_profile") from None
    except UnicodeDecodeError:
        raise InvalidInput(f"{path}: not UTF-8 text", code="invalid_profile") from None


def parse_time(option: str, given: str) -> datetime:
    """Return the time that an option names, UTC if it has no zone. Raises InvalidInput (``invalid_time``)."""
    try:
        found = datetime.fromisoformat(given)
    except ValueError:
        message = f"{option}: a day or a time such as 2026-11-22 or 2026-11-22T10:30:00Z; not {given!r}"
        raise InvalidInput(message, code="invalid_time") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def lines(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows as aligned columns below their names."""
    if not rows:
        return "none"
    cells = [list(rows[0])] + [["-" if value is None else str(value) for value in row.values()] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in cells)


async def _in_context(settings: "Settings", work: Work, operator: str | None) -> Json:
    from betcore.db import validation
    from betcore.db.database import DatabaseError, open_database
    from betcore.db.engine import create_engine

    if operator is not None:
        operator = validation.name("operator", operator.strip())
    try:
        async with open_database(settings, operator) as database:
            engine = create_engine(settings, operator)
            try:
                return await work(CommandContext(settings, database, engine))
            finally:
                await engine.dispose()
    except DatabaseError as error:
        code: FailureCode = "unreachable" if error.unreachable else "database_refused"
        raise Unavailable(f"database: {error}", code=code) from error
