"""The engine: rows are typed, and an error never shows the values of its statement, which may be secrets or players."""

from dataclasses import dataclass

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from betcore.db.engine import Statement, all_rows, create_engine, one_row
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


@dataclass(frozen=True)
class Back:
    back_id: int
    back_state: str


@dataclass(frozen=True)
class Claimed:
    bet_id: int
    back: Back | None


BETS = """
SELECT bet_id, back_id, back_state, 'no field' AS more
FROM (VALUES (1, 7, 'open'), (2, NULL, NULL)) AS bets (bet_id, back_id, back_state) WHERE bet_id >= :first ORDER BY 1
"""


async def test_a_row_is_made_of_its_columns_by_name(database_url: str) -> None:
    engine, bets = create_engine(Settings(database_url=database_url)), Statement(Claimed, BETS)
    try:
        assert await all_rows(engine, bets, first=1) == [Claimed(1, Back(7, "open")), Claimed(2, None)]
        assert await one_row(engine, bets, first=2) == Claimed(2, None)
        assert await one_row(engine, bets, first=3) is None
        with pytest.raises(ValueError, match="2 rows"):
            await one_row(engine, bets, first=1)
    finally:
        await engine.dispose()
