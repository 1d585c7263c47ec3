"""The arithmetic of ``make bench``: what counts, quantiles, ratios of rounds, verdicts, tables and the chart."""

import asyncio
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest
from PIL import Image

from bench import harness
from bench.bets import chart, tables
from bench.bets.figures import NothingMeasured, Ratio, cpu_figures, figures_of, medians, quantile
from bench.bets.measuring import Window, measure
from bench.bets.processes import Watch, cpu_seconds, driver, group, memory_mib
from bench.bets.rounds import Load, Results, play_rounds
from bench.bets.verdicts import verdicts
from bench.bets.workload import BetKind, PlayedBet, keep_in_flight

TWO, ONE = BetKind.TWO_STEP, BetKind.ONE_STEP


class Steady:
    """A target whose bets take a hundredth of a second."""

    own = frozenset({"driver"})

    def __init__(self, name: str = "service") -> None:
        self.name = name
        self.pids = driver()

    async def play(self, kind: BetKind, in_flight: int, stop: asyncio.Event) -> list[PlayedBet]:
        return await keep_in_flight(self._bet, kind, in_flight, stop)

    async def _bet(self, kind: BetKind) -> PlayedBet:
        await asyncio.sleep(0.01)
        return PlayedBet(asyncio.get_running_loop().time(), (10.0,) * len(kind.calls))


class Stuck(Steady):
    """A target whose bets never end."""

    async def _bet(self, kind: BetKind) -> PlayedBet:
        await asyncio.Event().wait()
        raise AssertionError


def test_a_quantile_is_the_least_value_that_so_many_do_not_exceed() -> None:
    assert [quantile([3, 1, 2, 4], part) for part in (0.25, 0.5, 0.51, 0.99, 1.0)] == [1, 2, 3, 4, 4]
    assert quantile([7], 0.5) == 7


def test_bets_count_that_end_inside_the_window() -> None:
    played = [
        PlayedBet(9.9, (1.0, 1.0)),
        PlayedBet(10.0, (20.0, 30.0), unknown=2),
        PlayedBet(13.9, (40.0, 50.0)),
        PlayedBet(13.9, (5.0,), refused=True),
        PlayedBet(14.0, (1.0, 1.0)),
    ]
    found = figures_of(TWO, played, 10.0, 14.0)
    assert (found["bets"], found["bets_per_s"], found["refused"], found["unknown_answers"]) == (2, 0.5, 1, 2)
    assert (found["pay_in_p50"], found["pay_in_p99"], found["pay_out_p50"]) == (20, 40, 30)


def test_a_window_without_a_bet_is_no_measurement() -> None:
    with pytest.raises(NothingMeasured):
        figures_of(ONE, [PlayedBet(1.0, (5.0,), refused=True)], 0.0, 2.0)


def test_cpu_is_given_a_bet_and_a_target_owns_a_part_of_it() -> None:
    before = {"api": 1.0, "worker": 1.0, "temporal": 5.0, "driver": 0.0}
    after = {"api": 1.1, "worker": 1.3, "temporal": 6.0, "driver": 9.0}
    found = cpu_figures(before, after, frozenset({"api", "worker"}), bets=10)
    assert found["cpu_api"] == pytest.approx(10)
    assert found["cpu_own"] == pytest.approx(40)
    assert found["cpu_all"] == pytest.approx(140)  # without the driver


def test_a_ratio_is_the_median_of_the_rounds_own_ratios() -> None:
    # The medians of both sides would give 1.5.
    assert Ratio.of([(1, 1), (30, 10), (2, 2)]) == Ratio(1.0, 1.0, 3.0)
    assert Ratio.of([]) is None
    assert Ratio.of([(1, 0)]) is None
    assert medians([{"a": 1, "b": 1}, {"a": 3}, {"a": 2}]) == {"a": 2}


def _results(**changed: float) -> Results:
    """Return one round at 16 in flight in which every target is just held, apart from what is changed."""
    service = {"bets_per_s": 8.5, "cpu_own": 75.0, "pay_in_p50": 100.0, "pay_in_p95": 150.0, "pay_in_p99": 280.0}
    results, load = Results(), Load("reply", TWO, 16)
    results.add(load, "service", service | changed)
    results.add(load, "equal", {"bets_per_s": 10.0, "cpu_own": 40.0, "pay_in_p99": 200.0})
    results.add(load, "lean", {"bets_per_s": 90.0, "cpu_own": 20.0, "pay_in_p99": 20.0})
    return results


