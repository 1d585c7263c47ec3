"""The engine: an error never shows the values of its statement, which may be secrets."""

import pytest
from sqlalchemy import text

from betcore.db.database import DatabaseError
from betcore.db.engine import create_engine
from betcore.runtime.settings import Settings


async def test_an_error_does_not_show_the_values_of_its_statement(database_url: str) -> None:
    engine = create_engine(Settings(database_url=database_url))
    try:
        async with engine.connect() as connection:
            with pytest.raises(DatabaseError) as raised:
                await connection.execute(
                    text("SELECT 1 / (length(:secret) - length(:secret))"), {"secret": "hush-hush"}
                )
    finally:
        await engine.dispose()
    assert "DivisionByZeroError" in str(raised.value)
    assert "hush-hush" not in str(raised.value)
