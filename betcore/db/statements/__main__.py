"""Print the SQL of the service: ``python -m betcore.db.statements [NAME]``.

Without a name it lists all names, such as ``bets.OPEN``. A statement is printed whole, as it goes to PostgreSQL, for
psql: its parameters are psql variables, set to NULL in the lines above it. Text is set with quotes of its own,
``\\set owner '''run-1'''``. Most statements write: begin a transaction first and roll it back, or put EXPLAIN in front.
"""

import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from betcore.db.statement import Statement


def statements() -> dict[str, Statement[object]]:
    """Return all statements by name, in the order in which their modules have them."""
    modules = sorted(file.stem for file in Path(__file__).parent.glob("[a-z]*.py"))
    return {
        f"{module}.{name}": value
        for module in modules
        for name, value in vars(import_module(f"{__package__}.{module}")).items()
        if isinstance(value, Statement)
    }


def parameters(statement: Statement[object]) -> list[str]:
    """Return the names of a statement's parameters."""
    return sorted(statement.parameters)


def for_psql(statement: Statement[object]) -> str:
    """Return a statement as psql runs it."""
    settings = "".join(f"\\set {name} NULL\n" for name in parameters(statement))
    return f"{settings}{statement.sql.strip()};"


def main(arguments: Sequence[str]) -> int:
    """Print the names, or the statement named; return the exit status."""
    found = statements()
    match arguments:
        case []:
            print("\n".join(found))  # noqa: T201
        case [name] if name in found:
            print(for_psql(found[name]))  # noqa: T201
        case _:
            print("usage: python -m betcore.db.statements [NAME]; without a name it lists all", file=sys.stderr)  # noqa: T201
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
