"""A SQL statement of the service, and the dataclass that its rows become."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from operator import itemgetter
from typing import Any, Generic, Protocol, TypeVar, cast, get_args, get_type_hints


class Columns(Protocol):
    """One row as a driver returns it: its values by the names of its columns."""

    def __getitem__(self, name: str, /) -> Any: ...


# A dataclass, as what makes a row of columns.
Row = Callable[..., object]
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)

# What is skipped first: a string and a comment have no parameters. `::` is a cast.
_PARAMETER = re.compile(r"'[^']*'|--[^\n]*|(?<![:\w]):([a-z_]\w*)")


@dataclass(frozen=True, slots=True)
class NoRow:
    """The row of a statement that only writes."""


class Statement(Generic[R_co]):
    """The text of one SQL statement with its parameters as ``:name``, and the dataclass that its rows become.

    A field of the dataclass is the column of that name; other columns are left out. A field that is a dataclass itself
    is made of the columns of the same row; if the first of them is NULL, it is None.

    ``query`` is the text as PostgreSQL takes it, with ``$1`` in the place of the first name in ``parameters``.
    """

    def __init__(self, row: type[R_co], sql: str) -> None:
        self.row = row
        self.sql = sql
        self.query, self.parameters = _numbered(sql)
        self.made = maker(row)

    def arguments(self, given: Mapping[str, object]) -> list[object]:
        """Return the values of the parameters in their order. Raise KeyError if one is not given."""
        return [given[name] for name in self.parameters]


def _numbered(sql: str) -> tuple[str, tuple[str, ...]]:
    names: list[str] = []

    def number(found: re.Match[str]) -> str:
        name = found[1]
        if name is None:
            return found[0]
        if name not in names:
            names.append(name)
        return f"${names.index(name) + 1}"

    return _PARAMETER.sub(number, sql), tuple(names)


def maker(row: Callable[..., R]) -> Callable[[Columns], R]:
    """Return what makes such a row of the columns of one."""
    found = parts(row)
    if len(found) > 1 and not any(part for _, part in found):
        # One call takes all columns: this is on the path of every statement.
        take = itemgetter(*(name for name, _ in found))
        return lambda columns: row(*take(columns))
    takers = [itemgetter(name) if part is None else _nested(part) for name, part in found]
    return lambda columns: row(*[taker(columns) for taker in takers])


def _nested(row: Row) -> Callable[[Columns], object]:
    made, key = maker(row), _key(row)
    return lambda columns: None if columns[key] is None else made(columns)


def _key(row: Row) -> str:
    name, part = parts(row)[0]
    return name if part is None else _key(part)


@cache
def parts(row: Row) -> list[tuple[str, Row | None]]:
    """Return the fields of a row, each with its dataclass if it is one."""
    hints = get_type_hints(row)
    return [(field.name, _part(hints[field.name])) for field in fields(cast(Any, row))]


def _part(hint: Any) -> Row | None:
    return next((kind for kind in (hint, *get_args(hint)) if is_dataclass(kind) and isinstance(kind, type)), None)
