"""The report of a run: its figures are the run's, hostile text stays text, and nothing is loaded or run."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from devkit.chaos.charts import MAX_COLUMNS, columns, timeline
from devkit.chaos.report import draw, write

HOSTILE = """<script>alert("x")</script>'&<img src=x onerror=y>"""
VOID = {"meta", "link", "img", "br"}


class Page(HTMLParser):
    """A page, taken apart: tags, texts, and tables as rows of cells. An unbalanced tag is an error."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.rows: list[list[str]] = []
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" in self._open:
            return
        self.texts.append(data)
        if self._open and self._open[-1] in ("td", "th"):
            self.rows[-1][-1] += data

    def tile(self, name: str) -> str:
        """Return the figure over the name of a tile."""
        return self.texts[self.texts.index(name) - 1]


def a_run(**changed: Any) -> dict[str, Any]:
    faults = [
        {"at": 10.0, "kind": "kill_worker", "target": "worker-1", "seconds": 4.0, "recovered_after": 1.5},
        {"at": 61.0, "kind": "kill_worker", "target": "worker-2", "seconds": 2.5, "recovered_after": 0.25},
        {"at": 80.5, "kind": "worker-postgres cut", "target": "link", "seconds": 3, "recovered_after": None,
         "details": {"after_bytes": 17}},
    ]  # fmt: skip
    second = {"bets_begun": 6, "answers_definite": 5, "answers_unknown": 1, "p99_ms": 120, "open_doubts": 0}
    return {
        "seed": 4711,
        "minutes": 2,
        "started_at": "2026-01-02T03:04:05Z",
        "machine": {"cores": 2, "memory_gib": 23.5, "python": "3.11.9"},
        "commit": "abc123",
        "load": {"providers": 3, "bets_per_second": 6.0},
        "faults": faults,
        "faults_by_kind": {"kill_worker": 2, "worker-postgres cut": 1},
        "series": [{"at": float(at), **second} for at in range(1, 121)],
        "outcomes": {"settled": 8123, "refunded": 432, "refused": 21},
        "answers": {"PayIn 1": 8555, "PayIn 99": 77},
        "bets": 8576,
        "cashbacks": {"issued": 1234, "cancelled": 321, "not cancelled": 12},
        "cashbacks_set_aside": 34,
        "jackpots": {"of providers": 56, "of pools": 78},
        "contributions_booked": 910,
        "repeats": 654,
        "recovery_seconds": {"p50": 0.25, "p90": 1.5, "max": 1.75},
        "recovery_by_kind": {"kill_worker": {"count": 2, "p50": 0.875, "max": 1.5}},
        "longest_doubt_seconds": {"provider": 22.5, "row": 19.25, "bet": "p2-4411"},
        "drain_seconds": 14.6,
        "verify": {"violations": [], "checks": {"outcome": 8576}},
        "books": {"differences": [], "unresolved": [], "not_at_rest": []},
        "violations": 0,
        **changed,
    }


def drawing(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)  # noqa: S314  (our own)


def test_the_figures_are_those_of_the_run() -> None:
    page = Page(draw(a_run()))
    tiles = {
        "faults": "3", "kinds of fault": "2", "bets": "8,576", "repeats sent": "654", "bets settled": "8,123",
        "bets refunded": "432", "bets refused": "21", "recovery, median": "0.25 s", "recovery, p90": "1.5 s",
        "recovery, longest": "1.75 s", "longest doubt, provider": "22.5 s", "longest doubt, our row": "19.25 s",
        "drained in": "14.6 s", "cashbacks issued": "1,234", "cashbacks not cancelled": "12",
        "cashbacks set aside": "34", "jackpots of pools": "78", "contributions booked to pools": "910",
    }  # fmt: skip
    assert {name: page.tile(name) for name in tiles} == tiles
    for row in (
        ["settled", "8,123"],
        ["PayIn 99", "77"],
        ["outcome", "8,576"],
        ["kill_worker", "2", "0.25", "0.88", "1.5", "0"],
        ["worker-postgres cut", "0", "–", "–", "–", "1"],
        ["1", "0:10", "kill_worker", "worker-1", "4", "1.5", ""],
        ["3", "1:20", "worker-postgres cut", "link", "3", "–", '{"after_bytes": 17}'],
    ):
        assert row in page.rows, row
    for words in ("0 violations", "4711", "abc123", "2026-01-02T03:04:05Z", "kill_worker: 2", "worker-postgres cut: 1"):
        assert words in page.texts, words
    assert "cores 2, memory gib 23.5, python 3.11.9" in page.texts
    assert any("p2-4411" in words for words in page.texts)


def test_every_violation_is_shown_in_full() -> None:
    violation = {"check": "outcome", "bet_id": "b-1", "provider_bet_id": "p-1", "what": "two ends", "extra": [1, 2]}
    books = {"differences": ["d-1"], "unresolved": ["u-1"], "not_at_rest": [{"bet": "n-1"}]}
    page = Page(draw(a_run(verify={"violations": [violation]}, books=books, violations=4)))
    assert "4 violations" in page.texts
    everything = "".join(page.texts)
    for words in ('"bet_id": "b-1"', '"provider_bet_id": "p-1"', '"what": "two ends"', "d-1", "u-1", "n-1", "extra"):
        assert words in everything, words


@pytest.mark.parametrize(("told", "found", "verdict"), [(0, 2, "2 violations"), (3, 1, "3 violations"), (0, 0, "0 v")])
def test_the_verdict_is_the_worse_of_figure_and_evidence(told: int, found: int, verdict: str) -> None:
    page = draw(a_run(violations=told, verify={"violations": [{"bet_id": "b"}] * found}))
    assert verdict in page
    assert ('class="verdict good"' in page) == (told == found == 0)


def test_hostile_text_stays_text() -> None:
    fault = {"at": 1, "kind": HOSTILE, "target": HOSTILE, "seconds": 1, "details": {HOSTILE: HOSTILE}}
    named = {HOSTILE: 1}
    run = a_run(
        seed=HOSTILE, minutes=HOSTILE, started_at=HOSTILE, commit=HOSTILE, machine={HOSTILE: HOSTILE}, load=named,
        faults=[fault], faults_by_kind=named, outcomes=named, answers=named, bets=HOSTILE, drain_seconds=HOSTILE,
        recovery_by_kind={HOSTILE: {"count": HOSTILE, "p50": 1, "max": 2}}, violations=HOSTILE,
        longest_doubt_seconds={"provider": HOSTILE, "row": HOSTILE, "bet": HOSTILE},
        verify={"violations": [HOSTILE, {HOSTILE: HOSTILE}], "checks": {HOSTILE: {HOSTILE: HOSTILE}}},
        books={"differences": [HOSTILE], "unresolved": HOSTILE, "not_at_rest": None},
        series=[{"at": HOSTILE}, {"at": 1, "bets_begun": HOSTILE, "p99_ms": float("nan")}, HOSTILE],
    )  # fmt: skip
    page = Page(draw(run))
    allowed = {"html", "head", "meta", "title", "style", "body", "main", "header", "section", "h1", "h2", "p", "div"}
    allowed |= {"dl", "dt", "dd", "b", "i", "span", "ol", "li", "pre", "table", "thead", "tbody", "tr", "th", "td"}
    allowed |= {"svg", "g", "text", "rect", "line", "circle", "path", "polyline"}
    assert {tag for tag, _ in page.tags} <= allowed
    assert HOSTILE in page.texts
    assert [HOSTILE, "1"] in page.rows


def test_the_page_needs_nothing_from_elsewhere() -> None:
    page = draw(a_run())
    assert not re.search(r"https?:|url\(|@import|<script|\son\w+=|\ssrc=|\shref=", page)
    assert "prefers-color-scheme: dark" in page
    assert "@media print" in page


@pytest.mark.parametrize("run", [{}, a_run(faults=[], series=[], faults_by_kind={}, recovery_by_kind={})])
def test_a_run_without_anything_does_not_fail(run: dict[str, Any]) -> None:
    assert Page(draw(run)).tile("faults") == "0"


def test_the_summary_leaves_the_raw_lists_to_a_file_of_their_own(tmp_path: Path) -> None:
    run = a_run()
    assert write(run, tmp_path / "new", "seed-4711").read_text() == draw(run)
    summary, raw = (json.loads((tmp_path / "new" / f"seed-4711{end}.json").read_text()) for end in ("", "-raw"))
    assert set(raw) == {"series", "faults"}
    assert summary | raw == run


def test_a_run_that_did_not_end_has_no_verdict() -> None:
    run = a_run()
    del run["violations"]
    assert "No verdict" in draw(run)
    assert "0 violations" not in draw(run)


@pytest.mark.parametrize("minutes", [1, 5, 30, 240])
def test_a_long_run_is_put_together_and_loses_no_peak(minutes: int) -> None:
    seconds = minutes * 60
    series = [{"at": at + 1.0, "bets_begun": 4, "answers_unknown": 0, "p99_ms": 50} for at in range(seconds)]
    series[seconds // 2] |= {"p99_ms": 9000, "bets_begun": 5}
    found = columns(series, seconds)
    assert len(found) <= MAX_COLUMNS
    assert max(column.p99 or 0 for column in found) == 9000
    wide = -(-seconds // MAX_COLUMNS)
    assert max(column.bets or 0 for column in found) == pytest.approx(4 + 1 / wide)
    assert len(found) >= min(seconds, MAX_COLUMNS) // 2


def test_a_second_without_a_figure_is_a_hole_in_the_line() -> None:
    series = [{"at": float(at), "p99_ms": None if at == 5 else 10} for at in range(1, 10)]
    drawn = drawing(timeline(series, [], 10))
    assert len(drawn.findall("polyline")) == 2


def test_every_fault_has_its_mark_at_its_time() -> None:
    run = a_run()
    drawn = drawing(timeline(run["series"], run["faults"], 120))
    marks = {
        rect.findtext("title"): float(rect.get("x") or 0)
        for rect in drawn.iter("rect")
        if rect.find("title") is not None
    }
    assert list(marks) == ["0:10 kill_worker worker-1, 4.0 s", "1:01 kill_worker worker-2, 2.5 s",
                           "1:20 worker-postgres cut link, 3.0 s"]  # fmt: skip
    left, middle, right = marks.values()
    assert (middle - left) / (right - middle) == pytest.approx(51 / 19.5, rel=0.01)