def test_a_run_that_just_holds_every_target() -> None:
    assert [one.holds for one in verdicts(_results())] == [True, True, True, True]


@pytest.mark.parametrize(
    ("figure", "value", "what"),
    [
        ("cpu_own", 75.1, "CPU of API and worker to equal and lean floor added up"),
        ("bets_per_s", 8.4, "bets/s to the equal floor"),
        ("pay_in_p99", 281.0, "PayIn p99 to the equal floor"),
        ("pay_in_p95", 151.0, "PayIn p95 to its own p50"),
    ],
)
def test_a_run_that_misses_one_target(figure: str, value: float, what: str) -> None:
    assert [one.what for one in verdicts(_results(**{figure: value})) if not one.holds] == [what]


def test_at_one_in_flight_both_floors_are_added_up() -> None:
    results, load = Results(), Load("reply", ONE, 1)
    for target, p50 in {"service": 130.0, "equal": 60.0, "lean": 40.0}.items():
        results.add(load, target, {"pay_in_out_p50": p50})
    (verdict,) = verdicts(results)
    assert (verdict.holds, verdict.ratio.median) == (True, 1.3)


def test_a_target_without_its_floor_has_no_verdict() -> None:
    results = Results()
    results.add(Load("reply", TWO, 16), "service", {"bets_per_s": 1.0, "cpu_own": 1.0})
    assert verdicts(results) == []


async def test_rounds_measure_every_target_and_the_result_is_shown_and_drawn(tmp_path: Path) -> None:
    load = Load("reply", TWO, 4)
    results = await play_rounds({load: [Steady(), Steady("equal")]}, 2, Window(0.02, 0.1), Watch())
    rows = results.rows()
    assert [(row["target"], len(results.rounds[load][str(row["target"])])) for row in rows] == [
        ("service", 2),
        ("equal", 2),
    ]
    assert 20 < results.rounds[load]["service"][0]["bets_per_s"] <= 400
    result = {"mode": "compare", "at": "now", "machine": {"cores": 2}, "commit": "abc", "options": {}, "rows": rows}
    assert "| service | reply " in tables.text_of(result)
    chart.draw(rows, tmp_path / "chart.png")
    with Image.open(tmp_path / "chart.png") as drawn:
        assert drawn.format == "PNG"


def test_a_table_aligns_and_marks_what_is_missed() -> None:
    shown = tables.table(["name", "value", "holds"], [["a", 1234.5, True], ["long", None, False]])
    assert shown.splitlines() == [
        "| name | value | holds |",
        "| ---- | ----: | ----: |",
        "| a    | 1,234 |   yes |",
        "| long |     – |    NO |",
    ]


def test_an_axis_ends_at_a_round_number() -> None:
    assert [chart.nice_maximum(value) for value in (0.3, 1, 9, 21, 1100)] == [0.5, 1, 10, 25, 2000]


def test_processes_of_a_kind_are_added_up() -> None:
    assert [group(name) for name in ("worker-1", "worker-12", "sandbox-casino")] == [
        "worker",
        "worker",
        "sandbox-casino",
    ]
    both = {"worker-1": driver()["driver"], "worker-2": driver()["driver"]}
    assert set(cpu_seconds(both)) == {"worker"}
    assert memory_mib(driver())["driver"] > 10


async def test_a_run_stops_when_a_process_of_it_has_ended() -> None:
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", "raise SystemExit(7)", stdout=PIPE)
    watch = Watch()
    watch.add_child("worker of a floor", process)
    with pytest.raises(harness.ProcessEnded, match="worker of a floor has ended with status 7"):
        await measure(Stuck(), TWO, 1, Window(0.01, 60), watch)


async def test_a_run_stops_at_its_deadline_though_every_process_lives() -> None:
    with pytest.raises(harness.ProcessEnded, match="all processes live"):
        await Watch().within(0.1, asyncio.sleep(3600))


async def test_a_process_that_ends_before_it_is_ready_is_named_with_its_status() -> None:
    with pytest.raises(harness.ProcessEnded, match=r"no\.such\.module ended with status 1"):
        async with harness.child("no.such.module"):
            raise AssertionError
