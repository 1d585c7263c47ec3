"""Charts of a run as inline SVG. Colours come from the page, every text is escaped, nothing is loaded from elsewhere.

All charts are ``WIDTH`` units wide. Numbers that a run does not have (None, NaN, a text) are left out, not drawn as 0.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

WIDTH = 1000
LEFT, RIGHT = 190, 60
MAX_COLUMNS = 300
_LANE, _PANEL, _GAP = 15, 90, 28
_FAMILIES = {
    "kill": "kill", "freeze": "freeze", "delay": "net", "black_hole": "net", "reset": "net", "cut": "net",
    "lose_answers": "net", "casino": "casino", "rotate": "change", "redeploy": "change", "wrong": "change",
}  # fmt: skip

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Column:
    """Some seconds of a run: rates a second, and the worst of what is not a rate."""

    at: float
    bets: float | None
    unknown: float | None
    p99: float | None
    doubts: float | None


def text(value: object) -> str:
    """Return a value as escaped text; "–" for none."""
    if value is None:
        return "–"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return escape(str(value), quote=True)
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}".rstrip("0").rstrip(".")


def figure(value: object) -> float | None:
    """Return a finite number, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def clock(seconds: float) -> str:
    """Return seconds since the load began as minutes and seconds."""
    whole = round(seconds)
    return f"{whole // 60}:{whole % 60:02}"


def family(kind: str) -> str:
    """Return the class of colour of a kind of fault."""
    return next((group for word, group in _FAMILIES.items() if word in kind), "other")


