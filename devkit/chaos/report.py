"""The report of a run of the fault runner: a summary in JSON, the raw lists beside it, and an HTML page.

The page has no scripts and loads nothing; it is light or dark, and can be printed.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from devkit.chaos.charts import bars, clock, figure, ranges, text, timeline
from devkit.chaos.report_style import STYLE

Row = Mapping[str, Any]

# One entry for each second and each fault: the page draws them, and a summary does not need them.
_RAW = ("series", "faults")


def write(run: Row, folder: Path, name: str) -> Path:
    """Write a run's summary (``name.json``), its raw lists (``name-raw.json``) and its page; return the page's path."""
    folder.mkdir(parents=True, exist_ok=True)
    raw = {key: value for key, value in run.items() if key in _RAW}
    summary = {key: value for key, value in run.items() if key not in _RAW}
    (folder / f"{name}.json").write_text(json.dumps(summary, indent=1) + "\n")
    (folder / f"{name}-raw.json").write_text(json.dumps(raw) + "\n")
    page = folder / f"{name}.html"
    page.write_text(draw(run))
    return page


def draw(run: Mapping[str, Any]) -> str:
    """Return the page of a run, as the fault runner wrote it; what the run does not have is shown as "–" or left
    out."""
    faults, series = _rows(run, "faults"), _rows(run, "series")
    wrong = _violations(run)
    parts = [
        _header(run, wrong),
        _section("Violations", _violations_in_full(wrong)),
        _tiles(run, faults),
        _section("Over time", _over_time(series, faults, _span(run, series, faults))),
        _section("Faults by kind", bars(_map(run, "faults_by_kind"))),
        _section("Recovery after a fault, by kind", _recovery(run, faults)),
        _outcomes(run),
        _section("Checks", _pairs(_map(_map(run, "verify"), "checks"), "check", "looked at")),
        _section("All faults", _all_faults(faults)),
    ]
    title = f"Faults, seed {text(str(run.get('seed')))}"
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{STYLE}</style></head>\n<body><main>\n{chr(10).join(parts)}\n</main></body></html>\n"
    )


def _violations(run: Row) -> list[tuple[str, Any]]:
    """Return everything that did not hold, with the check that found it."""
    books = _map(run, "books")
    lists = [("verify", _map(run, "verify").get("violations"))]
    lists += [(f"books: {name}", books.get(name)) for name in books]
    return [(place, found) for place, value in lists for found in _listed(value)]


def _header(run: Row, wrong: Sequence[object]) -> str:
    stated = figure(run.get("violations"))
    # The lists count even if the figure differs: a report must not look better than its evidence.
    count = max(int(stated or 0), len(wrong))
    if stated is None and not wrong:
        verdict, look = "No verdict: the run did not reach its end", "unknown"
    else:
        verdict, look = f"{text(count)} {'violation' if count == 1 else 'violations'}", "bad" if count else "good"
    machine = ", ".join(f"{text(name.replace('_', ' '))} {text(value)}" for name, value in _map(run, "machine").items())
    load = ", ".join(f"{text(name.replace('_', ' '))} {text(value)}" for name, value in _map(run, "load").items())
    facts = {
        "seed": f"<b>{text(str(run.get('seed', '–')))}</b>",
        "minutes": text(run.get("minutes")),
        "began": text(run.get("started_at")),
        "commit": text(run.get("commit")),
        "machine": machine or "–",
        "load": load or "–",
    }
    rows = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in facts.items())
    return f'<header><h1>Bets under faults</h1><p class="verdict {look}">{verdict}</p><dl>{rows}</dl></header>'


def _violations_in_full(wrong: Sequence[tuple[str, Any]]) -> str:
    if not wrong:
        return "<p>None on record.</p>"
    items = "".join(f"<li><b>{text(place)}</b><pre>{text(_json(found, 2))}</pre></li>" for place, found in wrong)
    return f'<ol class="violations">{items}</ol>'


def _tiles(run: Row, faults: Sequence[Row]) -> str:
    kinds, doubt, recovery = (
        _map(run, name) for name in ("faults_by_kind", "longest_doubt_seconds", "recovery_seconds")
    )
    found: list[tuple[str, object, str]] = [
        ("faults", len(faults), ""),
        ("kinds of fault", len(kinds), ""),
        ("bets", run.get("bets"), ""),
        *((("bets set aside", aside, ""),) if (aside := run.get("set_aside")) else ()),
        ("repeats sent", run.get("repeats"), ""),
        *((f"bets {name}", value, "") for name, value in _map(run, "outcomes").items()),
        *((f"cashbacks {name}", value, "") for name, value in _map(run, "cashbacks").items()),
        *((("cashbacks set aside", aside, ""),) if (aside := run.get("cashbacks_set_aside")) else ()),
        *((f"jackpots {name}", value, "") for name, value in _map(run, "jackpots").items()),
        *((("contributions booked to pools", booked, ""),) if (booked := run.get("contributions_booked")) else ()),
        ("recovery, median", recovery.get("p50"), "s"),
        ("recovery, p90", recovery.get("p90"), "s"),
        ("recovery, longest", recovery.get("max"), "s"),
        ("longest doubt, provider", doubt.get("provider"), "s"),
        ("longest doubt, our row", doubt.get("row"), "s"),
        ("drained in", run.get("drain_seconds"), "s"),
    ]
    tiles = "".join(
        f"<div><b>{text(value)}{f' {unit}' if unit and value is not None else ''}</b><span>{text(name)}</span></div>"
        for name, value, unit in found
    )
    bet = doubt.get("bet")
    note = f'<p class="note">The longest doubt was that of bet {text(bet)}.</p>' if bet else ""
    return f'<section class="tiles">{tiles}</section>{note}'


def _over_time(series: Sequence[Row], faults: Sequence[Row], span: float) -> str:
    if not series and not faults:
        return "<p>Nothing was recorded.</p>"
    legend = "".join(
        f'<span><i class="b-{look}"></i>{name}</span>'
        for look, name in (
            ("kill", "killed"), ("freeze", "frozen"), ("net", "network"), ("casino", "casino"),
            ("change", "clock, rotation, redeploy"), ("other", "other"),
        )
    )  # fmt: skip
    note = (
        "Minutes and seconds since the load began. A column is the mean a second; of p99 and of operations in doubt it "
        "is the worst. A band is a fault; each has its mark in the lane of its kind."
    )
    return f'<p class="note">{note}</p><p class="legend">{legend}</p>{timeline(series, faults, span)}'


def _recovery(run: Row, faults: Sequence[Row]) -> str:
    stated, seen = _map(run, "recovery_by_kind"), _recoveries(faults)
    rows: dict[str, tuple[float | None, float, float]] = {}
    table = []
    for kind in sorted({*stated, *seen}):
        mine, figures = [value for value in seen.get(kind, []) if value is not None], _map(stated, kind)
        low = min(mine, default=None)
        middle = figure(figures.get("p50", median(mine) if mine else None))
        high = figure(figures.get("max", max(mine, default=None)))
        never = len(seen.get(kind, [])) - len(mine)
        table.append((kind, figures.get("count", len(mine)), low, middle, high, never))
        if middle is not None and high is not None:
            rows[kind] = (low, middle, high)
    note = (
        "Seconds from the end of a fault until a bet begun after it was confirmed. The dot is the median, "
        "the line goes from the least to the most."
    )
    heads = ("kind", "recovered", "least s", "median s", "most s", "not seen")
    return f'<p class="note">{note}</p>{ranges(rows) if rows else ""}{_table(heads, table)}'


def _recoveries(faults: Sequence[Row]) -> dict[str, list[float | None]]:
    found: dict[str, list[float | None]] = {}
    for fault in faults:
        found.setdefault(str(fault.get("kind")), []).append(figure(fault.get("recovered_after")))
    return found


def _outcomes(run: Row) -> str:
    outcomes = _pairs(_map(run, "outcomes"), "outcome of a bet", "bets")
    answers = _pairs(_map(run, "answers"), "answer to a provider", "times")
    return f'<div class="two">{_section("Outcomes", outcomes)}{_section("Answers", answers)}</div>'


def _all_faults(faults: Sequence[Row]) -> str:
    rows = []
    for number, fault in enumerate(faults, 1):
        at = figure(fault.get("at"))
        details = fault.get("details")
        rows.append(
            (
                number,
                None if at is None else clock(at),
                fault.get("kind"),
                fault.get("target"),
                fault.get("seconds"),
                fault.get("recovered_after"),
                _json(details) if details else "",
            )
        )
    return _table(("", "at", "kind", "target", "lasted s", "recovered after s", "details"), rows)


def _pairs(values: Row, name: str, count: str) -> str:
    rows = [(key, value if figure(value) is not None else _json(value)) for key, value in values.items()]
    return _table((name, count), rows)


def _table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    body = "".join("<tr>" + "".join(_cell(value) for value in row) + "</tr>" for row in rows)
    if not body:
        return "<p>None.</p>"
    head = "".join(f"<th>{text(name)}</th>" for name in heads)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(value: object) -> str:
    look = "" if figure(value) is None else ' class="n"'
    return f"<td{look}>{text(value)}</td>"


def _section(title: str, body: str) -> str:
    return f"<section><h2>{text(title)}</h2>{body}</section>"


def _span(run: Row, series: Sequence[Row], faults: Sequence[Row]) -> float:
    """Return the seconds that the time axis shows."""
    ends = [(figure(fault.get("at")) or 0) + (figure(fault.get("seconds")) or 0) for fault in faults]
    points = [figure(point.get("at")) or 0 for point in series]
    return max([*points, *ends, (figure(run.get("minutes")) or 0) * 60, 1])


def _map(source: Row, key: str) -> Row:
    found = source.get(key)
    return found if isinstance(found, Mapping) else {}


def _rows(source: Row, key: str) -> list[Row]:
    return [row for row in _listed(source.get(key)) if isinstance(row, Mapping)]


def _listed(value: object) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else []


def _json(value: object, indent: int | None = None) -> str:
    return value if isinstance(value, str) else json.dumps(value, indent=indent, ensure_ascii=False, default=str)
