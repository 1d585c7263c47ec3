"""Bytes of Temporal's store, by what they hold: the SQLite file of the embedded server, or databases of PostgreSQL."""

import sqlite3
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import asyncpg

# With the indexes of each table.
_FILE = """
SELECT coalesce(tbl_name, dbstat.name), sum(pgsize) FROM dbstat LEFT JOIN sqlite_schema USING (name) GROUP BY 1
"""
_DATABASE = """
SELECT relname::text, pg_total_relation_size(oid) FROM pg_class
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
"""
_HISTORY = ("history_node", "history_tree")

Bytes = Counter[str]


def of_file(path: Path) -> Bytes:
    """Return the bytes of an embedded server's store."""
    store = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return _grouped(store.execute(_FILE).fetchall())
    finally:
        store.close()


async def of_databases(addresses: Sequence[str]) -> Bytes:
    """Return the bytes of a server's databases together."""
    found = Bytes()
    for address in addresses:
        connection = await asyncpg.connect(address)
        try:
            found += _grouped([(row[0], row[1]) for row in await connection.fetch(_DATABASE)])
        finally:
            await connection.close()
    return found


def _grouped(tables: Sequence[tuple[str, int]]) -> Bytes:
    found = Bytes()
    for name, size in tables:
        found[_group(name)] += size
    return found


def _group(table: str) -> str:
    if "visibility" in table:
        return "temporal_visibility"
    return "temporal_history" if table in _HISTORY else "temporal_other"