def columns(series: Sequence[Row], span: float) -> list[Column]:
    """Return the points of a run, one a second, merged to at most ``MAX_COLUMNS``."""
    wide = max(1, math.ceil(span / MAX_COLUMNS))
    groups: dict[int, list[Row]] = {}
    for point in series:
        if (at := figure(point.get("at"))) is not None:
            groups.setdefault(min(int(at // wide), MAX_COLUMNS - 1), []).append(point)
    return [
        Column(
            (number + 0.5) * wide if wide > 1 else figure(points[0]["at"]) or 0,
            _mean(points, "bets_begun"),
            _mean(points, "answers_unknown"),
            max(_known(points, "p99_ms"), default=None),
            max(_known(points, "open_doubts"), default=None),
        )
        for number, points in sorted(groups.items())
    ]


def timeline(series: Sequence[Row], faults: Sequence[Row], span: float) -> str:
    """Draw load, unknown answers, the 99th percentile and open doubts over time, and below them a lane for each
    kind."""
    span, found = max(span, 1), columns(series, span)
    panels: list[tuple[str, str, Callable[[Column], float | None]]] = [
        ("bets begun a second", "a", lambda column: column.bets),
        ("unknown answers a second", "b", lambda column: column.unknown),
        ("p99 of an answer, ms", "c", lambda column: column.p99),
        ("operations in doubt", "d", lambda column: column.doubts),
    ]
    kinds = sorted({str(fault.get("kind")) for fault in faults}, key=lambda kind: (family(kind), kind))
    lanes_at = len(panels) * (_PANEL + _GAP) + 12
    height = lanes_at + _LANE * len(kinds) + 24
    parts = [_bands(faults, span, lanes_at - _GAP), _time_axis(span, height - 8, height - 20)]
    for number, (label, shade, value) in enumerate(panels):
        line = [(column.at, value(column)) for column in found]
        parts.append(_panel(label, shade, line, span, number * (_PANEL + _GAP) + 18))
    parts += [_lane(kind, faults, span, lanes_at + _LANE * number) for number, kind in enumerate(kinds)]
    return _svg(height, "What happened over the run", parts)


def bars(counts: Mapping[str, Any]) -> str:
    """Draw a horizontal bar for each name, the largest first."""
    found = [(str(name), count) for name, value in counts.items() if (count := figure(value)) is not None]
    found.sort(key=lambda pair: (-pair[1], pair[0]))
    most = max((count for _, count in found), default=0) or 1
    parts = []
    for number, (name, count) in enumerate(found):
        y, wide = number * 20, (WIDTH - LEFT - RIGHT) * count / most
        shown = text(int(count) if count == int(count) else count)
        parts.append(
            f'<text class="end" x="{LEFT - 8}" y="{y + 13}">{text(_short(name))}</text>'
            f'<rect class="f-{family(name)}" x="{LEFT}" y="{y + 3}" width="{wide:.1f}" height="13">'
            f"<title>{text(name)}: {shown}</title></rect>"
            f'<text x="{LEFT + wide + 6:.1f}" y="{y + 13}">{shown}</text>'
        )
    return _svg(20 * len(found) + 4, "Faults by kind", parts)


def ranges(rows: Mapping[str, tuple[float | None, float, float]]) -> str:
    """Draw least, median and most seconds of each name; the longest median first. The least may be unknown."""
    most = max((high for _, _, high in rows.values()), default=0) or 1
    axis = most * 1.02
    step = _step(axis)
    height = 20 * len(rows) + 24
    parts = []
    for tick in range(int(axis / step) + 1):
        x = _x(tick * step, axis)
        parts.append(f'<line class="grid" x1="{x}" x2="{x}" y1="0" y2="{height - 18}"/>')
        parts.append(f'<text class="mid" x="{x}" y="{height - 5}">{text(tick * step)} s</text>')
    ordered = sorted(rows.items(), key=lambda item: (-item[1][1], item[0]))
    for number, (name, (low, middle, high)) in enumerate(ordered):
        y, start = number * 20 + 10, middle if low is None else low
        title = f"{text(name)}: least {text(low)} s, median {text(middle)} s, most {text(high)} s"
        parts.append(
            f'<g><title>{title}</title><text class="end" x="{LEFT - 8}" y="{y + 3}">{text(_short(name))}</text>'
            f'<line class="s-{family(name)} thick" x1="{_x(start, axis)}" x2="{_x(high, axis)}" y1="{y}" y2="{y}"/>'
            f'<circle class="f-{family(name)}" cx="{_x(middle, axis)}" cy="{y}" r="5"/></g>'
        )
    return _svg(height, "Recovery by kind", parts)


def _panel(label: str, shade: str, line: Sequence[tuple[float, float | None]], span: float, top: int) -> str:
    most = max((value for _, value in line if value is not None), default=0) or 1
    step = _step(most, 3)
    ceiling, bottom = math.ceil(most / step) * step, top + _PANEL

    def height(value: float) -> float:
        return round(bottom - _PANEL * value / ceiling, 1)

    parts = [f'<text x="{LEFT}" y="{top - 6}">{text(label)}</text>']
    for tick in range(round(ceiling / step) + 1):
        y = height(tick * step)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>')
        parts.append(f'<text class="end soft" x="{LEFT - 6}" y="{y + 4}">{text(tick * step)}</text>')
    for run in _runs(line):
        points = [f"{_x(at, span)},{height(value)}" for at, value in run]
        first, last = points[0].partition(",")[0], points[-1].partition(",")[0]
        parts.append(f'<path class="f-{shade} area" d="M{first},{bottom} L{" L".join(points)} L{last},{bottom} Z"/>')
        parts.append(f'<polyline class="s-{shade}" points="{" ".join(points)}"/>')
        if len(run) == 1:
            parts.append(f'<circle class="f-{shade}" cx="{first}" cy="{height(run[0][1])}" r="1.5"/>')
    return "".join(parts)


def _lane(kind: str, faults: Sequence[Row], span: float, top: int) -> str:
    mine = [fault for fault in faults if str(fault.get("kind")) == kind]
    parts = [
        f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{top + 7}" y2="{top + 7}"/>',
        f'<text class="end" x="{LEFT - 8}" y="{top + 11}">{text(_short(kind))}</text>',
        f'<text class="soft" x="{WIDTH - RIGHT + 8}" y="{top + 11}">{len(mine)}</text>',
    ]
    for fault in mine:
        at, seconds = figure(fault.get("at")), figure(fault.get("seconds")) or 0
        if at is not None:
            wide = max(2.5, _x(min(at + seconds, span), span) - _x(at, span))
            title = f"{clock(at)} {kind} {fault.get('target')}, {seconds:.1f} s"
            parts.append(
                f'<rect class="f-{family(kind)}" x="{_x(at, span)}" y="{top + 2}" width="{wide:.1f}" height="10">'
                f"<title>{text(title)}</title></rect>"
            )
    return "".join(parts)


def _bands(faults: Sequence[Row], span: float, height: int) -> str:
    """Draw a faint band over all panels for each fault."""
    parts = []
    for fault in faults:
        if (at := figure(fault.get("at"))) is not None:
            until = min(at + (figure(fault.get("seconds")) or 0), span)
            wide, kind = max(1.0, _x(until, span) - _x(at, span)), family(str(fault.get("kind")))
            parts.append(
                f'<rect class="f-{kind} band" x="{_x(at, span)}" y="18" width="{wide:.1f}" height="{height}"/>'
            )
    return "".join(parts)


def _time_axis(span: float, at: int, end: int) -> str:
    step = next((step for step in (5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600) if span / step <= 12), span / 10)
    parts = []
    for tick in range(int(span / step) + 1):
        x = _x(tick * step, span)
        parts.append(f'<line class="grid" x1="{x}" x2="{x}" y1="18" y2="{end}"/>')
        parts.append(f'<text class="mid soft" x="{x}" y="{at}">{clock(tick * step)}</text>')
    return "".join(parts)


def _runs(line: Iterable[tuple[float, float | None]]) -> list[list[tuple[float, float]]]:
    """Return the parts of a line without holes."""
    runs: list[list[tuple[float, float]]] = [[]]
    for at, value in line:
        if value is None:
            runs.append([])
        else:
            runs[-1].append((at, value))
    return [run for run in runs if run]


def _x(value: float, span: float) -> float:
    return round(LEFT + (WIDTH - LEFT - RIGHT) * min(max(value / span, 0), 1), 1)


def _step(most: float, ticks: int = 8) -> float:
    """Return 1, 2 or 5 times a power of ten, such that about this number of ticks suffices."""
    raw = most / ticks
    power = 10.0 ** math.floor(math.log10(raw))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= raw * 0.999)


def _known(points: Sequence[Row], key: str) -> list[float]:
    return [value for point in points if (value := figure(point.get(key))) is not None]


def _mean(points: Sequence[Row], key: str) -> float | None:
    values = _known(points, key)
    return sum(values) / len(values) if values else None


def _short(name: str) -> str:
    return name if len(name) <= 30 else name[:29] + "…"


def _svg(height: float, label: str, parts: Iterable[str]) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{text(label)}">{"".join(parts)}</svg>'
