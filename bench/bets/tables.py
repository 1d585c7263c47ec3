"""The tables of a result, as they are printed: Markdown that is aligned for reading."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

Result = Mapping[str, Any]

_COLUMNS = {
    "bets_per_s": "bets/s",
    "pay_in_p50": "PayIn p50",
    "pay_in_p95": "p95",
    "pay_in_p99": "p99",
    "pay_out_p50": "PayOut p50",
    "pay_out_p95": "p95",
    "pay_out_p99": "p99",
    "pay_in_out_p50": "PayInOut p50",
    "pay_in_out_p95": "p95",
    "pay_in_out_p99": "p99",
    "unknown_answers": "unknown",
    "refused": "refused",
}
# Sections of a result that have a row for each of something, and those that have one row.
_NESTED = {
    "counts": "Counts of one bet",
    "sizes": "Bytes of one bet; log_pages are whole pages in the log",
    "memory_mib": "Memory: PSS in MiB",
}
_FLAT = {
    "idle_cpu_percent": "CPU while idle: percent of one core",
    "filled": "What was copied in",
    "casino_ms": "Milliseconds that the casino took by its own clock",
    "answers_at_the_slow_casino": "Answers at the slow casino",
    "drained": "Credits that were owed",
    "cpu_ms_a_credit": "Milliseconds of CPU a credit",
}
_CPU = ("api", "worker", "lean", "temporal", "postgres", "sandbox-casino", "driver")


def text_of(result: Result) -> str:
    """Return all tables of a result."""
    parts = [_head(result), *_tables_of_rows(result.get("rows", []))]
    if found := result.get("ratios"):
        parts.append(f"## Ratios to the first target: medians of the rounds' own ratios\n\n{_ratios(found)}")
    if found := result.get("verdicts"):
        parts.append(f"## Targets: medians of the rounds' own ratios\n\n{_verdicts(found)}")
    for name, found in result.get("arrivals", {}).items():
        parts.append(f"## Arrivals at {name} the capacity, by round\n\n{_nested(dict(enumerate(found, 1)))}")
    if found := result.get("histories"):
        flat = {f"{target}, {kind}": counts for target, kinds in found.items() for kind, counts in kinds.items()}
        parts.append(f"## Histories in Temporal\n\n{_nested(flat)}")
    if "table_bytes_a_bet" in result:
        parts.append(f"The tables of the service grow by {result['table_bytes_a_bet']:,} bytes a bet.")
    parts += [f"## {title}\n\n{_nested(result[name])}" for name, title in _NESTED.items() if result.get(name)]
    parts += [
        f"## {title}\n\n{table(list(result[name]), [list(result[name].values())])}"
        for name, title in _FLAT.items()
        if result.get(name)
    ]
    return "\n\n".join(parts) + "\n"


def _tables_of_rows(rows: Sequence[Result]) -> Iterator[str]:
    for kind in dict.fromkeys(row["kind"] for row in rows):
        of_kind = [row for row in rows if row["kind"] == kind]
        yield f"## {kind}: bets a second, and milliseconds of each call\n\n{_rates(of_kind)}"
        yield f"## {kind}: milliseconds of CPU a bet, by process\n\n{_cpu(of_kind)}"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table; columns of numbers are aligned to the right."""
    given = [list(row) for row in rows]
    body = [[_shown(value) for value in row] for row in given]
    widths = [max(map(len, column)) for column in zip(head, *body, strict=True)]
    texts = [any(isinstance(value, str) for value in column) for column in zip(*given, strict=True)]
    rule = [f"{'-' * (width - 1)}{'-' if text else ':'}" for width, text in zip(widths, texts, strict=True)]
    lines = (
        [cell.ljust(w) if text else cell.rjust(w) for cell, w, text in zip(line, widths, texts, strict=True)]
        for line in (list(head), rule, *body)
    )
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _head(result: Result) -> str:
    about = ", ".join(f"{name} {value}" for name, value in result["machine"].items())
    given = ", ".join(f"{name} {value}" for name, value in result["options"].items())
    return f"# {result['mode']}, {result['at']}\n\n{about}; commit {result['commit']}; {given}"


def _rates(rows: Sequence[Result]) -> str:
    names = [name for name in _COLUMNS if any(name in row["medians"] for row in rows)]
    return table(
        ["target", "confirmation", "in flight", *(_COLUMNS[name] for name in names)],
        ([*_place(row), *(row["medians"].get(name) for name in names)] for row in rows),
    )


def _cpu(rows: Sequence[Result]) -> str:
    names = [name for name in _CPU if any(f"cpu_{name}" in row["medians"] for row in rows)]
    return table(
        ["target", "confirmation", "in flight", "its own", "all but driver", *names],
        (
            [
                *_place(row),
                row["medians"]["cpu_own"],
                row["medians"]["cpu_all"],
                *(row["medians"].get(f"cpu_{name}") for name in names),
            ]
            for row in rows
        ),
    )


def _place(row: Result) -> list[object]:
    return [row["target"], row["confirmation"], row["in_flight"]]


def _verdicts(found: Sequence[Result]) -> str:
    head = ["target", "load", "limit", "median", "low", "high", "holds"]
    return table(head, ([one[name] for name in head] for one in found))


def _ratios(found: Sequence[Result]) -> str:
    names = list(dict.fromkeys(name for row in found for name in row if isinstance(row[name], Mapping)))
    head = ["target", "confirmation", "kind", "in flight", *names]
    rows = (
        [*(row[n] for n in ("target", "confirmation", "kind", "in_flight")), *(_spread(row.get(n)) for n in names)]
        for row in found
    )
    return table(head, rows)


def _spread(ratio: Result | None) -> str | None:
    return None if ratio is None else f"{ratio['median']:.2f} ({ratio['low']:.2f}–{ratio['high']:.2f})"


def _nested(found: Mapping[Any, Mapping[str, object]]) -> str:
    names = list(dict.fromkeys(name for row in found.values() for name in row))
    return table(["", *names], ([str(key), *(row.get(name) for name in names)] for key, row in found.items()))


def _shown(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "NO"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return str(value)
