"""What the command line of ``make bench`` takes, and what it does with a kept result."""

import json
from argparse import ArgumentTypeError
from pathlib import Path

import pytest

from bench.bets.__main__ import main
from bench.bets.modes.pair import variant
from bench.bets.stacks import on_servers_elsewhere
from betcore.domain.errors import Misconfigured

ROOT = Path(__file__).parents[2]


def test_a_variant_is_a_checkout_with_variables() -> None:
    name, options = variant(f"large={ROOT},BETCORE_DATABASE_POOL_SIZE=20,X=a=b")
    assert (name, options.checkout, options.variables) == (
        "large",
        ROOT,
        {"BETCORE_DATABASE_POOL_SIZE": "20", "X": "a=b"},
    )


@pytest.mark.parametrize("given", ["nothing", "name=/no/such/checkout", f"name={ROOT},NOVALUE"])
def test_a_variant_that_cannot_be_started_is_refused(given: str) -> None:
    with pytest.raises(ArgumentTypeError):
        variant(given)


def test_servers_elsewhere_are_named_both_or_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BETCORE_DATABASE_URL", "BETCORE_TEMPORAL_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    assert not on_servers_elsewhere()
    monkeypatch.setenv("BETCORE_TEMPORAL_ADDRESS", "temporal:7233")
    with pytest.raises(Misconfigured, match="BETCORE_TEMPORAL_ADDRESS is set alone"):
        on_servers_elsewhere()
    monkeypatch.setenv("BETCORE_DATABASE_URL", "postgresql://db/x")
    assert on_servers_elsewhere()


def test_stacks_of_our_own_are_not_compared_on_servers_elsewhere(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BETCORE_TEMPORAL_ADDRESS", "temporal:7233")
    monkeypatch.setenv("BETCORE_DATABASE_URL", "postgresql://db/x")
    assert main(["processes"]) == 1
    assert "name no servers" in capsys.readouterr().err


def test_a_kept_result_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ratio = {"median": 0.5, "low": 0.25, "high": 1.0}
    place = {"target": "after", "confirmation": "reply", "kind": "two_step", "in_flight": 8}
    result = {
        "mode": "pair",
        "at": "2026-01-01T00:00+00:00",
        "machine": {"cores": 2},
        "commit": "abc",
        "options": {"rounds": 1},
        "ratios": [place | {"cpu_own": ratio}],
        "memory_mib": {"after": {"api": 90.5}},
    }
    (tmp_path / "kept.json").write_text(json.dumps(result))
    assert main(["show", str(tmp_path / "kept.json")]) == 0
    shown = capsys.readouterr().out
    assert "| after  | reply        | two_step |         8 | 0.50 (0.25–1.00) |" in shown
    assert "| after | 90.5 |" in shown
