"""What an error of the database says: never the values of its statement, which may be secrets or players' ids."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from betcore.db.engine import create_engine
from betcore.runtime.settings import Settings


async def test_an_error_does_not_show_the_values_of_its_statement(database_url: str) -> None:
    engine = create_engine(Settings(database_url=database_url))
    try:
        async with engine.connect() as connection:
            with pytest.raises(DBAPIError) as raised:
                await connection.execute(
                    text("SELECT 1 / (length(:secret) - length(:secret))"), {"secret": "hush-hush"}
                )
    finally:
        await engine.dispose()
    assert "division by zero" in str(raised.value)
    assert "hush-hush" not in str(raised.value)
