"""Bets and incidents as text for a terminal."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from betcore.cli.context import Json, lines

# A payout that is owed for days has thousands of events.
EVENTS_AT_EACH_END = 50


def bet(found: Json) -> list[str]:
    """Return the paragraphs of a bet or a cashback as ``betcore.db.bet_history`` reads it."""
    what = "bet" if found["bet"] else "cashback"
    parts = [heading(f"the {what} now", fields(found[what])), heading("movements", table(found["movements"]))]
    if found["reversal"] is not None:
        parts.append(heading("reversal", fields(found["reversal"])))
    if found["archived"]:
        parts.append(heading("events in files", table(found["archived"])))
    return [*parts, heading("what happened", timeline(found["events"]))]


def timeline(events: Sequence[Json]) -> str:
    """Return events in their order, one a line; of a long history the first and the last ones."""
    rows = [f"{time(event['at'])}  {event['kind']}  {_data(event['data'])}".rstrip() for event in events]
    left_out = len(rows) - 2 * EVENTS_AT_EACH_END
    if left_out > 0:
        gap = f"... {left_out} events are left out here; --json has them all"
        rows = [*rows[:EVENTS_AT_EACH_END], gap, *rows[-EVENTS_AT_EACH_END:]]
    return "\n".join(rows) or "none"


def _data(data: Mapping[str, Any]) -> str:
    return " ".join(f"{name}={plain(value)}" for name, value in data.items())


def heading(title: str, body: str) -> str:
    """Return a title and the indented text below it."""
    return f"{title}:\n" + "\n".join(f"  {line}" for line in body.splitlines())


def fields(data: Mapping[str, Any]) -> str:
    """Return names and values, one pair a line, without those that are None."""
    given = {name: value for name, value in data.items() if value is not None}
    return "\n".join(f"{name.ljust(max(map(len, given)))}  {_cell(name, value)}" for name, value in given.items())


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows as aligned columns below their names."""
    return lines([{name: _cell(name, value) for name, value in row.items()} for row in rows])


def _cell(name: str, value: Any) -> str | None:
    if value is None:
        return None
    return time(value) if name in ("at", "since") or name.endswith(("_at", "_after", "_until")) else plain(value)


def time(moment: str) -> str:
    """Return a time in UTC, to the second."""
    return datetime.fromisoformat(moment).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def plain(value: Any) -> str:
    """Return a value on one line, escaped if it is not printable: what a partner sent must not control the terminal."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if text.isprintable() else json.dumps(text)
