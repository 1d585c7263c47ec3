"""The chart of a result as PNG: rate, latency and CPU over the number of bets in flight, a line for each target."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

Row = Mapping[str, Any]
Point = tuple[float, float]

_WIDE, _HIGH, _LEFT, _TOP, _RIGHT, _BELOW = 420, 300, 62, 42, 18, 40
_INK, _PALE, _PAPER = "#222222", "#dddddd", "#ffffff"
_COLOURS = ("#0b62a4", "#d1495b", "#2e933c", "#8a6d3b", "#7b4fa3", "#555555")
_SHARES = 4  # lines of the grid


@dataclass(frozen=True, slots=True)
class Panel:
    """One chart: a figure of the rows of one kind of bet."""

    title: str
    kind: str
    figure: str
    without: str = ""

    def has(self, row: Row) -> bool:
        """Return whether the panel shows this row."""
        return row["kind"] == self.kind and self.figure in row["medians"] and row["target"] != self.without


def panels_of(rows: Sequence[Row]) -> list[Panel]:
    """Return the panels of a result: four for each kind of bet that it has."""
    kinds = dict.fromkeys(str(row["kind"]) for row in rows)
    found = []
    for kind in kinds:
        call = "pay_in" if kind == "two_step" else "pay_in_out"
        shown = "PayIn" if kind == "two_step" else "PayInOut"
        found += [
            # Next to a floor without Temporal, the others would lie on the axis.
            Panel("bets a second, without lean", kind, "bets_per_s", without="lean"),
            Panel(f"{shown} p50, ms", kind, f"{call}_p50"),
            Panel(f"{shown} p99, ms", kind, f"{call}_p99"),
            Panel("its own CPU a bet, ms", kind, "cpu_own"),
        ]
    return found


def draw(rows: Sequence[Row], file: Path) -> None:
    """Write the chart of a result's rows."""
    panels, names = panels_of(rows), _names(rows)
    columns = 4
    height = _HIGH * -(-len(panels) // columns) + 40
    image = Image.new("RGB", (_WIDE * columns, height), _PAPER)
    pen = ImageDraw.Draw(image)
    for number, panel in enumerate(panels):
        corner = (number % columns * _WIDE, number // columns * _HIGH)
        _draw_panel(pen, corner, panel, rows, names)
    _draw_legend(pen, names, height - 30)
    image.save(file, optimize=True)


def _names(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(_name(row) for row in rows))


def _name(row: Row) -> str:
    return str(row["target"]) if row["confirmation"] == "reply" else f"{row['target']}, {row['confirmation']}"


def _draw_panel(
    pen: ImageDraw.ImageDraw, corner: tuple[int, int], panel: Panel, rows: Sequence[Row], names: Sequence[str]
) -> None:
    of_kind = [row for row in rows if panel.has(row)]
    steps = sorted({int(row["in_flight"]) for row in of_kind})
    most = nice_maximum(max((float(row["medians"][panel.figure]) for row in of_kind), default=1.0))
    left, top = corner[0] + _LEFT, corner[1] + _TOP
    wide, high = _WIDE - _LEFT - _RIGHT, _HIGH - _TOP - _BELOW
    pen.text((left, top - 26), f"{panel.kind}: {panel.title}", _INK, _font(15))
    for share in range(_SHARES + 1):
        y = top + high - high * share / _SHARES
        pen.line((left, y, left + wide, y), _PALE)
        pen.text((left - 8, y), f"{most * share / _SHARES:g}", _INK, _font(12), anchor="rm")
    across = {step: left + wide * (place + 0.5) / len(steps) for place, step in enumerate(steps)}
    for step, x in across.items():
        pen.text((x, top + high + 8), f"{step}", _INK, _font(12), anchor="mt")
    pen.text((left + wide, top + high + 24), "in flight", _INK, _font(11), anchor="rt")
    for name in names:
        found = sorted(
            (int(row["in_flight"]), float(row["medians"][panel.figure])) for row in of_kind if _name(row) == name
        )
        line = [(across[step], top + high - high * value / most) for step, value in found]
        _draw_line(pen, line, _COLOURS[names.index(name) % len(_COLOURS)])


def _draw_line(pen: ImageDraw.ImageDraw, line: Sequence[Point], colour: str) -> None:
    if len(line) > 1:
        pen.line(list(line), colour, 3, joint="curve")
    for x, y in line:
        pen.ellipse((x - 4, y - 4, x + 4, y + 4), colour)


def _draw_legend(pen: ImageDraw.ImageDraw, names: Sequence[str], y: int) -> None:
    x = float(_LEFT)
    for number, name in enumerate(names):
        pen.rectangle((x, y + 3, x + 14, y + 13), _COLOURS[number % len(_COLOURS)])
        pen.text((x + 20, y + 8), name, _INK, _font(14), anchor="lm")
        x += 44 + pen.textlength(name, _font(14))


def nice_maximum(value: float) -> float:
    """Return the end of an axis: the next of 1, 2, 2.5, 5 and 10 times a power of ten."""
    size = 10.0 ** (len(str(int(value))) - 1) if value >= 1 else 0.01
    while True:
        for step in (1.0, 2.0, 2.5, 5.0):
            if step * size >= value:
                return step * size
        size *= 10


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
